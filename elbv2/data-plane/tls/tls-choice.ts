/** Which listener and which certificate a client gets: pure. */

import type { LiveListener, PortListeners } from '../model.ts'
import type { ServedCertificate } from './certificates.ts'
import type { ClientHello } from './client-hello.ts'

/** How well a name fits: exact before wildcard before not at all. */
export function fitOf(names: readonly string[], serverName: string): 0 | 1 | 2 {
  if (names.includes(serverName)) return 2
  const dot = serverName.indexOf('.')
  return dot > 0 && names.includes(`*${serverName.slice(dot)}`) ? 1 : 0
}

/**
 * The certificate for a client, by the rules of AWS: the default one where no name fits; among several
 * that fit, by key type (ECDSA first), not expired, key length and validity.
 */
export function chooseCertificate(
  certificates: readonly ServedCertificate[],
  { serverName, takesEcdsa }: ClientHello,
  nowMs: number,
): ServedCertificate | undefined {
  const [fallback] = certificates
  if (serverName === undefined) return fallback
  let best: { readonly one: ServedCertificate; readonly rank: readonly number[] } | undefined
  for (const one of certificates) {
    const fit = fitOf(one.names, serverName)
    if (fit === 0) continue
    const isEc = one.keyType === 'ec'
    const rank = [
      Number(!isEc || takesEcdsa),
      fit,
      Number(isEc),
      Number(one.fromMs <= nowMs && nowMs < one.untilMs),
      one.keyBits,
      one.untilMs - one.fromMs,
    ]
    if (best === undefined || isBefore(rank, best.rank)) best = { one, rank }
  }
  return best?.one ?? fallback
}

function isBefore(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((value, index) => value !== other[index])
  return at !== -1 && (one[at] ?? 0) > (other[at] ?? 0)
}

export interface ChosenListener {
  readonly listener: LiveListener
  /** Whether the client named this listener's load balancer: then its Host header changes nothing. */
  readonly named: boolean
}

/**
 * On AWS each load balancer has addresses of its own; here the name that the client asks for tells
 * them apart: the load balancer's DNS name, else a name that one of its certificates is for.
 */
export async function chooseListener(
  listeners: PortListeners,
  serverName: string | undefined,
  certificatesOf: (listener: LiveListener) => Promise<readonly ServedCertificate[]>,
): Promise<ChosenListener | undefined> {
  const current = listeners.current()
  const byName = listeners.forHost(serverName)
  if (byName === undefined) return undefined
  if (byName.balancer.dnsName === serverName) return { listener: byName, named: true }
  if (serverName === undefined || current.length === 1) return { listener: byName, named: false }
  let best: LiveListener | undefined
  let bestFit = 0
  for (const listener of current) {
    for (const { names } of await certificatesOf(listener)) {
      const fit = fitOf(names, serverName)
      // Every certificate of our own is for localhost: that tells nothing.
      if (fit <= bestFit || serverName === 'localhost') continue
      best = listener
      bestFit = fit
    }
  }
  return best ? { listener: best, named: true } : { listener: byName, named: false }
}
