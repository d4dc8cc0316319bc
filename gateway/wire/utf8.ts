const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes as text; throws where they are not UTF-8, instead of putting U+FFFD in their place. */
export function strictUtf8(bytes: Uint8Array): string {
  return strict.decode(bytes)
}
