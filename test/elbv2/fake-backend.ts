/** EC2 and S3 as load balancers ask them, with AWS's XML, in memory. */
import { Buffer } from 'node:buffer'
import type { BackendAnswer, BackendRequest } from '../../elbv2/context.ts'

export interface FakeSubnet {
  readonly id: string
  readonly vpc: string
  readonly zone: string
  readonly ipv6?: boolean
}

export class FakeBackend {
  readonly requests: BackendRequest[] = []
  readonly subnets: FakeSubnet[] = []
  readonly vpcs: { id: string; isDefault?: boolean }[] = []
  readonly groups: { id: string; vpc: string; name?: string }[] = []
  readonly addresses: { id: string; ip: string }[] = []
  /** By path with its query. */
  readonly objects = new Map<string, string | Buffer>()
  readonly buckets = new Set<string>()
  /** Answers in place of all else. */
  instead: ((request: BackendRequest) => BackendAnswer | Error) | undefined

  readonly call = async (request: BackendRequest): Promise<BackendAnswer> => {
    this.requests.push(request)
    const instead = this.instead?.(request)
    if (instead instanceof Error) throw instead
    if (instead) return instead
    return request.service === 's3' ? this.#s3(request) : this.#ec2(request)
  }

  #s3({ method, path, body }: BackendRequest): BackendAnswer {
    if (method === 'PUT') {
      const bucket = path.split('/')[1] ?? ''
      if (!this.buckets.has(bucket)) return answer(404, '<Error><Code>NoSuchBucket</Code></Error>')
      this.objects.set(path, String(body))
      return answer(200, '')
    }
    const object = this.objects.get(path)
    if (object === undefined) return answer(404, '<Error><Code>NoSuchKey</Code></Error>')
    return answer(200, object)
  }

  #ec2({ body }: BackendRequest): BackendAnswer {
    const form = new URLSearchParams(String(body))
    const wanted = (name: string): Set<string> | undefined => {
      for (let filter = 1; form.has(`Filter.${filter}.Name`); filter++) {
        if (form.get(`Filter.${filter}.Name`) !== name) continue
        const values = new Set<string>()
        for (let value = 1; ; value++) {
          const each = form.get(`Filter.${filter}.Value.${value}`)
          if (each === null) return values
          values.add(each)
        }
      }
      return undefined
    }
    const has = (name: string, value: string) => wanted(name)?.has(value) ?? true
    const action = form.get('Action') ?? ''
    switch (action) {
      case 'DescribeSubnets':
        return list(
          action,
          'subnetSet',
          this.subnets.filter(({ id }) => has('subnet-id', id)).map(subnetXml),
        )
      case 'DescribeVpcs':
        return list(
          action,
          'vpcSet',
          this.vpcs
            .filter(({ id, isDefault }) => has('vpc-id', id) && has('is-default', `${!!isDefault}`))
            .map(({ id }) => `<vpcId>${id}</vpcId><tagSet><item><key>k</key></item></tagSet>`),
        )
      case 'DescribeSecurityGroups':
        return list(
          action,
          'securityGroupInfo',
          this.groups
            .filter(
              ({ id, vpc, name = id }) =>
                has('group-id', id) && has('vpc-id', vpc) && has('group-name', name),
            )
            .map(groupXml),
        )
      case 'DescribeAddresses':
        return list(
          action,
          'addressesSet',
          this.addresses
            .filter(({ id }) => has('allocation-id', id))
            .map(({ id, ip }) => `<publicIp>${ip}</publicIp><allocationId>${id}</allocationId>`),
        )
    }
    return answer(
      400,
      '<Response><Errors><Error><Code>InvalidAction</Code></Error></Errors></Response>',
    )
  }
}

export function answer(
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
): BackendAnswer {
  return { status, headers, body: Buffer.from(body) }
}

function list(action: string, name: string, items: readonly string[]): BackendAnswer {
  const inner = items.map((item) => `<item>${item}</item>`).join('')
  return answer(
    200,
    `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><${name}>${inner}</${name}></${action}Response>`,
  )
}

function subnetXml({ id, vpc, zone, ipv6 }: FakeSubnet): string {
  const block = ipv6 ? '<item><ipv6CidrBlock>2001:db8::/64</ipv6CidrBlock></item>' : ''
  return `<subnetId>${id}</subnetId><state>available</state><vpcId>${vpc}</vpcId><availabilityZone>${zone}</availabilityZone><ipv6CidrBlockAssociationSet>${block}</ipv6CidrBlockAssociationSet><tagSet><item><key>Name</key><value>x</value></item></tagSet>`
}

function groupXml({ id, vpc }: { id: string; vpc: string }): string {
  const rule = `<item><groups><item><groupId>sg-other</groupId><vpcId>vpc-other</vpcId></item></groups></item>`
  return `<ownerId>0</ownerId><groupId>${id}</groupId><groupName>g</groupName><vpcId>${vpc}</vpcId><ipPermissions>${rule}</ipPermissions><ipPermissionsEgress>${rule}</ipPermissionsEgress>`
}
