/** Every documented attribute of load balancers, target groups and listeners: default and allowed values. */
import type { AwsFault } from '../gateway/core/fault.ts'
import { invalidConfiguration, validationError } from './faults.ts'
import type { Attributes } from './rows.ts'

/** What an attribute belongs to: the type of the load balancer, or of the target group's traffic. */
export type AttributeKind = 'application' | 'network' | 'gateway' | 'lambda'

/** Some words, numbers of a range (besides words), or text of a form that `says` describes. */
export type AllowedValues =
  | { readonly words: readonly string[]; readonly from?: number; readonly to?: number }
  | { readonly form: RegExp; readonly says: string }

export interface AttributeRule {
  readonly key: string
  readonly fallback: string
  readonly allowed: AllowedValues
  readonly kinds: readonly AttributeKind[]
}

const ALL: readonly AttributeKind[] = ['application', 'network', 'gateway']
const ALB: readonly AttributeKind[] = ['application']
const NLB: readonly AttributeKind[] = ['network']
const GWLB: readonly AttributeKind[] = ['gateway']
const HTTP_AND_NLB: readonly AttributeKind[] = ['application', 'network']

const BOOLEAN: AllowedValues = { words: ['true', 'false'] }
const PERCENTAGE: AllowedValues = { words: ['off'], from: 1, to: 100 }
const WEEK: AllowedValues = { words: [], from: 1, to: 604_800 }
const REBALANCE: AllowedValues = { words: ['rebalance', 'no_rebalance'] }
const BUCKET: AllowedValues = {
  form: /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$/,
  says: 'the name of an S3 bucket',
}
// AWS puts AWSLogs after the prefix itself, and lets none begin or end with a slash.
const PREFIX: AllowedValues = {
  form: /^(?!\/)(?!.*AWSLogs)\P{C}*(?<!\/)$/u,
  says: "a prefix without a slash at its ends and without 'AWSLogs'",
}
// AWS names no greatest number of targets here; no group holds more.
const MAX_TARGETS = 1_000_000
// The names that begin so are the load balancer's own.
const COOKIE_NAME: AllowedValues = {
  form: /^(?!AWSALB)[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/i,
  says: 'a cookie name that does not begin with AWSALB',
}
const HEADER_NAME: AllowedValues = {
  form: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/,
  says: 'the name of an HTTP header',
}
const HEADER_VALUE: AllowedValues = {
  form: /^[\t\x20-\x7e]*$/,
  says: 'the value of an HTTP header',
}

/** Without `allowed` the attribute is `true` or `false`. */
function rule(
  key: string,
  fallback: string,
  kinds: readonly AttributeKind[] = ALL,
  allowed = BOOLEAN,
): AttributeRule {
  return { key, fallback, kinds, allowed }
}

function words(...allowed: readonly string[]): AllowedValues {
  return { words: allowed }
}

function logRules(name: string, kinds: readonly AttributeKind[]): AttributeRule[] {
  return [
    rule(`${name}.s3.enabled`, 'false', kinds),
    rule(`${name}.s3.bucket`, '', kinds, BUCKET),
    rule(`${name}.s3.prefix`, '', kinds, PREFIX),
  ]
}

export const LOAD_BALANCER_ATTRIBUTES: readonly AttributeRule[] = [
  rule('deletion_protection.enabled', 'false'),
  rule('load_balancing.cross_zone.enabled', 'true', ALB),
  rule('load_balancing.cross_zone.enabled', 'false', ['network', 'gateway']),
  ...logRules('access_logs', HTTP_AND_NLB),
  rule('ipv6.deny_all_igw_traffic', 'false', HTTP_AND_NLB),
  rule('zonal_shift.config.enabled', 'false', HTTP_AND_NLB),
  rule('client_keep_alive.seconds', '3600', ALB, { words: [], from: 60, to: 604_800 }),
  ...logRules('connection_logs', ALB),
  ...logRules('health_check_logs', ALB),
  rule('idle_timeout.timeout_seconds', '60', ALB, { words: [], from: 1, to: 4000 }),
  rule(
    'routing.http.desync_mitigation_mode',
    'defensive',
    ALB,
    words('monitor', 'defensive', 'strictest'),
  ),
  rule('routing.http.drop_invalid_header_fields.enabled', 'false', ALB),
  rule('routing.http.preserve_host_header.enabled', 'false', ALB),
  rule('routing.http.x_amzn_tls_version_and_cipher_suite.enabled', 'false', ALB),
  rule('routing.http.xff_client_port.enabled', 'false', ALB),
  rule(
    'routing.http.xff_header_processing.mode',
    'append',
    ALB,
    words('append', 'preserve', 'remove'),
  ),
  rule('routing.http2.enabled', 'true', ALB),
  rule('waf.fail_open.enabled', 'false', ALB),
  rule(
    'dns_record.client_routing_policy',
    'any_availability_zone',
    NLB,
    words(
      'availability_zone_affinity',
      'partial_availability_zone_affinity',
      'any_availability_zone',
    ),
  ),
  rule('secondary_ips.auto_assigned.per_subnet', '0', NLB, { words: [], from: 0, to: 7 }),
]

const LEAST = 'minimum_healthy_targets'
const COUNT: AllowedValues = { words: [], from: 1, to: MAX_TARGETS }

export const TARGET_GROUP_ATTRIBUTES: readonly AttributeRule[] = [
  rule('deregistration_delay.timeout_seconds', '300', ALL, { words: [], from: 0, to: 3600 }),
  rule('stickiness.enabled', 'false'),
  rule('stickiness.type', 'lb_cookie', ALB, words('lb_cookie', 'app_cookie')),
  rule('stickiness.type', 'source_ip', NLB, words('source_ip')),
  rule(
    'stickiness.type',
    'source_ip_dest_ip',
    GWLB,
    words('source_ip_dest_ip', 'source_ip_dest_ip_proto'),
  ),
  rule(
    'load_balancing.cross_zone.enabled',
    'use_load_balancer_configuration',
    HTTP_AND_NLB,
    words('true', 'false', 'use_load_balancer_configuration'),
  ),
  rule(`target_group_health.dns_failover.${LEAST}.count`, '1', HTTP_AND_NLB, {
    words: ['off'],
    from: 1,
    to: MAX_TARGETS,
  }),
  rule(`target_group_health.dns_failover.${LEAST}.percentage`, 'off', HTTP_AND_NLB, PERCENTAGE),
  rule(`target_group_health.unhealthy_state_routing.${LEAST}.count`, '1', HTTP_AND_NLB, COUNT),
  rule(
    `target_group_health.unhealthy_state_routing.${LEAST}.percentage`,
    'off',
    HTTP_AND_NLB,
    PERCENTAGE,
  ),
  rule(
    'load_balancing.algorithm.type',
    'round_robin',
    ALB,
    words('round_robin', 'least_outstanding_requests', 'weighted_random'),
  ),
  rule('load_balancing.algorithm.anomaly_mitigation', 'off', ALB, words('on', 'off')),
  rule('slow_start.duration_seconds', '0', ALB, { words: ['0'], from: 30, to: 900 }),
  rule('stickiness.app_cookie.cookie_name', '', ALB, COOKIE_NAME),
  rule('stickiness.app_cookie.duration_seconds', '86400', ALB, WEEK),
  rule('stickiness.lb_cookie.duration_seconds', '86400', ALB, WEEK),
  rule('lambda.multi_value_headers.enabled', 'false', ['lambda']),
  rule('deregistration_delay.connection_termination.enabled', 'false', NLB),
  rule('preserve_client_ip.enabled', 'true', NLB),
  rule('proxy_protocol_v2.enabled', 'false', NLB),
  rule('target_health_state.unhealthy.connection_termination.enabled', 'true', NLB),
  rule('target_health_state.unhealthy.draining_interval_seconds', '0', NLB, {
    words: [],
    from: 0,
    to: 360_000,
  }),
  rule('target_failover.on_deregistration', 'no_rebalance', GWLB, REBALANCE),
  rule('target_failover.on_unhealthy', 'no_rebalance', GWLB, REBALANCE),
  rule('send_tcp_reset.on_unhealthy.enabled', 'false', GWLB),
  rule('send_tcp_reset.on_deregistration.enabled', 'false', GWLB),
]

// Key between `routing.http.request.` and `.header_name`, and what the header is called by itself.
const REQUEST_HEADERS: Readonly<Record<string, string>> = {
  x_amzn_mtls_clientcert_serial_number: 'X-Amzn-Mtls-Clientcert-Serial-Number',
  x_amzn_mtls_clientcert_issuer: 'X-Amzn-Mtls-Clientcert-Issuer',
  x_amzn_mtls_clientcert_subject: 'X-Amzn-Mtls-Clientcert-Subject',
  x_amzn_mtls_clientcert_validity: 'X-Amzn-Mtls-Clientcert-Validity',
  x_amzn_mtls_clientcert_leaf: 'X-Amzn-Mtls-Clientcert-Leaf',
  x_amzn_mtls_clientcert: 'X-Amzn-Mtls-Clientcert',
  x_amzn_tls_version: 'X-Amzn-Tls-Version',
  x_amzn_tls_cipher_suite: 'X-Amzn-Tls-Cipher-Suite',
}
// Each may be empty: then the header is not set.
const RESPONSE_HEADERS: Readonly<Record<string, AllowedValues>> = {
  strict_transport_security: HEADER_VALUE,
  access_control_allow_origin: HEADER_VALUE,
  access_control_allow_methods: HEADER_VALUE,
  access_control_allow_headers: HEADER_VALUE,
  access_control_allow_credentials: words('', 'true'),
  access_control_expose_headers: HEADER_VALUE,
  access_control_max_age: { words: [''], from: 0, to: 86_400 },
  content_security_policy: HEADER_VALUE,
  x_content_type_options: words('', 'nosniff'),
  x_frame_options: words('', 'DENY', 'SAMEORIGIN'),
}

export const LISTENER_ATTRIBUTES: readonly AttributeRule[] = [
  rule('tcp.idle_timeout.seconds', '350', ['network', 'gateway'], {
    words: [],
    from: 60,
    to: 6000,
  }),
  rule('send_tcp_reset.on_idle_timeout.enabled', 'false', GWLB),
  rule('routing.http.response.server.enabled', 'true', ALB),
  ...Object.entries(REQUEST_HEADERS).map(([name, header]) =>
    rule(`routing.http.request.${name}.header_name`, header, ALB, HEADER_NAME),
  ),
  ...Object.entries(RESPONSE_HEADERS).map(([name, allowed]) =>
    rule(`routing.http.response.${name}.header_value`, '', ALB, allowed),
  ),
]

/** All attributes of such a thing, in the order in which they are described: defaults under what is set. */
export function allAttributes(
  rules: readonly AttributeRule[],
  kind: AttributeKind,
  set: Attributes,
): Record<string, string> {
  const all: Record<string, string> = {}
  for (const { key, fallback, kinds } of rules) {
    if (kinds.includes(kind)) all[key] = set[key] ?? fallback
  }
  return all
}

/** What has the attributes, as AWS's messages call it. */
export type AttributeNoun = 'Load balancer' | 'Target group' | 'Listener'

const HOLDERS: Readonly<Record<AttributeNoun, string>> = {
  'Load balancer': 'load balancers',
  'Target group': 'target groups of load balancers',
  Listener: 'listeners of load balancers',
}

/**
 * What a Modify…Attributes call sets, each by the rules of its key. ValidationError for keys that
 * are unknown or given twice and for values that are not allowed; InvalidConfigurationRequest for
 * keys of another kind. Rules between several attributes are the caller's.
 */
export function checkedAttributes(
  rules: readonly AttributeRule[],
  kind: AttributeKind,
  noun: AttributeNoun,
  given: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[],
): Record<string, string> {
  const checked = new Map<string, string>()
  for (const { Key: key = '', Value: value = '' } of given) {
    const same = rules.filter((each) => each.key === key)
    if (same.length === 0) {
      throw validationError(`${noun} attribute key '${key}' is not recognized`)
    }
    const own = same.find(({ kinds }) => kinds.includes(kind))
    if (!own) throw unsupported(noun, key, kind)
    if (checked.has(key)) {
      throw validationError(`Attribute key '${key}' has been specified more than once`)
    }
    if (!isAllowed(own.allowed, value)) {
      throw validationError(
        `The value of '${key}' must be ${sayAllowed(own.allowed)}, but was '${value}'`,
      )
    }
    checked.set(key, value)
  }
  return Object.fromEntries(checked)
}

function unsupported(noun: AttributeNoun, key: string, kind: AttributeKind): AwsFault {
  const holders =
    kind === 'lambda' ? 'target groups with target type' : `${HOLDERS[noun]} with type`
  return invalidConfiguration(
    `${noun} attribute key '${key}' is not supported on ${holders} '${kind}'`,
  )
}

function isAllowed(allowed: AllowedValues, value: string): boolean {
  if ('form' in allowed) return allowed.form.test(value)
  if (allowed.words.includes(value)) return true
  const { from, to } = allowed
  if (from === undefined || to === undefined || !/^(0|[1-9]\d{0,8})$/.test(value)) return false
  return Number(value) >= from && Number(value) <= to
}

function sayAllowed(allowed: AllowedValues): string {
  if ('form' in allowed) return allowed.says
  const said = allowed.words.map((word) => `'${word}'`)
  if (allowed.from !== undefined) said.push(`a number from ${allowed.from} to ${allowed.to}`)
  return said.join(' or ')
}
