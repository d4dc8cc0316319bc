import { Buffer } from 'node:buffer'
import { importJWK, type JWK } from 'jose'
import type { Clock } from '../../../gateway/core/clock.ts'
import { AuthTrouble } from './answers.ts'
import { BoundedMap } from './bounded-map.ts'
import { AnswerTooLarge, type CallIdp, type IdpAnswer, jsonObject, whyNot } from './idp-client.ts'

/** ALB takes no larger answer and no more keys. */
const MOST_BYTES = 150 * 1024
const MOST_KEYS = 10
export const KEY_ALGORITHM = 'RS256'
const FRESH_MS = 10 * 60 * 1000
/** For so long keys are used on while their endpoint fails. */
const STALE_MS = 60 * 60 * 1000
/** Between two requests to one endpoint, whatever tokens come. */
const PAUSE_MS = 30_000
/** The same after one that failed. */
const RETRY_MS = 5_000
/** A shorter key signs nothing in RS256 (RFC 7518, section 3.3). */
const LEAST_KEY_BYTES = 256
const MOST_SETS = 200

export type VerifyKey = Awaited<ReturnType<typeof importJWK>>

interface Key {
  readonly id: string | undefined
  readonly key: VerifyKey
}

interface KeySet {
  askedMs: number
  /** The request under way, or the last one. */
  asking: Promise<void>
  fetchedMs: number
  keys: readonly Key[]
  trouble: AuthTrouble | undefined
}

/** The keys with which a token of this key id may be signed; rejects with an `AuthTrouble` where none can be had. */
export type FindKeys = (url: string, keyId: string | undefined) => Promise<readonly VerifyKey[]>

export function createKeyFinder(callIdp: CallIdp, clock: Clock): FindKeys {
  const sets = new BoundedMap<KeySet>(MOST_SETS)

  async function fetchInto(set: KeySet, url: string): Promise<void> {
    try {
      set.keys = await fetchKeys(callIdp, url)
      set.fetchedMs = clock.now()
      set.trouble = undefined
    } catch (error) {
      set.trouble = error instanceof AuthTrouble ? error : unusable(whyNot(error))
    }
  }

  function ask(set: KeySet, url: string): void {
    set.askedMs = clock.now()
    set.asking = fetchInto(set, url)
  }

  return async (url, keyId) => {
    let set = sets.get(url)
    if (!set) {
      const asking = Promise.resolve()
      set = { askedMs: 0, asking, fetchedMs: -STALE_MS, keys: [], trouble: undefined }
      sets.set(url, set)
      ask(set, url)
      await set.asking
    } else {
      await set.asking
      const old = clock.now() - set.fetchedMs >= FRESH_MS
      if (old || matching(set, keyId).length === 0) {
        const pauseMs = set.trouble ? RETRY_MS : PAUSE_MS
        if (clock.now() - set.askedMs >= pauseMs) ask(set, url)
        await set.asking
      }
    }
    if (set.trouble && clock.now() - set.fetchedMs >= STALE_MS) throw set.trouble
    return matching(set, keyId).map(({ key }) => key)
  }
}

function matching({ keys }: KeySet, keyId: string | undefined): readonly Key[] {
  return keyId === undefined ? keys : keys.filter(({ id }) => id === keyId)
}

async function fetchKeys(callIdp: CallIdp, url: string): Promise<Key[]> {
  let answer: IdpAnswer
  try {
    const headers = { accept: 'application/json' }
    answer = await callIdp({ method: 'GET', url, headers, maxBytes: MOST_BYTES })
  } catch (error) {
    if (error instanceof AnswerTooLarge) throw tooMuch(error.message)
    throw new AuthTrouble(500, 'JWKSRequestTimeout', `keys are not reached: ${whyNot(error)}`)
  }
  if (answer.status < 200 || answer.status > 299) {
    const message = `the endpoint of keys answered ${answer.status}`
    throw new AuthTrouble(500, 'JWKSRequestFailed', message)
  }
  const jwks = jsonObject(answer.body)?.keys
  if (!Array.isArray(jwks)) throw unusable('what the endpoint of keys sent is no key set')
  if (jwks.length > MOST_KEYS) throw tooMuch(`there are more than ${MOST_KEYS} keys`)
  const keys: Key[] = []
  for (const { kty, use = 'sig', alg = KEY_ALGORITHM, kid, n = '', e = '' } of jwks as JWK[]) {
    if (kty !== 'RSA' || use !== 'sig' || alg !== KEY_ALGORITHM) continue
    if (Buffer.from(n, 'base64url').length < LEAST_KEY_BYTES) continue
    keys.push({ id: kid, key: await importJWK({ kty, n, e }, KEY_ALGORITHM) })
  }
  return keys
}

function tooMuch(message: string): AuthTrouble {
  return new AuthTrouble(500, 'JWKSResponseSizeExceeded', message)
}

function unusable(message: string): AuthTrouble {
  return new AuthTrouble(500, 'JWKSResponseInvalid', message)
}
