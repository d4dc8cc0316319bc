/** AWS Signature Version 4 by hand: what a request must be signed with if no byte of it changed. */
import type { Buffer } from 'node:buffer'
import { createHash, createHmac } from 'node:crypto'

export interface SignedHead {
  readonly method: string
  /** Path and query as they stand on the wire. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** What a signature says it was made with. */
export interface SignatureTerms {
  readonly accessKeyId: string
  /** `date/region/service/aws4_request`. */
  readonly scope: string
  readonly service: string
  readonly signedHeaders: readonly string[]
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly time: string
  readonly payloadHash: string
  readonly signature: string
}

export interface PresignOptions {
  readonly method: string
  readonly host: string
  /** Percent-encoded already. */
  readonly path: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly at: Date
}

const ALGORITHM = 'AWS4-HMAC-SHA256'
const UNSIGNED = 'UNSIGNED-PAYLOAD'
const EXPIRES_S = 300

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** The terms of a signature in the header or in the query; undefined where there is none. */
export function termsOf({ url, headers }: SignedHead): SignatureTerms | undefined {
  const header = String(headers.authorization ?? '')
  if (header.startsWith(ALGORITHM)) {
    const field = (name: string) => new RegExp(`${name}=([^, ]+)`).exec(header)?.[1] ?? ''
    return {
      ...credentialTerms(field('Credential')),
      signedHeaders: field('SignedHeaders').split(';'),
      time: String(headers['x-amz-date']),
      payloadHash: String(headers['x-amz-content-sha256']),
      signature: field('Signature'),
    }
  }
  const query = new URL(url, 'http://localhost').searchParams
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) return undefined
  return {
    ...credentialTerms(query.get('X-Amz-Credential') ?? ''),
    signedHeaders: (query.get('X-Amz-SignedHeaders') ?? '').split(';'),
    time: query.get('X-Amz-Date') ?? '',
    payloadHash: UNSIGNED,
    signature: query.get('X-Amz-Signature') ?? '',
  }
}

function credentialTerms(credential: string) {
  const [accessKeyId = '', ...scope] = credential.split('/')
  return { accessKeyId, scope: scope.join('/'), service: scope[2] ?? '' }
}

/** The signature that the request must have under these terms, in hex. */
export function signatureOf(
  { method, url, headers }: SignedHead,
  terms: Omit<SignatureTerms, 'signature' | 'accessKeyId' | 'service'>,
  secretAccessKey: string,
): string {
  const { scope, signedHeaders, time, payloadHash } = terms
  const [path, query = ''] = url.split('?')
  const lines = signedHeaders.map((name) => {
    return `${name}:${String(headers[name] ?? '')
      .trim()
      .replace(/ +/g, ' ')}\n`
  })
  const canonical = [
    method,
    path,
    canonicalQuery(query),
    lines.join(''),
    signedHeaders.join(';'),
    payloadHash,
  ].join('\n')
  let key: string | Buffer = `AWS4${secretAccessKey}`
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest()
  return createHmac('sha256', key)
    .update([ALGORITHM, time, scope, sha256(canonical)].join('\n'))
    .digest('hex')
}

function canonicalQuery(query: string): string {
  const pairs = query.split('&').filter((pair) => pair && !pair.startsWith('X-Amz-Signature='))
  return pairs
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&')
}

/** A URL that carries its own permission, for S3 in us-east-1. */
export function presign(options: PresignOptions): string {
  const { method, host, path, accessKeyId, secretAccessKey, at } = options
  const time = at.toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`
  const query = new URLSearchParams({
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(EXPIRES_S),
    'X-Amz-SignedHeaders': 'host',
  })
  const url = `${path}?${query}`
  const terms = { scope, signedHeaders: ['host'], time, payloadHash: UNSIGNED }
  const signature = signatureOf({ method, url, headers: { host } }, terms, secretAccessKey)
  return `http://${host}${url}&X-Amz-Signature=${signature}`
}
