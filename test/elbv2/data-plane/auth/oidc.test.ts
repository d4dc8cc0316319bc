import { Buffer } from 'node:buffer'
import { verify } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { claimsCallback } from '../../../../elbv2/data-plane/auth/callback.ts'
import type { Authenticated } from '../../../../elbv2/data-plane/model.ts'
import {
  AuthWorld,
  BALANCER_ARN,
  factsOf,
  headerOf,
  listenerOf,
  locationOf,
  told,
} from './browser.ts'
import { CLIENT } from './issuer.ts'

const test = suite<{ world: AuthWorld }>('authenticate-oidc')

test.before.each(async (context) => {
  context.world = await AuthWorld.start()
})
test.after.each(async ({ world }) => {
  await world.issuer.stop()
})

function setCookiesOf(done: Authenticated): string[] {
  const headers = done.kind === 'allow' ? (done.responseHeaders ?? []) : done.answer.headers
  return headers.filter(([name]) => name === 'Set-Cookie').map(([, value]) => value)
}

function jsonOf(part: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
}

test('authenticate: an unknown user is sent to the provider', async ({ world }) => {
  const action = world.oidc({
    Scope: 'openid email',
    AuthenticationRequestExtraParams: { display: 'page', client_id: 'another' },
  })
  const done = await world.browser().ask(action, listenerOf([action]), { url: '/a?b=c' })
  assert.is(told(done), '302')
  const { origin, pathname, searchParams, search } = new URL(locationOf(done))
  assert.is(origin + pathname, `${world.issuer.url}/authorize`)
  assert.not.match(search, /\+/)
  const { state, ...asked } = Object.fromEntries(searchParams)
  assert.equal(asked, {
    display: 'page',
    client_id: CLIENT.id,
    redirect_uri: 'https://my-alb.elb.localhost:8443/oauth2/idpresponse',
    response_type: 'code',
    scope: 'openid email',
  })
  assert.match(state ?? '', /^[\w-]{100,}$/)
  assert.is(setCookiesOf(done).length, 1)
  assert.match(
    setCookiesOf(done)[0] ?? '',
    /^AWSALBAuthNonce=[\w-]{16}; Path=\/; Secure; HttpOnly; SameSite=None$/,
  )
})

test('authenticate: a query that the authorization endpoint has is kept', async ({ world }) => {
  const action = world.oidc({ AuthorizationEndpoint: `${world.issuer.url}/authorize?p=policy` })
  const done = await world.browser().ask(action, listenerOf([action]))
  assert.is(new URL(locationOf(done)).searchParams.get('p'), 'policy')
})

test('authenticate: the usual port is not told, and the scheme is the one of the listener', async ({
  world,
}) => {
  const action = world.oidc()
  const sent = async (host: string, protocol: 'http' | 'https') => {
    const done = await world.browser().ask(action, listenerOf([action]), { host, protocol })
    return new URL(locationOf(done)).searchParams.get('redirect_uri')
  }
  assert.is(await sent('App.Example', 'https'), 'https://app.example/oauth2/idpresponse')
  assert.is(await sent('app.example:443', 'https'), 'https://app.example/oauth2/idpresponse')
  assert.is(await sent('app.example:80', 'http'), 'http://app.example/oauth2/idpresponse')
  assert.is(await sent('app.example:80', 'https'), 'https://app.example:80/oauth2/idpresponse')
})

test('authenticate: a request without a usable host is refused', async ({ world }) => {
  const action = world.oidc()
  for (const host of ['', 'a b', 'user@evil.example', 'a"b', 'a/b']) {
    const done = await world.browser().ask(action, listenerOf([action]), { host })
    assert.is(told(done), '401 AuthMissingHostHeader', host)
  }
})

test('login: a user comes back to where they were going, and targets are told who it is', async ({
  world,
}) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  const back = await browser.signIn(action, listener, { url: '/a/b?c=d&e=%20' })
  assert.is(told(back), '302')
  assert.is(locationOf(back), 'https://my-alb.elb.localhost:8443/a/b?c=d&e=%20')
  for (const cookie of setCookiesOf(back)) {
    assert.match(cookie, /^AWSELBAuthSessionCookie-0=1\.[\w-]+; Expires=/)
    assert.match(cookie, /Expires=Thu, 08 Jan 2026 00:00:00 GMT; Path=\/; Secure; HttpOnly; Same/)
  }
  const done = await browser.ask(action, listener)
  assert.is(told(done), 'allow')
  assert.is(headerOf(done, 'x-amzn-oidc-identity'), 'user-1')
  assert.match(headerOf(done, 'x-amzn-oidc-accesstoken') ?? '', /^access-\d+$/)
  assert.equal(setCookiesOf(done), [])
  const [asked] = world.issuer.seenOf('/token')
  assert.equal(Object.fromEntries(new URLSearchParams(asked?.body)), {
    grant_type: 'authorization_code',
    code: 'code+/=1',
    redirect_uri: 'https://my-alb.elb.localhost:8443/oauth2/idpresponse',
  })
  assert.is(world.lines.length, 0)
})

