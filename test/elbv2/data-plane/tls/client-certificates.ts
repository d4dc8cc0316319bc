/** Authorities and certificates of clients, as tests of mutual TLS need them. */
import { Buffer } from 'node:buffer'
import { generateKeyPairSync, sign } from 'node:crypto'
import * as der from '../../../../elbv2/data-plane/tls/der.ts'
import { pemOf } from '../../../../elbv2/data-plane/tls/self-signed.ts'

export interface Client {
  /** PEM. */
  readonly key: string
  readonly certificate: string
}

export interface ClientAuthority {
  readonly certificate: string
  /** `days` below zero: it has expired; `serial` in hex. */
  issue(parts: { readonly days?: number; readonly serial?: string }): Client
}

const DAY_MS = 86_400_000
const ECDSA = der.sequence(der.objectId('1.2.840.10045.4.3.2'))

function part(...pairs: readonly (readonly [oid: string, text: string])[]): Buffer {
  return der.setOf(
    ...pairs.map(([oid, text]) => der.sequence(der.objectId(oid), der.utf8String(text))),
  )
}

const ISSUER = der.sequence(part(['2.5.4.3', 'Jürgen’s CA']))
const SUBJECT = der.sequence(
  part(['2.5.4.6', 'US']),
  part(['2.5.4.10', 'Acme, Inc.'], ['2.5.4.11', 'x']),
  part(['2.5.4.3', 'client #1']),
)

export function clientAuthority(): ClientAuthority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signed = (
    subject: Buffer,
    keyOf: Buffer,
    isAuthority: boolean,
    days: number,
    serial: string,
  ) => {
    const now = Date.now()
    const basic = isAuthority ? der.sequence(der.boolean(true)) : der.sequence()
    const tbs = der.sequence(
      der.tagged(0, true, der.integer(Buffer.from([2]))),
      der.integer(Buffer.from(serial, 'hex')),
      ECDSA,
      ISSUER,
      der.sequence(der.time(now - 2 * DAY_MS), der.time(now + days * DAY_MS)),
      subject,
      keyOf,
      der.tagged(
        3,
        true,
        der.sequence(
          der.sequence(der.objectId('2.5.29.19'), der.boolean(true), der.octetString(basic)),
        ),
      ),
    )
    return pemOf(der.sequence(tbs, ECDSA, der.bitString(sign('sha256', tbs, privateKey))))
  }
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return {
    certificate: signed(ISSUER, spki, true, 10, '01'),
    issue({ days = 5, serial = '02' }) {
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return {
        key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        certificate: signed(
          SUBJECT,
          keys.publicKey.export({ type: 'spki', format: 'der' }),
          false,
          days,
          serial,
        ),
      }
    },
  }
}
