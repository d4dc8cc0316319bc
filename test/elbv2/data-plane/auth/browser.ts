import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { CallBackend } from '../../../../elbv2/context.ts'
import {
  type Authenticator,
  createAuthenticator,
} from '../../../../elbv2/data-plane/auth/authenticator.ts'
import { claimsCallback } from '../../../../elbv2/data-plane/auth/callback.ts'
import { type CallIdp, createIdpClient } from '../../../../elbv2/data-plane/auth/idp-client.ts'
import type {
  Authenticated,
  LiveListener,
  RequestFacts,
} from '../../../../elbv2/data-plane/model.ts'
import type { LogFields, Logger } from '../../../../gateway/core/log.ts'
import { countingIds } from '../../../ecs/world.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { CLIENT, Issuer } from './issuer.ts'

export const BALANCER_ARN =
  'arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/my-alb/0123456789abcdef'
export const HOST = 'my-alb.elb.localhost:8443'

export interface Ask {
  readonly method?: string
  /** Path and query. */
  readonly url?: string
  readonly host?: string
  readonly protocol?: 'http' | 'https'
  readonly headers?: Readonly<Record<string, readonly string[]>>
}

export function factsOf(ask: Ask): RequestFacts {
  const { method = 'GET', url = '/', host = HOST, protocol = 'https', headers = {} } = ask
  const [path = '/', ...query] = url.split('?')
  const all: Record<string, readonly string[]> = { host: host === '' ? [] : [host], ...headers }
  return {
    method,
    host: host.replace(/:\d+$/, '').toLowerCase(),
    path,
    query: query.join('?'),
    parameters: [],
    header: (name) => all[name] ?? [],
    sourceIp: '127.0.0.1',
    protocol,
    port: 443,
  }
}

/** A listener that has these authentication actions, one a rule. */
export function listenerOf(actions: readonly sdk.Action[], name = 'one'): LiveListener {
  return {
    row: { arn: `${BALANCER_ARN.replace('loadbalancer', 'listener')}/${name}` },
    balancer: { row: { arn: BALANCER_ARN } },
    rules: actions.map((action) => ({ authenticate: [action] })),
  } as unknown as LiveListener
}

/** Bytes that look random and are the same in every run. */
function countingBytes(): (count: number) => Buffer {
  let count = 0
  return (bytes) => {
    const digest = createHash('sha512').update(String(++count)).digest()
    return digest.subarray(0, bytes)
  }
}

export interface Line {
  readonly level: string
  readonly message: string
  readonly fields: LogFields | undefined
}

/** An authenticator, a provider, and time in the test's hands. */
export class AuthWorld {
  readonly clock: FakeClock
  readonly issuer: Issuer
  readonly lines: Line[] = []
  callBackend: CallBackend = () => undefined
  callIdp: CallIdp = createIdpClient()
  readonly auth: Authenticator

  private constructor(clock: FakeClock, issuer: Issuer) {
    this.clock = clock
    this.issuer = issuer
    this.auth = this.another(Buffer.alloc(32, 7))
  }

  static async start(): Promise<AuthWorld> {
    const clock = new FakeClock()
    return new AuthWorld(clock, await Issuer.start(clock))
  }

  another(key: Buffer): Authenticator {
    return createAuthenticator({
      callBackend: (request) => this.callBackend(request),
      callIdp: (request) => this.callIdp(request),
      clock: this.clock,
      ids: countingIds(),
      randomBytes: countingBytes(),
      log: this.#log,
      key,
    })
  }

  readonly #log: Logger = {
    debug: () => {},
    info: (message, fields) => this.lines.push({ level: 'info', message, fields }),
    warn: (message, fields) => this.lines.push({ level: 'warn', message, fields }),
    error: (message, fields) => this.lines.push({ level: 'error', message, fields }),
  }

  oidc(config: Partial<sdk.AuthenticateOidcActionConfig> = {}): sdk.Action {
    const { url } = this.issuer
    return {
      Type: 'authenticate-oidc',
      AuthenticateOidcConfig: {
        Issuer: url,
        AuthorizationEndpoint: `${url}/authorize`,
        TokenEndpoint: `${url}/token`,
        UserInfoEndpoint: `${url}/userinfo`,
        ClientId: CLIENT.id,
        ClientSecret: CLIENT.secret,
        ...config,
      },
    }
  }

  browser(): Browser {
    return new Browser(this)
  }
}

/** Keeps cookies as browsers do, and asks a listener's authenticator as its front does. */
export class Browser {
  readonly world: AuthWorld
  readonly cookies = new Map<string, string>()
  readonly #expiries = new Map<string, number>()

  constructor(world: AuthWorld) {
    this.world = world
  }

  facts(ask: Ask = {}): RequestFacts {
    for (const [name, expiresMs] of this.#expiries) {
      if (expiresMs <= this.world.clock.now()) this.cookies.delete(name)
    }
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    return factsOf({ ...ask, headers: { ...(cookie && { cookie: [cookie] }), ...ask.headers } })
  }

  async ask(action: sdk.Action, listener: LiveListener, ask: Ask = {}): Promise<Authenticated> {
    return this.#take(await this.world.auth.authenticate(action, this.facts(ask), listener))
  }

  /** What the provider sends the browser back with, given to the listener. */
  async comeBack(location: string, listener: LiveListener): Promise<Authenticated> {
    const { host, pathname, search } = new URL(location)
    const facts = this.facts({ host, url: pathname + search })
    if (!claimsCallback(facts, listener)) throw new Error('it is no callback')
    return this.#take(await this.world.auth.callback(facts, listener))
  }

  /** From an unknown user to the address that the load balancer sends a known one to. */
  async signIn(action: sdk.Action, listener: LiveListener, ask: Ask = {}): Promise<Authenticated> {
    const away = await this.ask(action, listener, ask)
    return this.comeBack(await this.world.issuer.signIn(locationOf(away)), listener)
  }

  #take(done: Authenticated): Authenticated {
    const headers = done.kind === 'allow' ? (done.responseHeaders ?? []) : done.answer.headers
    for (const [name, value] of headers) {
      if (name !== 'Set-Cookie') continue
      const [pair = '', ...attributes] = value.split('; ')
      if (value.length > 4096) throw new Error(`browsers take no cookie of ${value.length} bytes`)
      const at = pair.indexOf('=')
      const expires = attributes.find((each) => each.startsWith('Expires='))?.slice(8)
      const key = pair.slice(0, at)
      this.cookies.set(key, pair.slice(at + 1))
      this.#expiries.set(key, expires ? Date.parse(expires) : Number.POSITIVE_INFINITY)
      if (expires && Date.parse(expires) <= this.world.clock.now()) {
        this.cookies.delete(key)
        this.#expiries.delete(key)
      }
    }
    return done
  }
}

export function headerOf(done: Authenticated, name: string): string | undefined {
  const headers = done.kind === 'allow' ? done.headers : done.answer.headers
  return headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1]
}

export function locationOf(done: Authenticated): string {
  const location = headerOf(done, 'location')
  if (location === undefined) throw new Error(`sent nowhere: ${told(done)}`)
  return location
}

/** `allow`, or status and reason: `401 AuthInvalidCookie`. */
export function told(done: Authenticated): string {
  if (done.kind === 'allow') return 'allow'
  return `${done.answer.status} ${done.errorReason ?? ''}`.trimEnd()
}