test('x-amzn-oidc-data: ES256 over padded parts, with what real ones say', async ({ world }) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  await browser.signIn(action, listener)
  const data = headerOf(await browser.ask(action, listener), 'x-amzn-oidc-data') ?? ''
  const [header, payload, signature] = data.split('.')
  for (const part of [header, payload, signature]) assert.is((part ?? '').length % 4, 0)
  assert.match(signature ?? '', /^[\w-]{86}==$/)
  const { kid, ...rest } = jsonOf(header)
  const exp = world.clock.now() / 1000 + 120
  const iss = world.issuer.url
  assert.equal(rest, {
    typ: 'JWT',
    alg: 'ES256',
    iss,
    client: CLIENT.id,
    signer: BALANCER_ARN,
    exp,
  })
  assert.equal(jsonOf(payload), { sub: 'user-1', email: 'user@example.com', exp, iss })
  const key = world.auth.publicKeyPem(String(kid)) ?? ''
  assert.match(key, /^-----BEGIN PUBLIC KEY-----/)
  assert.is(world.auth.publicKeyPem('another'), undefined)
  const bytes = Buffer.from(signature ?? '', 'base64url')
  const options = { key, dsaEncoding: 'ieee-p1363' } as const
  assert.ok(verify('sha256', Buffer.from(`${header}.${payload}`), options, bytes))
})

test('x-amzn-oidc-data: is signed once for half its life', async ({ world }) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  await browser.signIn(action, listener)
  const data = async () => headerOf(await browser.ask(action, listener), 'x-amzn-oidc-data')
  const first = await data()
  world.clock.advance(60_000)
  assert.is(await data(), first)
  world.clock.advance(1_000)
  assert.is.not(await data(), first)
})

test('OnUnauthenticatedRequest: deny answers 401', async ({ world }) => {
  const action = world.oidc({ OnUnauthenticatedRequest: 'deny' })
  const done = await world.browser().ask(action, listenerOf([action]))
  assert.is(told(done), '401')
  assert.match(String(done.kind === 'answer' && done.answer.body), /401 Authorization Required/)
})

test('OnUnauthenticatedRequest: allow takes away what a client claims to be', async ({ world }) => {
  const action = world.oidc({ OnUnauthenticatedRequest: 'allow' })
  const headers = { 'x-amzn-oidc-identity': ['admin'] }
  const done = await world.browser().ask(action, listenerOf([action]), { headers })
  assert.equal(done, {
    kind: 'allow',
    headers: [
      ['x-amzn-oidc-identity', ''],
      ['x-amzn-oidc-accesstoken', ''],
      ['x-amzn-oidc-data', ''],
    ],
  })
})

test('sessions: end with their time-out', async ({ world }) => {
  const action = world.oidc({ SessionTimeout: 60 })
  const listener = listenerOf([action])
  const browser = world.browser()
  await browser.signIn(action, listener)
  world.clock.advance(59_999)
  assert.is(told(await browser.ask(action, listener)), 'allow')
  const kept = new Map(browser.cookies)
  world.clock.advance(1)
  // A client that keeps its cookies for longer gains nothing.
  for (const [name, value] of kept) browser.cookies.set(name, value)
  const cookie = [[...kept].map(([name, value]) => `${name}=${value}`).join('; ')]
  const late = await browser.ask(action, listener, { headers: { cookie } })
  assert.is(told(late), '302')
})

test('sessions: rules that differ only in whom they let in share them', async ({ world }) => {
  const login = world.oidc()
  const open = world.oidc({ OnUnauthenticatedRequest: 'allow', SessionTimeout: 600 })
  const listener = listenerOf([login, open])
  const browser = world.browser()
  await browser.signIn(login, listener)
  const done = await browser.ask(open, listener)
  assert.is(headerOf(done, 'x-amzn-oidc-identity'), 'user-1')
})

test('sessions: of another listener, client, issuer or scope count for nothing', async ({
  world,
}) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  await browser.signIn(action, listener)
  assert.is(told(await browser.ask(action, listener)), 'allow')
  assert.is(told(await browser.ask(world.oidc(), listenerOf([world.oidc()], 'two'))), '302')
  const others = [
    { ClientId: 'client-2' },
    { Issuer: 'https://other.example' },
    { Scope: 'email' },
    { UserInfoEndpoint: `${world.issuer.url}/admin` },
  ]
  for (const config of others) {
    const other = world.oidc({ ...config, OnUnauthenticatedRequest: 'deny' })
    assert.is(told(await browser.ask(other, listenerOf([other]))), '401', JSON.stringify(config))
  }
  assert.is(told(await browser.ask(action, listener)), 'allow')
})

test('sessions: cookies of two names live side by side', async ({ world }) => {
  const one = world.oidc({ SessionCookieName: 'one' })
  const two = world.oidc({ SessionCookieName: 'two', OnUnauthenticatedRequest: 'deny' })
  const listener = listenerOf([one, two])
  const browser = world.browser()
  await browser.signIn(one, listener)
  assert.ok(browser.cookies.has('one-0'))
  assert.is(told(await browser.ask(two, listener)), '401')
  assert.is(told(await browser.ask(one, listener)), 'allow')
})

