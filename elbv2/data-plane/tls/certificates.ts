/** Which keys and certificates a listener serves: the backend's where it gives them, else our own. */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { CallBackend } from '../../context.ts'
import type { ListenerRow } from '../../rows.ts'
import type { LiveListener } from '../model.ts'
import { type Authority, openAuthority } from './authority.ts'
import { type FoundCertificate, lookUpCertificate, namesOf } from './certificate-lookup.ts'
import { issueCertificate } from './self-signed.ts'

/** A certificate with its private key, ready to be served. */
export interface ServedCertificate {
  /** Undefined for a listener without any. */
  readonly arn: string | undefined
  /** PEM. */
  readonly key: string
  /** PEM, the server's own first. */
  readonly chain: string
  /** In lower case; the first label may be `*`. */
  readonly names: readonly string[]
  readonly keyType: 'ec' | 'rsa'
  readonly keyBits: number
  readonly fromMs: number
  readonly untilMs: number
}

export interface Certificates {
  /**
   * The default one first; asked of the backend when first wanted, and again when the listener's row
   * is another, when one is near its end, and a minute after the backend could not be asked.
   */
  of(listener: LiveListener): Promise<readonly ServedCertificate[]>
  /** What signs our own; made (and put in its folder) when first wanted. */
  authority(): Promise<Authority>
}

export interface CertificatesOptions {
  readonly callBackend: CallBackend
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  /** Where the authority is kept; undefined: in memory only. */
  readonly dir?: string | undefined
}

/** How long before its end a certificate is replaced. */
export const RENEW_MS = 30 * 86_400_000
export const RETRY_MS = 60_000
/** Certificates of our own that are kept; beyond it the oldest is made again when wanted. */
const MAX_MADE = 1_024
const ALWAYS_NAMED = ['localhost', '127.0.0.1', '::1']
const MAX_DNS_NAME = 253
const DNS_NAME = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

interface Entry {
  served: Promise<readonly ServedCertificate[]>
  lookAgainAtMs: number
}

export function createCertificates(options: CertificatesOptions): Certificates {
  const { callBackend, clock, ids, log } = options
  const entries = new WeakMap<ListenerRow, Entry>()
  const made = new Map<string, ServedCertificate>()
  let authority: Promise<Authority> | undefined

  function openOnce(): Promise<Authority> {
    authority ??= openAuthority({ clock, ids, log, dir: options.dir })
    // A full disk may have room later.
    authority.catch(() => {
      authority = undefined
    })
    return authority
  }

  async function ourOwn(
    arn: string | undefined,
    dnsName: string,
    found: Exclude<FoundCertificate, { kind: 'whole' }>,
  ): Promise<ServedCertificate> {
    const known = found.kind === 'names' ? found.names.map((name) => name.toLowerCase()) : []
    const valid = known.filter((name) => name.length <= MAX_DNS_NAME && DNS_NAME.test(name))
    const names = [...new Set([...valid, dnsName, ...ALWAYS_NAMED])]
    const key = [arn, ...names].join(' ')
    const before = made.get(key)
    if (before && before.untilMs - RENEW_MS > clock.now()) return before
    const ca = await openOnce()
    const { key: pem, certificate } = issueCertificate(ca, names, ids, clock.now())
    const served = servedOf(arn, pem, certificate)
    made.delete(key)
    made.set(key, served)
    if (made.size > MAX_MADE) made.delete(made.keys().next().value ?? '')
    const trust = ca.file
    log.info('a certificate that KECS signed itself is served', {
      certificate: arn,
      names: names.join(','),
      why: found.why,
      trust,
    })
    return served
  }

  async function lookUp(listener: LiveListener, entry: Entry): Entry['served'] {
    const { row, balancer } = listener
    const arns: (string | undefined)[] = [...row.certificateArns]
    if (arns.length === 0) arns.push(undefined)
    let isPassing = false
    const served = await Promise.all(
      arns.map(async (arn) => {
        const found: FoundCertificate =
          arn === undefined
            ? { kind: 'none', why: 'the listener has none', passing: false }
            : await lookUpCertificate(arn, callBackend, ids)
        if (found.kind === 'whole') return servedOf(arn, found.key, found.chain)
        isPassing ||= found.kind === 'none' && found.passing
        return ourOwn(arn, balancer.dnsName, found)
      }),
    )
    const soonest = Math.min(...served.map(({ untilMs }) => untilMs)) - RENEW_MS
    const retryAtMs = clock.now() + RETRY_MS
    entry.lookAgainAtMs = isPassing ? retryAtMs : Math.max(soonest, retryAtMs)
    return served
  }

  return {
    authority: openOnce,
    of(listener) {
      const known = entries.get(listener.row)
      if (known) {
        if (clock.now() >= known.lookAgainAtMs) lookAgain(listener, known)
        return known.served
      }
      const entry: Entry = {
        served: Promise.resolve([]),
        lookAgainAtMs: Number.POSITIVE_INFINITY,
      }
      entry.served = lookUp(listener, entry)
      entry.served.catch(() => entries.delete(listener.row))
      entries.set(listener.row, entry)
      return entry.served
    },
  }

  /** What is known is served until the answer is there. */
  function lookAgain(listener: LiveListener, entry: Entry): void {
    entry.lookAgainAtMs = Number.POSITIVE_INFINITY
    const again = lookUp(listener, entry)
    again.then(
      () => {
        entry.served = again
      },
      (thrown) => {
        log.warn('certificates were not renewed', { listener: listener.row.arn, why: `${thrown}` })
        entry.lookAgainAtMs = clock.now() + RETRY_MS
      },
    )
  }
}

function servedOf(arn: string | undefined, key: string, chain: string): ServedCertificate {
  const leaf = new X509Certificate(chain)
  const { asymmetricKeyType, asymmetricKeyDetails } = leaf.publicKey
  const isEc = asymmetricKeyType === 'ec'
  const curveBits = Number(/\d+/.exec(asymmetricKeyDetails?.namedCurve ?? '256')?.[0])
  return {
    arn,
    key,
    chain,
    names: namesOf(leaf),
    keyType: isEc ? 'ec' : 'rsa',
    keyBits: isEc ? curveBits : (asymmetricKeyDetails?.modulusLength ?? 0),
    fromMs: Date.parse(leaf.validFrom),
    untilMs: Date.parse(leaf.validTo),
  }
}
