/** Every documented attribute of load balancers, target groups and listeners, with its default. */
import type { Attributes } from './rows.ts'

/** What an attribute belongs to: the type of the load balancer, or of the target group's traffic. */
export type AttributeKind = 'application' | 'network' | 'gateway' | 'lambda'

export interface AttributeRule {
  readonly key: string
  readonly fallback: string
  readonly kinds: readonly AttributeKind[]
}

const ALL: readonly AttributeKind[] = ['application', 'network', 'gateway']
const ALB: readonly AttributeKind[] = ['application']
const NLB: readonly AttributeKind[] = ['network']
const HTTP_AND_NLB: readonly AttributeKind[] = ['application', 'network']

function rule(key: string, fallback: string, kinds: readonly AttributeKind[] = ALL): AttributeRule {
  return { key, fallback, kinds }
}

export const LOAD_BALANCER_ATTRIBUTES: readonly AttributeRule[] = [
  rule('deletion_protection.enabled', 'false'),
  rule('load_balancing.cross_zone.enabled', 'true', ALB),
  rule('load_balancing.cross_zone.enabled', 'false', ['network', 'gateway']),
  rule('access_logs.s3.enabled', 'false', HTTP_AND_NLB),
  rule('access_logs.s3.bucket', '', HTTP_AND_NLB),
  rule('access_logs.s3.prefix', '', HTTP_AND_NLB),
  rule('ipv6.deny_all_igw_traffic', 'false', HTTP_AND_NLB),
  rule('zonal_shift.config.enabled', 'false', HTTP_AND_NLB),
  rule('client_keep_alive.seconds', '3600', ALB),
  rule('connection_logs.s3.enabled', 'false', ALB),
  rule('connection_logs.s3.bucket', '', ALB),
  rule('connection_logs.s3.prefix', '', ALB),
  rule('health_check_logs.s3.enabled', 'false', ALB),
  rule('health_check_logs.s3.bucket', '', ALB),
  rule('health_check_logs.s3.prefix', '', ALB),
  rule('idle_timeout.timeout_seconds', '60', ALB),
  rule('routing.http.desync_mitigation_mode', 'defensive', ALB),
  rule('routing.http.drop_invalid_header_fields.enabled', 'false', ALB),
  rule('routing.http.preserve_host_header.enabled', 'false', ALB),
  rule('routing.http.x_amzn_tls_version_and_cipher_suite.enabled', 'false', ALB),
  rule('routing.http.xff_client_port.enabled', 'false', ALB),
  rule('routing.http.xff_header_processing.mode', 'append', ALB),
  rule('routing.http2.enabled', 'true', ALB),
  rule('waf.fail_open.enabled', 'false', ALB),
  rule('dns_record.client_routing_policy', 'any_availability_zone', NLB),
  rule('secondary_ips.auto_assigned.per_subnet', '0', NLB),
]

export const TARGET_GROUP_ATTRIBUTES: readonly AttributeRule[] = [
  rule('deregistration_delay.timeout_seconds', '300'),
  rule('stickiness.enabled', 'false'),
  rule('stickiness.type', 'lb_cookie', ALB),
  rule('stickiness.type', 'source_ip', NLB),
  rule('stickiness.type', 'source_ip_dest_ip', ['gateway']),
  rule('load_balancing.cross_zone.enabled', 'use_load_balancer_configuration', HTTP_AND_NLB),
  rule('target_group_health.dns_failover.minimum_healthy_targets.count', '1', HTTP_AND_NLB),
  rule('target_group_health.dns_failover.minimum_healthy_targets.percentage', 'off', HTTP_AND_NLB),
  rule(
    'target_group_health.unhealthy_state_routing.minimum_healthy_targets.count',
    '1',
    HTTP_AND_NLB,
  ),
  rule(
    'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage',
    'off',
    HTTP_AND_NLB,
  ),
  rule('load_balancing.algorithm.type', 'round_robin', ALB),
  rule('load_balancing.algorithm.anomaly_mitigation', 'off', ALB),
  rule('slow_start.duration_seconds', '0', ALB),
  rule('stickiness.app_cookie.cookie_name', '', ALB),
  rule('stickiness.app_cookie.duration_seconds', '86400', ALB),
  rule('stickiness.lb_cookie.duration_seconds', '86400', ALB),
  rule('lambda.multi_value_headers.enabled', 'false', ['lambda']),
  rule('deregistration_delay.connection_termination.enabled', 'false', NLB),
  rule('preserve_client_ip.enabled', 'true', NLB),
  rule('proxy_protocol_v2.enabled', 'false', NLB),
  rule('target_health_state.unhealthy.connection_termination.enabled', 'true', NLB),
  rule('target_health_state.unhealthy.draining_interval_seconds', '0', NLB),
  rule('target_failover.on_deregistration', 'no_rebalance', ['gateway']),
  rule('target_failover.on_unhealthy', 'no_rebalance', ['gateway']),
]

const REQUEST_HEADER_NAMES = [
  'routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name:X-Amzn-Mtls-Clientcert-Serial-Number',
  'routing.http.request.x_amzn_mtls_clientcert_issuer.header_name:X-Amzn-Mtls-Clientcert-Issuer',
  'routing.http.request.x_amzn_mtls_clientcert_subject.header_name:X-Amzn-Mtls-Clientcert-Subject',
  'routing.http.request.x_amzn_mtls_clientcert_validity.header_name:X-Amzn-Mtls-Clientcert-Validity',
  'routing.http.request.x_amzn_mtls_clientcert_leaf.header_name:X-Amzn-Mtls-Clientcert-Leaf',
  'routing.http.request.x_amzn_mtls_clientcert.header_name:X-Amzn-Mtls-Clientcert',
  'routing.http.request.x_amzn_tls_version.header_name:X-Amzn-Tls-Version',
  'routing.http.request.x_amzn_tls_cipher_suite.header_name:X-Amzn-Tls-Cipher-Suite',
]
const RESPONSE_HEADERS = [
  'strict_transport_security',
  'access_control_allow_origin',
  'access_control_allow_methods',
  'access_control_allow_headers',
  'access_control_allow_credentials',
  'access_control_expose_headers',
  'access_control_max_age',
  'content_security_policy',
  'x_content_type_options',
  'x_frame_options',
]

export const LISTENER_ATTRIBUTES: readonly AttributeRule[] = [
  rule('tcp.idle_timeout.seconds', '350', ['network', 'gateway']),
  rule('routing.http.response.server.enabled', 'true', ALB),
  ...REQUEST_HEADER_NAMES.map((text) => {
    const [key = '', fallback = ''] = text.split(':')
    return rule(key, fallback, ALB)
  }),
  ...RESPONSE_HEADERS.map((name) => rule(`routing.http.response.${name}.header_value`, '', ALB)),
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
