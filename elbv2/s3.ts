/** Objects in the backend's S3, addressed by path. */
import type { Buffer } from 'node:buffer'
import type { Scope } from '../gateway/core/arn.ts'
import { messageOf } from '../gateway/core/fault.ts'
import type { Elbv2Context } from './context.ts'
import type { ObjectPlace } from './rows.ts'

const READ_TIMEOUT_MS = 30_000
const LOCATION_EXPIRES_SECONDS = 600

export interface S3Object {
  readonly body: Buffer
  /** With the version that was read, where the bucket keeps versions. */
  readonly place: ObjectPlace
}

/** The object, or undefined where it is not there, may not be read, or no S3 answers. */
export async function readObject(
  context: Elbv2Context,
  { account, region }: Scope,
  place: ObjectPlace,
): Promise<S3Object | undefined> {
  const { bucket, key, version } = place
  const query = version === undefined ? '' : `?versionId=${encodeStrictly(version)}`
  try {
    const answer = await context.callBackend({
      scope: { account, region },
      service: 's3',
      method: 'GET',
      path: objectPath(bucket, key) + query,
      timeoutMs: READ_TIMEOUT_MS,
    })
    if (answer?.status !== 200) return undefined
    const read = version ?? answer.headers['x-amz-version-id']
    return { body: answer.body, place: { bucket, key, ...(read && { version: read }) } }
  } catch (thrown) {
    context.log.warn('no S3 could be asked for an object', { bucket, reason: messageOf(thrown) })
    return undefined
  }
}

/**
 * A URL that gives the object for some minutes: on our own port, which hands it to the backend.
 * It is signed in form only, as emulators check no signature.
 */
export function locationOf(context: Elbv2Context, scope: Scope, place: ObjectPlace): string {
  const date = new Date(context.clock.now()).toISOString().replace(/[-:]|\.\d+/g, '')
  const credential = `${scope.account}/${date.slice(0, 8)}/${scope.region}/s3/aws4_request`
  const query = {
    ...(place.version !== undefined && { versionId: place.version }),
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': credential,
    'X-Amz-Date': date,
    'X-Amz-Expires': String(LOCATION_EXPIRES_SECONDS),
    'X-Amz-SignedHeaders': 'host',
    'X-Amz-Signature': '0'.repeat(64),
  }
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeStrictly(value)}`)
  return `${context.endpoint}${objectPath(place.bucket, place.key)}?${pairs.join('&')}`
}

/** `/bucket/key`, encoded as S3 wants it: slashes stay. */
export function objectPath(bucket: string, key: string): string {
  const parts = [bucket, ...key.split('/')]
  return `/${parts.map(encodeStrictly).join('/')}`
}

// SigV4 leaves nothing but RFC 3986's unreserved characters as they are.
function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
