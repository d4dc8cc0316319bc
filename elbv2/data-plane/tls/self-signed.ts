/** Certificates that this installation signs by itself. */
import { Buffer } from 'node:buffer'
import { createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import type { Ids } from '../../../gateway/core/ids.ts'
import { ipv6Bytes } from '../nlb/proxy-protocol.ts'
import * as der from './der.ts'

/** A private key with its certificate. */
export interface KeyAndCertificate {
  /** PEM, PKCS #8. */
  readonly key: string
  /** PEM. */
  readonly certificate: string
}

const DAY_MS = 86_400_000
const AUTHORITY_MS = 3_650 * DAY_MS
/** The longest that browsers take (CA/Browser Forum's limit until 2026) is 398 days. */
export const LEAF_MS = 397 * DAY_MS
/** Clocks of clients may be behind. */
const BACKDATED_MS = 60 * 60_000
/** Of a common name, by X.520. */
const MAX_COMMON_NAME = 64
const VERSION_3 = 2

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
}
/** Bits of keyUsage and how many of their byte are unused. */
const CERT_AND_CRL_SIGN = der.bitString(Buffer.from([0x06]), 1)
const DIGITAL_SIGNATURE = der.bitString(Buffer.from([0x80]), 7)

/** A new authority that signs the certificates of one installation; its key is ECDSA P-256. */
export function createAuthority(ids: Ids, nowMs: number): KeyAndCertificate {
  const { privateKey, publicKey } = newKeys()
  const name = nameOf('KECS local CA', ids.hex().slice(-8))
  const keyId = keyIdOf(publicKey)
  return issued(privateKey, {
    serial: serialOf(ids),
    issuer: name,
    subject: name,
    fromMs: nowMs - BACKDATED_MS,
    untilMs: nowMs + AUTHORITY_MS,
    publicKey,
    signWith: privateKey,
    extensions: [
      extension(
        OID.basicConstraints,
        true,
        der.sequence(der.boolean(true), der.integer(Buffer.from([0]))),
      ),
      extension(OID.keyUsage, true, CERT_AND_CRL_SIGN),
      extension(OID.subjectKeyId, false, der.octetString(keyId)),
    ],
  })
}

/** A server's certificate for DNS names and addresses, at least one, with a key of its own. */
export function issueCertificate(
  authority: KeyAndCertificate & { readonly privateKey: KeyObject },
  names: readonly string[],
  ids: Ids,
  nowMs: number,
): KeyAndCertificate {
  const { privateKey, publicKey } = newKeys()
  const issuer = new X509Certificate(authority.certificate)
  const [, , , , , subject] = tbsOf(issuer)
  const short = names.find((name) => name.length <= MAX_COMMON_NAME) ?? 'localhost'
  return issued(privateKey, {
    serial: serialOf(ids),
    issuer: der.sequence(subject?.content ?? Buffer.alloc(0)),
    subject: nameOf('KECS', short),
    fromMs: nowMs - BACKDATED_MS,
    untilMs: nowMs - BACKDATED_MS + LEAF_MS,
    publicKey,
    signWith: authority.privateKey,
    extensions: [
      extension(OID.basicConstraints, true, der.sequence()),
      extension(OID.keyUsage, true, DIGITAL_SIGNATURE),
      extension(OID.extendedKeyUsage, false, der.sequence(der.objectId(OID.serverAuth))),
      extension(OID.subjectAltName, false, der.sequence(...names.map(generalName))),
      extension(OID.subjectKeyId, false, der.octetString(keyIdOf(publicKey))),
      extension(
        OID.authorityKeyId,
        false,
        der.sequence(der.tagged(0, false, keyIdOf(issuer.publicKey))),
      ),
    ],
  })
}

interface Content {
  readonly serial: Buffer
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly fromMs: number
  readonly untilMs: number
  readonly publicKey: KeyObject
  readonly signWith: KeyObject
  readonly extensions: readonly Buffer[]
}

function issued(key: KeyObject, content: Content): KeyAndCertificate {
  const algorithm = der.sequence(der.objectId(OID.ecdsaWithSha256))
  const tbs = der.sequence(
    der.tagged(0, true, der.integer(Buffer.from([VERSION_3]))),
    der.integer(content.serial),
    algorithm,
    content.issuer,
    der.sequence(der.time(content.fromMs), der.time(content.untilMs)),
    content.subject,
    content.publicKey.export({ type: 'spki', format: 'der' }),
    der.tagged(3, true, der.sequence(...content.extensions)),
  )
  const signature = sign('sha256', tbs, content.signWith)
  const certificate = der.sequence(tbs, algorithm, der.bitString(signature))
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: pemOf(certificate),
  }
}

/** PEM as openssl writes it. */
export function pemOf(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** The members of a certificate's signed part: version, serial, algorithm, issuer, validity, subject … */
export function tbsOf({ raw }: X509Certificate): der.DerValue[] {
  const [certificate] = der.readDer(raw)
  const [tbs] = der.readDer(certificate?.content ?? Buffer.alloc(0))
  return der.readDer(tbs?.content ?? Buffer.alloc(0))
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function serialOf(ids: Ids): Buffer {
  return Buffer.from(ids.hex(), 'hex')
}

function nameOf(organization: string, commonName: string): Buffer {
  const part = (oid: string, text: string) =>
    der.setOf(der.sequence(der.objectId(oid), der.utf8String(text)))
  return der.sequence(part(OID.organization, organization), part(OID.commonName, commonName))
}

/** RFC 5280, 4.2.1.2, first method. */
function keyIdOf(publicKey: KeyObject): Buffer {
  const [spki] = der.readDer(publicKey.export({ type: 'spki', format: 'der' }))
  const [, bits] = der.readDer(spki?.content ?? Buffer.alloc(0))
  const point = bits?.content.subarray(1) ?? Buffer.alloc(0)
  return createHash('sha1').update(point).digest()
}

function extension(oid: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der.boolean(true)] : []
  return der.sequence(der.objectId(oid), ...flag, der.octetString(value))
}

function generalName(name: string): Buffer {
  if (isIPv4(name)) return der.tagged(7, false, Buffer.from(name.split('.').map(Number)))
  if (isIP(name)) return der.tagged(7, false, ipv6Bytes(name))
  return der.tagged(2, false, Buffer.from(name, 'latin1'))
}
