import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import { messageOf } from '../../gateway/core/fault.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { allAttributes, checkedAttributes, LOAD_BALANCER_ATTRIBUTES } from '../attributes.ts'
import type { Elbv2Context } from '../context.ts'
import { invalidConfiguration } from '../faults.ts'
import { findLoadBalancer } from '../resolve.ts'
import type { LoadBalancerRow } from '../rows.ts'
import { objectPath } from '../s3.ts'

const WRITE_TIMEOUT_MS = 5_000
const SECONDARY_IPS = 'secondary_ips.auto_assigned.per_subnet'

/** Kinds of logs that go to S3, and the file by which AWS tries whether it may write there. */
const LOGS = [
  { name: 'access_logs', says: 'access logs', file: 'ELBAccessLogTestFile' },
  { name: 'connection_logs', says: 'connection logs', file: 'ELBConnectionLogTestFile' },
  { name: 'health_check_logs', says: 'health check logs', file: 'ELBHealthCheckLogTestFile' },
] as const

interface Place {
  readonly bucket: string
  readonly path: string
}

export function loadBalancerAttributeHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, store, log } = context

  function describe(input: sdk.DescribeLoadBalancerAttributesCommandInput, call: Call) {
    return view(findLoadBalancer(rows, call, input.LoadBalancerArn))
  }

  async function modify(input: sdk.ModifyLoadBalancerAttributesCommandInput, call: Call) {
    const row = findLoadBalancer(rows, call, input.LoadBalancerArn)
    const given = checkedAttributes(
      LOAD_BALANCER_ATTRIBUTES,
      row.type,
      'Load balancer',
      input.Attributes ?? [],
    )
    checkTogether(row, given)
    for (const place of newLogPlaces(row, given)) await tryWriting(call, place)
    return store.transact(() => {
      const now = findLoadBalancer(rows, call, row.arn)
      const set = { ...now, attributes: { ...now.attributes, ...given } }
      rows.loadBalancers.put(row.arn, set)
      return view(set)
    })
  }

  /** As AWS does: logs are only turned on for a bucket that takes a file. */
  async function tryWriting({ account, region }: Call, { bucket, path }: Place): Promise<void> {
    const answered = context.callBackend({
      scope: { account, region },
      service: 's3',
      method: 'PUT',
      path,
      headers: { 'content-type': 'text/plain' },
      body: 'Enable access log',
      timeoutMs: WRITE_TIMEOUT_MS,
    })
    try {
      const answer = await answered
      // Without S3 at hand the logs are still kept here.
      if (answer === undefined || answer.status < 300) return
    } catch (thrown) {
      log.warn('no S3 could be asked whether logs can be written', { reason: messageOf(thrown) })
      return
    }
    throw invalidConfiguration(
      `Access Denied for bucket: ${bucket}. Please check S3bucket permission`,
    )
  }

  return { DescribeLoadBalancerAttributes: describe, ModifyLoadBalancerAttributes: modify }
}

function view(row: LoadBalancerRow) {
  const all = allAttributes(LOAD_BALANCER_ATTRIBUTES, row.type, row.attributes)
  return { Attributes: Object.entries(all).map(([Key, Value]) => ({ Key, Value })) }
}

/** Rules that no attribute has for itself. */
function checkTogether(row: LoadBalancerRow, given: Readonly<Record<string, string>>): void {
  if (row.type === 'application' && given['load_balancing.cross_zone.enabled'] === 'false') {
    throw invalidConfiguration(
      "The value for 'load_balancing.cross_zone.enabled' must always be 'true' for an Application Load Balancer",
    )
  }
  const before = Number(row.attributes[SECONDARY_IPS] ?? 0)
  if (Number(given[SECONDARY_IPS] ?? before) < before) {
    throw invalidConfiguration(`The value of '${SECONDARY_IPS}' cannot be decreased`)
  }
  const all = { ...row.attributes, ...given }
  for (const { name, says } of LOGS) {
    if (all[`${name}.s3.enabled`] === 'true' && !all[`${name}.s3.bucket`]) {
      throw invalidConfiguration(`The key '${name}.s3.bucket' must set in order to enable ${says}`)
    }
  }
}

/** Where logs will go that have not gone there before. */
function newLogPlaces(row: LoadBalancerRow, given: Readonly<Record<string, string>>): Place[] {
  const before = row.attributes
  const all = { ...before, ...given }
  const places: Place[] = []
  for (const { name, file } of LOGS) {
    const keys = ['enabled', 'bucket', 'prefix'].map((part) => `${name}.s3.${part}`)
    const [enabled = '', bucketKey = '', prefixKey = ''] = keys
    if (all[enabled] !== 'true' || keys.every((key) => all[key] === before[key])) continue
    const bucket = all[bucketKey] ?? ''
    const prefix = all[prefixKey] ? `${all[prefixKey]}/` : ''
    places.push({ bucket, path: objectPath(bucket, `${prefix}AWSLogs/${row.account}/${file}`) })
  }
  return places
}
