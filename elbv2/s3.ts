/** Objects in the backend's S3, addressed by path. */

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
