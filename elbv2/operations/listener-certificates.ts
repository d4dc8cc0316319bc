import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, validationError } from '../faults.ts'
import { endsTls } from '../protocols.ts'
import { MAX_CERTIFICATES_PER_BALANCER, MAX_CERTIFICATES_PER_NETWORK_LISTENER } from '../quotas.ts'
import { findListener, findLoadBalancer, sortedPage } from '../resolve.ts'
import type { ListenerRow } from '../rows.ts'
import { checkCertificates, checkedCertificateArns } from '../server-certificates.ts'

/** Certificates of listeners besides their default one, which server names choose among. */
export function listenerCertificateHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows } = context

  function add(input: sdk.AddListenerCertificatesInput, call: Call) {
    const arns = named(input.Certificates)
    secureListener(call, input.ListenerArn)
    const put = () => {
      const row = secureListener(call, input.ListenerArn)
      const certificateArns = [...new Set([...row.certificateArns, ...arns])]
      checkCount(row, certificateArns.length - row.certificateArns.length)
      rows.listeners.put(row.arn, { ...row, certificateArns })
      return { Certificates: arns.map((CertificateArn) => certificateView(row, CertificateArn)) }
    }
    const asked = checkCertificates(context, call, arns)
    return asked ? asked.then(() => context.store.transact(put)) : put()
  }

  function secureListener(call: Call, arn: string | undefined): ListenerRow {
    const row = findListener(rows, call, arn)
    if (endsTls(row.protocol)) return row
    throw validationError(
      `A certificate cannot be specified for ${row.protocol ?? 'GENEVE'} listeners`,
    )
  }

  function checkCount(row: ListenerRow, added: number): void {
    const { type } = findLoadBalancer(rows, row, row.loadBalancerArn)
    const isNetwork = type === 'network'
    const listeners = isNetwork ? [row] : rows.listeners.by('loadBalancer', row.loadBalancerArn)
    let count = added
    for (const { certificateArns } of listeners) count += Math.max(certificateArns.length - 1, 0)
    const most = isNetwork ? MAX_CERTIFICATES_PER_NETWORK_LISTENER : MAX_CERTIFICATES_PER_BALANCER
    if (added > 0 && count > most) {
      throw fault(
        'TooManyCertificatesException',
        `The maximum number of certificates on load balancer '${row.loadBalancerArn}' has been reached: [${most}]`,
      )
    }
  }

  function remove(input: sdk.RemoveListenerCertificatesInput, call: Call) {
    const gone = new Set(named(input.Certificates))
    const row = findListener(rows, call, input.ListenerArn)
    const [own] = row.certificateArns
    if (own !== undefined && gone.has(own)) {
      throw fault(
        'OperationNotPermittedException',
        `Default certificate '${own}' cannot be removed from listener '${row.arn}'`,
      )
    }
    const certificateArns = row.certificateArns.filter((arn) => !gone.has(arn))
    rows.listeners.put(row.arn, { ...row, certificateArns })
    return {}
  }

  function describe(input: sdk.DescribeListenerCertificatesInput, call: Call) {
    const row = findListener(rows, call, input.ListenerArn)
    const [own = '', ...others] = row.certificateArns
    // The default one first, and the others so that a marker holds when some come and go.
    const order = (arn: string) => (arn === own ? '' : arn)
    const compare = (left: string, right: string) =>
      order(left) < order(right) ? -1 : Number(order(left) > order(right))
    const all = own === '' ? [] : [own, ...others.sort()]
    const page = sortedPage(all, input, compare)
    return {
      Certificates: page.rows.map((arn) => certificateView(row, arn)),
      NextMarker: page.nextToken,
    }
  }

  return {
    AddListenerCertificates: add,
    RemoveListenerCertificates: remove,
    DescribeListenerCertificates: describe,
  }
}

function certificateView({ certificateArns: [own] }: ListenerRow, arn: string): sdk.Certificate {
  return { CertificateArn: arn, IsDefault: arn === own }
}

function named(certificates: readonly sdk.Certificate[] | undefined): string[] {
  if (!certificates?.length) throw validationError('At least one certificate must be specified')
  if (certificates.some(({ IsDefault }) => IsDefault !== undefined)) {
    throw validationError('You cannot specify IsDefault for certificates of a listener')
  }
  return [...new Set(checkedCertificateArns(certificates))]
}
