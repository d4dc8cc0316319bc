import { Buffer } from 'node:buffer'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { OwnAnswer, RequestFacts } from '../model.ts'
import { ownPage } from './own-answers.ts'

type Part = (request: RequestFacts) => string

const PLACEHOLDERS: Readonly<Record<string, Part>> = {
  protocol: ({ protocol }) => protocol,
  host: ({ host }) => escapeBytes(host, HOST_UNSAFE),
  port: ({ port }) => String(port),
  // Without its leading slash: templates write `/#{path}`.
  path: ({ path }) => escapeBytes(path.replace(/^\//, ''), UNSAFE),
  query: ({ query }) => escapeBytes(query, UNSAFE),
}

/** What no URL holds (RFC 3986); above all what would end the Location header and begin another. */
const UNSAFE = /[^\x21-\x7e]|["<>\\^`{|}]/gu
const HOST_UNSAFE = /[^A-Za-z0-9.:[\]_~*%-]/gu

/**
 * What a redirect action answers. The port is always written, also where it is the protocol's own,
 * as load balancers do: `https://example.com:443/path`. Throws an Error for another status.
 */
export function compileRedirect(
  config: sdk.RedirectActionConfig,
): (request: RequestFacts) => OwnAnswer {
  const page = ownPage(statusOf(config.StatusCode))
  const protocol = template(config.Protocol?.replace(/^HTTPS?$/, lower) ?? '#{protocol}')
  const host = template(config.Host ?? '#{host}')
  const port = template(config.Port ?? '#{port}')
  const path = template(config.Path ?? '/#{path}')
  const query = template(config.Query ?? '#{query}')
  return (request) => {
    const asked = query(request)
    const location =
      `${protocol(request)}://${host(request)}:${port(request)}` +
      `${path(request)}${asked === '' ? '' : `?${asked}`}`
    return { ...page, headers: [...page.headers, ['Location', location]] }
  }
}

function lower(text: string): string {
  return text.toLowerCase()
}

function statusOf(code: string | undefined): number {
  if (code === 'HTTP_301') return 301
  if (code === 'HTTP_302') return 302
  throw new Error(`not a status of a redirect: ${code}`)
}

/** Read once, so that what a client wrote (`#{host}` in its path, say) is never read as a template. */
function template(text: string): Part {
  const parts = text
    .split(/(#\{(?:protocol|host|port|path|query)\})/)
    .filter((part) => part !== '')
    .map((part): Part => {
      const filled = part.startsWith('#{') ? PLACEHOLDERS[part.slice(2, -1)] : undefined
      if (filled) return filled
      const literal = part.replace(UNSAFE, escapeText)
      return () => literal
    })
  const [only] = parts
  if (only !== undefined && parts.length === 1) return only
  return (request) => parts.map((part) => part(request)).join('')
}

function escapeText(char: string): string {
  return percent(Buffer.from(char, 'utf8'))
}

/** A request's text holds one character for each byte that came. */
function escapeBytes(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, (char) => percent(Buffer.from(char, 'latin1')))
}

function percent(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase().replace(/../g, '%$&')
}
