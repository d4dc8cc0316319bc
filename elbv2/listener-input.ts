/** What a listener may be: protocol and port by its load balancer, and what ending TLS takes. */
import type {
  MutualAuthenticationAttributes,
  ProtocolEnum,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { fault, invalidConfiguration, validationError } from './faults.ts'
import { endsTls, isQuic, LISTENER_PROTOCOLS } from './protocols.ts'
import { MAX_LISTENERS_PER_BALANCER, MAX_MUTUAL_TLS_LISTENERS_PER_BALANCER } from './quotas.ts'
import { findTrustStore } from './resolve.ts'
import type { Elbv2Rows, ListenerRow, LoadBalancerRow } from './rows.ts'
import { checkedCertificateArns } from './server-certificates.ts'
import { sslPolicy } from './ssl-policies.ts'

const DEFAULT_SSL_POLICY = 'ELBSecurityPolicy-2016-08'
const ALPN_POLICIES = ['HTTP1Only', 'HTTP2Only', 'HTTP2Optional', 'HTTP2Preferred', 'None']
const DATAGRAM_PROTOCOLS: readonly ProtocolEnum[] = ['UDP', 'TCP_UDP']

/** Members of CreateListener and ModifyListener that are checked here. */
export interface ListenerInput {
  readonly Protocol?: ProtocolEnum | undefined
  readonly Port?: number | undefined
  readonly SslPolicy?: string | undefined
  readonly Certificates?: readonly { CertificateArn?: string; IsDefault?: boolean }[] | undefined
  readonly AlpnPolicy?: readonly string[] | undefined
  readonly MutualAuthentication?: MutualAuthenticationAttributes | undefined
}

export type Endpoint = Pick<ListenerRow, 'protocol' | 'port'>
type TlsPart = Pick<
  ListenerRow,
  'certificateArns' | 'sslPolicy' | 'alpnPolicy' | 'mutualAuthentication'
>

/** Protocol and port, which gateway load balancers do not have. */
export function checkedEndpoint(balancer: LoadBalancerRow, input: ListenerInput): Endpoint {
  const { Protocol: protocol, Port: port } = input
  if (balancer.type === 'gateway') {
    if (protocol === undefined && port === undefined) return {}
    throw validationError(
      'You cannot specify a port or protocol for Gateway Load Balancer listeners',
    )
  }
  if (!protocol) throw validationError('A listener protocol must be specified')
  if (port === undefined) throw validationError('A listener port must be specified')
  const allowed = LISTENER_PROTOCOLS[balancer.type]
  if (!allowed.includes(protocol)) {
    throw validationError(`Listener protocol '${protocol}' must be one of '${allowed.join(', ')}'`)
  }
  checkDatagrams(balancer, protocol)
  return { protocol, port }
}

function checkDatagrams(balancer: LoadBalancerRow, protocol: ProtocolEnum): void {
  if (isQuic(protocol) && balancer.securityGroups.length > 0) {
    throw invalidConfiguration(
      `Listener protocol '${protocol}' is not supported on load balancers with security groups`,
    )
  }
  const needsIpv4 = isQuic(protocol) || DATAGRAM_PROTOCOLS.includes(protocol)
  if (needsIpv4 && balancer.ipAddressType !== 'ipv4' && !balancer.enablePrefixForIpv6SourceNat) {
    throw invalidConfiguration(
      `Listener protocol '${protocol}' is not supported on load balancers with IP address type '${balancer.ipAddressType}'`,
    )
  }
}

/** `own`: the listener that moves to this endpoint, which takes no place from itself. */
export function checkEndpointFree(
  rows: Elbv2Rows,
  balancer: LoadBalancerRow,
  { protocol, port }: Endpoint,
  own?: ListenerRow,
): void {
  const listeners = rows.listeners.by('loadBalancer', balancer.arn)
  for (const other of listeners) {
    if (other.arn === own?.arn) continue
    // A gateway load balancer has one listener, without a port.
    if (other.port === port) {
      if (own) throw validationError(`Listener port '${port}' is already in use`)
      throw fault(
        'DuplicateListenerException',
        `A listener already exists on this port for this load balancer '${balancer.arn}'`,
      )
    }
    const isDatagram = (of: ProtocolEnum | undefined) =>
      isQuic(of) || (of !== undefined && DATAGRAM_PROTOCOLS.includes(of))
    const clashes =
      (isQuic(protocol) && isDatagram(other.protocol)) ||
      (isDatagram(protocol) && isQuic(other.protocol))
    if (clashes) {
      throw invalidConfiguration(
        `Listener protocol '${protocol}' is not supported on a load balancer with a listener of protocol '${other.protocol}'`,
      )
    }
  }
  if (!own && listeners.size >= MAX_LISTENERS_PER_BALANCER) {
    throw fault(
      'TooManyListenersException',
      `The maximum number of listeners on load balancer '${balancer.arn}' has been reached: [${MAX_LISTENERS_PER_BALANCER}]`,
    )
  }
}

/** The one certificate that the call names as the default; undefined where it names none. */
export function defaultCertificate({ Certificates }: ListenerInput): string | undefined {
  if (!Certificates?.length) return undefined
  if (Certificates.some(({ IsDefault }) => IsDefault !== undefined)) {
    throw validationError('You cannot specify IsDefault for the certificate of a listener')
  }
  const [arn, ...more] = checkedCertificateArns(Certificates)
  if (more.length > 0) {
    throw fault(
      'TooManyCertificatesException',
      `Up to '1' certificate ARNs can be specified, but '${Certificates.length}' were specified`,
    )
  }
  return arn
}

/** What ends TLS: asked for, over what the listener had where it ended TLS `before`, over defaults. */
export function checkedTls(
  rows: Elbv2Rows,
  balancer: LoadBalancerRow,
  protocol: ProtocolEnum | undefined,
  input: ListenerInput,
  before?: ListenerRow,
): TlsPart {
  const own = defaultCertificate(input)
  if (!endsTls(protocol)) {
    refusePlain(protocol, input)
    return { certificateArns: [] }
  }
  const kept = before?.certificateArns ?? []
  // The new default takes the old one's place; further certificates stay.
  const certificateArns =
    own === undefined ? kept : [own, ...kept.slice(1).filter((arn) => arn !== own)]
  if (certificateArns.length === 0) {
    throw validationError(`A certificate must be specified for ${protocol} listeners`)
  }
  const alpnPolicy = checkedAlpn(protocol, input.AlpnPolicy) ?? before?.alpnPolicy
  const mutual =
    protocol === 'HTTPS' ? checkedMutual(rows, balancer, input, before) : refuseMutual(input)
  return {
    certificateArns,
    sslPolicy: checkedPolicy(input.SslPolicy ?? before?.sslPolicy ?? DEFAULT_SSL_POLICY),
    ...(alpnPolicy && { alpnPolicy }),
    ...(mutual && { mutualAuthentication: mutual }),
  }
}

function refusePlain(protocol: ProtocolEnum | undefined, input: ListenerInput): void {
  const name = protocol ?? 'GENEVE'
  const refuse = (what: string) =>
    validationError(`${what} cannot be specified for ${name} listeners`)
  if (input.Certificates?.length) throw refuse('A certificate')
  if (input.SslPolicy !== undefined) throw refuse('An SSL policy')
  if (input.AlpnPolicy?.length) throw refuse('An ALPN policy')
  if ((input.MutualAuthentication?.Mode ?? 'off') !== 'off') throw refuse('Mutual authentication')
}

function checkedPolicy(name: string): string {
  if (!sslPolicy(name)) {
    throw fault('SSLPolicyNotFoundException', `SSL policy '${name}' not found`)
  }
  return name
}

function checkedAlpn(
  protocol: ProtocolEnum | undefined,
  asked: readonly string[] | undefined,
): readonly string[] | undefined {
  if (!asked?.length) return undefined
  if (protocol !== 'TLS') {
    throw validationError(`An ALPN policy cannot be specified for ${protocol} listeners`)
  }
  const [policy = '', ...more] = asked
  if (more.length > 0 || !ALPN_POLICIES.includes(policy)) {
    throw fault(
      'ALPNPolicyNotSupportedException',
      `The ALPN policy '${asked.join(', ')}' must be one of '${ALPN_POLICIES.join(', ')}'`,
    )
  }
  return [policy]
}

function refuseMutual({ MutualAuthentication }: ListenerInput): undefined {
  if ((MutualAuthentication?.Mode ?? 'off') === 'off') return undefined
  throw validationError('Mutual authentication cannot be specified for TLS listeners')
}

function checkedMutual(
  rows: Elbv2Rows,
  balancer: LoadBalancerRow,
  { MutualAuthentication: asked }: ListenerInput,
  before: ListenerRow | undefined,
): MutualAuthenticationAttributes {
  if (!asked) return before?.mutualAuthentication ?? { Mode: 'off' }
  const { Mode = 'off', TrustStoreArn, IgnoreClientCertificateExpiry = false } = asked
  const { AdvertiseTrustStoreCaNames = 'off' } = asked
  if (!['off', 'passthrough', 'verify'].includes(Mode)) {
    throw validationError(
      `Mutual authentication mode '${Mode}' must be one of 'off, passthrough, verify'`,
    )
  }
  if (Mode !== 'verify') {
    if (TrustStoreArn !== undefined || IgnoreClientCertificateExpiry) {
      throw validationError(
        `A trust store cannot be specified for mutual authentication mode '${Mode}'`,
      )
    }
    return { Mode }
  }
  if (!TrustStoreArn) {
    throw validationError("A trust store must be specified for mutual authentication mode 'verify'")
  }
  const store = findTrustStore(rows, balancer, TrustStoreArn)
  if (store.status !== 'ACTIVE') {
    throw fault('TrustStoreNotReadyException', `Trust store '${store.arn}' is not active`)
  }
  checkMutualCount(rows, balancer, before)
  return {
    Mode,
    TrustStoreArn,
    IgnoreClientCertificateExpiry,
    TrustStoreAssociationStatus: 'active',
    AdvertiseTrustStoreCaNames,
  }
}

function checkMutualCount(
  rows: Elbv2Rows,
  balancer: LoadBalancerRow,
  own: ListenerRow | undefined,
): void {
  let count = 0
  for (const other of rows.listeners.by('loadBalancer', balancer.arn)) {
    if (other.arn !== own?.arn && other.mutualAuthentication?.Mode === 'verify') count++
  }
  if (count >= MAX_MUTUAL_TLS_LISTENERS_PER_BALANCER) {
    throw invalidConfiguration(
      `A load balancer can have up to '${MAX_MUTUAL_TLS_LISTENERS_PER_BALANCER}' listeners that verify client certificates`,
    )
  }
}
