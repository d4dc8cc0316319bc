import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Handler } from '../../gateway/core/provider.ts'
import type { Elbv2Context } from '../context.ts'
import { fault } from '../faults.ts'
import { ACCOUNT_LIMITS } from '../limits.ts'
import { sortedPage } from '../resolve.ts'
import { SSL_POLICIES, type SslPolicyFacts, sslPolicy } from '../ssl-policies.ts'

/** What is the same for every account: its limits, and the security policies. */
export function accountHandlers(_context: Elbv2Context): Record<string, Handler> {
  return {
    DescribeAccountLimits: describeLimits,
    DescribeSSLPolicies: describePolicies,
    GetResourcePolicy: getResourcePolicy,
  }
}

const limits = new Map<string, number>(Object.entries(ACCOUNT_LIMITS))

function describeLimits(input: sdk.DescribeAccountLimitsCommandInput) {
  const { rows, nextToken } = pageInOrder([...limits.keys()], input)
  return {
    Limits: rows.map((Name) => ({ Name, Max: String(limits.get(Name)) })),
    NextMarker: nextToken,
  }
}

function describePolicies(input: sdk.DescribeSSLPoliciesCommandInput) {
  const { Names: names, LoadBalancerType: type } = input
  const unknown = (names ?? []).find((name) => !sslPolicy(name))
  if (unknown !== undefined) {
    throw fault('SSLPolicyNotFoundException', `SSL policy '${unknown}' not found`)
  }
  const wanted = new Set(names)
  const found = SSL_POLICIES.filter(
    ({ name, types }) =>
      (wanted.size === 0 || wanted.has(name)) &&
      (type === undefined || types.some((each) => each === type)),
  )
  const { rows, nextToken } = pageInOrder(
    found.map(({ name }) => name),
    input,
  )
  const shown = new Set(rows)
  return {
    SslPolicies: found.filter(({ name }) => shown.has(name)).map(policyView),
    NextMarker: nextToken,
  }
}

function policyView({ name, protocols, ciphers, types }: SslPolicyFacts): sdk.SslPolicy {
  return {
    SslProtocols: [...protocols],
    Ciphers: ciphers.map((Name, index) => ({ Name, Priority: index + 1 })),
    Name: name,
    SupportedLoadBalancerTypes: [...types],
  }
}

/** A page of a list whose order is its own. */
function pageInOrder(
  names: readonly string[],
  paged: { Marker?: string | undefined; PageSize?: number | undefined },
) {
  const place = new Map(names.map((name, index) => [name, index]))
  const of = (name: string) => place.get(name) ?? -1
  return sortedPage(names, paged, (left, right) => of(left) - of(right))
}

// Policies belong to shared resources, and none is ever shared here.
function getResourcePolicy(input: sdk.GetResourcePolicyCommandInput): never {
  throw fault(
    'ResourceNotFoundException',
    `No resource policy was found for resource '${input.ResourceArn}'`,
  )
}
