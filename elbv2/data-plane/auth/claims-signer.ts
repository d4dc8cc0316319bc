import { Buffer } from 'node:buffer'
import { generateKeyPairSync, sign } from 'node:crypto'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Session } from './session.ts'

const LIFE_SECONDS = 120
/** A target may take this long to look at what it is sent. */
const LEAST_LEFT_MS = 60_000
const MOST_SIGNED = 1_000

export interface ClaimsSigner {
  /** x-amzn-oidc-data: signed once for a session's content and used for half its life. */
  sign(session: Session, loadBalancerArn: string): string
  /** What AWS publishes at https://public-keys.auth.elb.REGION.amazonaws.com/KID. */
  publicKeyPem(kid: string): string | undefined
}

/** A key of its own for each process, as targets look keys up by their id. */
export function createClaimsSigner(clock: Clock, ids: Ids): ClaimsSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyId = ids.uuid()
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const signed = new BoundedMap<{ readonly token: string; readonly expiresMs: number }>(MOST_SIGNED)

  function make({ issuer, clientId, claims }: Session, signer: string, exp: number): string {
    // Members and their order are those of real ones.
    const header = {
      typ: 'JWT',
      kid: keyId,
      alg: 'ES256',
      iss: issuer,
      client: clientId,
      signer,
      exp,
    }
    const text = `${padded(header)}.${padded({ ...claims, exp, iss: issuer })}`
    const signature = sign('sha256', Buffer.from(text), {
      key: privateKey,
      dsaEncoding: 'ieee-p1363',
    })
    return `${text}.${padding(signature.toString('base64url'))}`
  }

  return {
    sign(session, loadBalancerArn) {
      const nowMs = clock.now()
      const before = signed.get(session.id)
      if (before && before.expiresMs - nowMs >= LEAST_LEFT_MS) return before.token
      const exp = Math.floor(nowMs / 1000) + LIFE_SECONDS
      const token = make(session, loadBalancerArn, exp)
      signed.set(session.id, { token, expiresMs: exp * 1000 })
      return token
    },
    publicKeyPem: (kid) => (kid === keyId ? pem : undefined),
  }
}

function padded(part: unknown): string {
  return padding(Buffer.from(JSON.stringify(part)).toString('base64url'))
}

/** ALB pads what it encodes, against RFC 7515: libraries that cannot read that must fail here, too. */
function padding(text: string): string {
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}
