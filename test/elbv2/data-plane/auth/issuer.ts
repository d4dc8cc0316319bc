import { Buffer } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import type { Clock } from '../../../../gateway/core/clock.ts'

export const CLIENT = { id: 'client 1', secret: 's&cret=+ü' }
/** Answers a request by itself; false leaves it to the issuer. */
export type Takeover = (req: IncomingMessage, res: ServerResponse, body: string) => boolean

type Keys = Awaited<ReturnType<typeof generateKeyPair>>

// Made once: RSA keys take their time.
const firstKeys = generateKeyPair('RS256', { extractable: true })

/** A small OpenID provider on loopback that can be made to do wrong. */
export class Issuer {
  readonly clock: Clock
  readonly #server: Server
  #keys: Keys
  keyId = 'key-1'
  readonly seen: {
    readonly path: string
    readonly body: string
    readonly authorization: string
  }[] = []
  /** What ID tokens say other than usual; `undefined` takes a claim away. */
  idClaims: Record<string, unknown> = {}
  /** What the user info endpoint answers. */
  user: Record<string, unknown> = { sub: 'user-1', email: 'user@example.com' }
  /** What the token endpoint adds. */
  tokens: Record<string, unknown> = { expires_in: 300 }
  makeIdToken: (claims: JWTPayload) => Promise<string> = (claims) => this.sign(claims)
  takeover: Takeover = () => false
  readonly #codes = new Map<string, string>()
  readonly #refreshTokens = new Set<string>()
  #count = 0

  private constructor(clock: Clock, server: Server, keys: Keys) {
    this.clock = clock
    this.#server = server
    this.#keys = keys
  }

  static async start(clock: Clock): Promise<Issuer> {
    const keys = await firstKeys
    const server = createServer((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk) => chunks.push(chunk))
      req.on('end', () => issuer.#answer(req, res, Buffer.concat(chunks).toString()))
    })
    const issuer = new Issuer(clock, server, keys)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return issuer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  seenOf(path: string) {
    return this.seen.filter((each) => each.path === path)
  }

  /** What a browser gets that follows `location`: the address it is sent back to. */
  async signIn(location: string): Promise<string> {
    const answer = await fetch(location, { redirect: 'manual' })
    await answer.body?.cancel()
    return answer.headers.get('location') ?? ''
  }

  async sign(claims: JWTPayload, header: { alg: string; kid?: string } = this.#header()) {
    return new SignJWT(claims).setProtectedHeader(header).sign(this.#keys.privateKey)
  }

  #header() {
    return { alg: 'RS256', kid: this.keyId }
  }

  async rotate(keyId: string): Promise<void> {
    this.#keys = await generateKeyPair('RS256', { extractable: true })
    this.keyId = keyId
  }

  async publicJwk(): Promise<JWK> {
    return { ...(await exportJWK(this.#keys.publicKey)), kid: this.keyId, use: 'sig' }
  }

  #answer(req: IncomingMessage, res: ServerResponse, body: string): void {
    const url = new URL(req.url ?? '/', this.url)
    const authorization = req.headers.authorization ?? ''
    this.seen.push({ path: url.pathname, body, authorization })
    if (this.takeover(req, res, body)) return
    if (url.pathname === '/authorize') this.#authorize(url, res)
    else if (url.pathname === '/token') void this.#token(new URLSearchParams(body), req, res)
    else if (url.pathname === '/userinfo') json(res, 200, this.user)
    else if (url.pathname === '/jwks') void this.#jwks(res)
    else json(res, 404, {})
  }

  #authorize(url: URL, res: ServerResponse): void {
    const code = `code+/=${++this.#count}`
    const back = new URL(url.searchParams.get('redirect_uri') ?? '')
    this.#codes.set(code, back.href)
    back.searchParams.set('code', code)
    back.searchParams.set('state', url.searchParams.get('state') ?? '')
    res.writeHead(302, { location: back.href }).end()
  }

  async #token(form: URLSearchParams, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const pair = `${encode(CLIENT.id)}:${encode(CLIENT.secret)}`
    if (req.headers.authorization !== `Basic ${Buffer.from(pair).toString('base64')}`) {
      return json(res, 401, { error: 'invalid_client' })
    }
    const code = form.get('code') ?? ''
    const refresh = form.get('refresh_token') ?? ''
    const good =
      form.get('grant_type') === 'refresh_token'
        ? this.#refreshTokens.delete(refresh)
        : this.#codes.get(code) === form.get('redirect_uri') && this.#codes.delete(code)
    if (!good) return json(res, 400, { error: 'invalid_grant' })
    const nowSeconds = Math.floor(this.clock.now() / 1000)
    const claims = {
      iss: this.url,
      aud: CLIENT.id,
      sub: 'user-1',
      iat: nowSeconds,
      exp: nowSeconds + 300,
      ...this.idClaims,
    }
    json(res, 200, {
      access_token: `access-${++this.#count}`,
      token_type: 'Bearer',
      id_token: await this.makeIdToken(claims),
      ...this.tokens,
      ...(this.tokens.refresh_token !== undefined && { refresh_token: this.#refreshToken() }),
    })
  }

  #refreshToken(): string {
    const token = `refresh-${++this.#count}`
    this.#refreshTokens.add(token)
    return token
  }

  /** As when the user signs out at the provider. */
  forgetUsers(): void {
    this.#refreshTokens.clear()
  }

  async #jwks(res: ServerResponse): Promise<void> {
    json(res, 200, { keys: [await this.publicJwk()] })
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

function encode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

export function json(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
