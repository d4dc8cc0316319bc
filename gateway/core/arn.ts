/** The account and region a call speaks for; rows of one scope are invisible to every other. */
export interface Scope {
  /** 12 digits. */
  readonly account: string
  /** e.g. `us-east-1`. */
  readonly region: string
}

/** Partition of a region: `aws`, `aws-cn` or `aws-us-gov`. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn'
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
}

/** `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`. */
export function arnOf(service: string, scope: Scope, resource: string): string {
  return `arn:${partitionOf(scope.region)}:${service}:${scope.region}:${scope.account}:${resource}`
}

export interface ParsedArn extends Scope {
  readonly partition: string
  readonly service: string
  /** Everything after the fifth colon, e.g. `cluster/default`. */
  readonly resource: string
}

/** The parts of an ARN, or undefined where the text is none. */
export function parseArn(text: string): ParsedArn | undefined {
  const parts = text.split(':')
  if (parts.length < 6 || parts[0] !== 'arn') return undefined
  const [, partition = '', service = '', region = '', account = ''] = parts
  const resource = parts.slice(5).join(':')
  if (!partition || !service || !resource) return undefined
  return { partition, service, region, account, resource }
}