test('sessions: large ones are kept in several cookies, which a smaller one takes away', async ({
  world,
}) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  world.issuer.user = { sub: 'user-1', groups: 'x'.repeat(10_500) }
  assert.is(told(await browser.signIn(action, listener)), '302')
  const shards = [...browser.cookies.keys()].filter((name) => name.startsWith('AWSELB'))
  assert.equal(
    shards,
    [0, 1, 2, 3].map((index) => `AWSELBAuthSessionCookie-${index}`),
  )
  assert.is(told(await browser.ask(action, listener)), 'allow')
  world.issuer.user = { sub: 'user-1' }
  browser.cookies.delete('AWSELBAuthSessionCookie-0')
  await browser.signIn(action, listener)
  assert.equal([...browser.cookies.keys()].sort(), ['AWSALBAuthNonce', 'AWSELBAuthSessionCookie-0'])
  assert.is(told(await browser.ask(action, listener)), 'allow')
})

test('sessions: an application ends one by expiring or emptying its cookies', async ({ world }) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  await browser.signIn(action, listener)
  browser.cookies.set('AWSELBAuthSessionCookie-0', '')
  assert.is(told(await browser.ask(action, listener)), '302')
  browser.cookies.delete('AWSELBAuthSessionCookie-0')
  assert.is(told(await browser.ask(action, listener)), '302')
})

test('refresh: many requests refresh a session once, and the browser gets the new one', async ({
  world,
}) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  world.issuer.tokens = { expires_in: 300, refresh_token: 'yes' }
  await browser.signIn(action, listener)
  world.clock.advance(299_999)
  assert.equal(setCookiesOf(await browser.ask(action, listener)), [])
  world.clock.advance(1)
  world.issuer.user = { sub: 'user-1', email: 'new@example.com' }
  const old = browser.facts()
  const many = Array.from({ length: 20 }, () => world.auth.authenticate(action, old, listener))
  const tokens = new Set(
    (await Promise.all(many)).map((done) => headerOf(done, 'x-amzn-oidc-data')),
  )
  assert.is(tokens.size, 1)
  assert.is(jsonOf([...tokens][0]?.split('.')[1]).email, 'new@example.com')
  assert.is(world.issuer.seenOf('/token').length, 2)
  // One that was under way brings the old cookie still; then the new one is used.
  assert.is(setCookiesOf(await browser.ask(action, listener)).length, 1)
  assert.equal(setCookiesOf(await browser.ask(action, listener)), [])
  world.clock.advance(300_000)
  assert.is(told(await browser.ask(action, listener)), 'allow')
  assert.is(world.issuer.seenOf('/token').length, 3)
})

test('refresh: a user who signed out at the provider signs in again', async ({ world }) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  world.issuer.tokens = { expires_in: 300, refresh_token: 'yes' }
  await browser.signIn(action, listener)
  world.issuer.forgetUsers()
  world.clock.advance(300_000)
  assert.is(told(await browser.ask(action, listener)), '302')
  assert.equal(
    world.lines.map(({ level, message }) => `${level} ${message}`),
    ['info a session is over: it could not be refreshed'],
  )
})

test('refresh: does not lengthen a session', async ({ world }) => {
  const action = world.oidc({ SessionTimeout: 500 })
  const listener = listenerOf([action])
  const browser = world.browser()
  world.issuer.tokens = { expires_in: 300, refresh_token: 'yes' }
  await browser.signIn(action, listener)
  world.clock.advance(300_000)
  assert.is(told(await browser.ask(action, listener)), 'allow')
  world.clock.advance(200_000)
  assert.is(told(await browser.ask(action, listener)), '302')
})

test('refresh: without a refresh token a session outlives its access token', async ({ world }) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  await browser.signIn(action, listener)
  world.clock.advance(6 * 86_400_000)
  assert.is(told(await browser.ask(action, listener)), 'allow')
  assert.is(world.issuer.seenOf('/token').length, 1)
})

test('login: two tabs of one browser can sign in at the same time', async ({ world }) => {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  const one = await browser.ask(action, listener, { url: '/one' })
  const two = await browser.ask(action, listener, { url: '/two' })
  const { issuer } = world
  const first = await browser.comeBack(await issuer.signIn(locationOf(one)), listener)
  const second = await browser.comeBack(await issuer.signIn(locationOf(two)), listener)
  assert.match(locationOf(first), /\/one$/)
  assert.match(locationOf(second), /\/two$/)
})

test('claimsCallback: only the path itself, and only where a rule signs users in', ({ world }) => {
  const action = world.oidc()
  const claims = (url: string, listener = listenerOf([action])) =>
    claimsCallback(factsOf({ url }), listener)
  assert.ok(claims('/oauth2/idpresponse?code=1'))
  assert.not(claims('/oauth2/idpresponse/'))
  assert.not(claims('/oauth2'))
  assert.not(claims('/oauth2/idpresponse', listenerOf([])))
  const jwt = { Type: 'jwt-validation', JwtValidationConfig: {} } as never
  assert.not(claims('/oauth2/idpresponse', listenerOf([jwt])))
})

test.run()
