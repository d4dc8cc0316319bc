/** Certificates by ARN: how they look, and whether the backend's ACM or IAM knows them. */
import { parseArn, type Scope } from '../gateway/core/arn.ts'
import { type AwsFault, messageOf } from '../gateway/core/fault.ts'
import type { BackendAnswer, BackendRequest, Elbv2Context } from './context.ts'
import { fault, validationError } from './faults.ts'

const LOOKUP_TIMEOUT_MS = 5_000
const IAM_VERSION = '2010-05-08'

/**
 * ValidationError for certificates of another region, CertificateNotFound for those that the
 * backend definitely does not have. Undefined at once
 * where there is nobody to ask; what is not refused is taken, and the data plane makes up for it.
 */
export function checkCertificates(
  context: Elbv2Context,
  scope: Scope,
  arns: readonly string[],
): Promise<void> | undefined {
  // The account is not looked at: emulators have their own.
  const foreign = arns.find((arn) => parseArn(arn)?.region !== scope.region && isOfAcm(arn))
  if (foreign !== undefined) throw notValid(foreign)
  const asked = [...new Set(arns)].flatMap((arn) => {
    const answer = context.callBackend(lookUp(scope, arn))
    return answer ? [refuseUnknown(context, arn, answer)] : []
  })
  return asked.length > 0 ? Promise.all(asked).then(() => {}) : undefined
}

async function refuseUnknown(
  context: Elbv2Context,
  arn: string,
  answer: Promise<BackendAnswer>,
): Promise<void> {
  let unknown: boolean
  try {
    unknown = saysUnknown(arn, await answer)
  } catch (thrown) {
    context.log.warn(`the backend could not be asked for ${arn}: ${messageOf(thrown)}`)
    return
  }
  if (unknown) throw fault('CertificateNotFoundException', `Certificate '${arn}' not found`)
}

function lookUp(scope: Scope, arn: string): BackendRequest {
  const common = { scope, method: 'POST', path: '/', timeoutMs: LOOKUP_TIMEOUT_MS }
  if (isOfAcm(arn)) {
    return {
      ...common,
      service: 'acm',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'CertificateManager.DescribeCertificate',
      },
      body: JSON.stringify({ CertificateArn: arn }),
    }
  }
  const form = new URLSearchParams({
    Action: 'GetServerCertificate',
    Version: IAM_VERSION,
    ServerCertificateName: arn.slice(arn.lastIndexOf('/') + 1),
  })
  return {
    ...common,
    service: 'iam',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  }
}

/** Whether the service itself says so: a backend without it answers other errors. */
function saysUnknown(arn: string, { body }: BackendAnswer): boolean {
  const text = body.toString()
  if (isOfAcm(arn)) return /"__type"\s*:\s*"[^"]*ResourceNotFoundException"/.test(text)
  return /<Code>NoSuchEntity<\/Code>/.test(text)
}

/** The ARNs as they were given; ValidationError for what is no certificate's. */
export function checkedCertificateArns(
  certificates: readonly { CertificateArn?: string | undefined }[],
): string[] {
  return certificates.map(({ CertificateArn: arn = '' }) => {
    const { service, resource = '' } = parseArn(arn) ?? {}
    const valid =
      (service === 'acm' && /^certificate\/[^/]+$/.test(resource)) ||
      (service === 'iam' && /^server-certificate\/.+$/.test(resource))
    if (!valid) throw notValid(arn)
    return arn
  })
}

function isOfAcm(arn: string): boolean {
  return parseArn(arn)?.service === 'acm'
}

function notValid(arn: string): AwsFault {
  return validationError(`Certificate ARN '${arn}' is not valid`)
}
