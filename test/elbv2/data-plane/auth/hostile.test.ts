import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { UnsecuredJWT } from 'jose'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createIdpClient } from '../../../../elbv2/data-plane/auth/idp-client.ts'
import type { LiveListener } from '../../../../elbv2/data-plane/model.ts'
import { AuthWorld, type Browser, HOST, listenerOf, locationOf, told } from './browser.ts'
import { json } from './issuer.ts'

interface Context {
  world: AuthWorld
}

const test = suite<Context>('authentication under attack')
const COOKIE = 'AWSELBAuthSessionCookie-0'

test.before.each(async (context) => {
  context.world = await AuthWorld.start()
})
test.after.each(async ({ world }) => {
  await world.issuer.stop()
})

/** How a login ends with this provider, as client and log are told. */
async function loginOf(world: AuthWorld): Promise<string> {
  const action = world.oidc()
  const browser = world.browser()
  const done = told(await browser.signIn(action, listenerOf([action])))
  assert.not(browser.cookies.has(COOKIE) && done !== '302')
  return done
}

/** Has one of the provider's endpoints answer by other means. */
function takeOver(world: AuthWorld, path: string, answer: (res: ServerResponse) => void): void {
  world.issuer.takeover = (req, res) => {
    if (req.url !== path) return false
    answer(res)
    return true
  }
}

test('ID token: of another issuer, client or time it is refused', async ({ world }) => {
  const nowSeconds = world.clock.now() / 1000
  const wrong: Record<string, unknown>[] = [
    { iss: 'https://evil.example' },
    { iss: undefined },
    { aud: 'another client' },
    { aud: ['a', 'b'] },
    { aud: undefined },
    { azp: 'another client' },
    { exp: nowSeconds - 61 },
    { exp: undefined },
    { exp: '9999999999' },
    { iat: nowSeconds + 120 },
    { iat: undefined },
    { nonce: '' },
    { nonce: 'not asked for' },
    { sub: undefined },
    { sub: '' },
    { sub: 'a\r\nx-admin: yes' },
  ]
  for (const idClaims of wrong) {
    world.issuer.idClaims = idClaims
    assert.is(await loginOf(world), '401 AuthInvalidIdToken', JSON.stringify(idClaims))
  }
  world.issuer.idClaims = { aud: ['a', 'client 1'], azp: 'client 1' }
  assert.is(await loginOf(world), '302')
})

test('ID token: one that nobody signed is refused', async ({ world }) => {
  world.issuer.makeIdToken = async (claims) => new UnsecuredJWT(claims).encode()
  assert.is(await loginOf(world), '401 AuthInvalidIdToken')
  for (const token of ['', 'a.b.c', '..', 'x'.repeat(100_000)]) {
    world.issuer.makeIdToken = async () => token
    assert.is(await loginOf(world), '401 AuthInvalidIdToken')
  }
  world.issuer.tokens = { id_token: undefined }
  assert.is(await loginOf(world), '401 AuthInvalidTokenResponse')
})

test('ID token: with a nonce that the rule asks for it must have that one', async ({ world }) => {
  const action = world.oidc({ AuthenticationRequestExtraParams: { nonce: 'n-1' } })
  const listener = listenerOf([action])
  const login = async () => told(await world.browser().signIn(action, listener))
  world.issuer.idClaims = { nonce: 'n-1' }
  assert.is(await login(), '302')
  world.issuer.idClaims = { nonce: 'n-2' }
  assert.is(await login(), '401 AuthInvalidIdToken')
})

test('access token: one that is no header value is refused', async ({ world }) => {
  for (const token of ['', 'a b', 'a\r\nx-admin: yes', 'ü', 7, undefined, { a: 1 }]) {
    world.issuer.tokens = { access_token: token }
    assert.is(await loginOf(world), '401 AuthInvalidTokenResponse', JSON.stringify(token))
  }
})

test('token endpoint: its errors are told apart', async ({ world }) => {
  const cases: [answer: (res: ServerResponse) => void, told: string][] = [
    [(res) => json(res, 400, { error: 'invalid_grant' }), '401 AuthInvalidGrantError'],
    [(res) => json(res, 401, { error: 'invalid_client' }), '561 AuthTokenEpRequestFailed'],
    [(res) => json(res, 500, {}), '561 AuthTokenEpRequestFailed'],
    [(res) => json(res, 200, []), '401 AuthInvalidTokenResponse'],
    [(res) => void res.end('<html>'), '401 AuthInvalidTokenResponse'],
    [(res) => void res.end('"text"'), '401 AuthInvalidTokenResponse'],
    [(res) => void res.destroy(), '500 AuthTokenEpRequestTimeout'],
    [(res) => void res.end('x'.repeat(300_000)), '500 AuthTokenEpRequestTimeout'],
  ]
  for (const [answer, expected] of cases) {
    takeOver(world, '/token', answer)
    const before = world.issuer.seenOf('/token').length
    assert.is(await loginOf(world), expected)
    // Never twice: a code is good once, and a provider may take the second for an attack.
    assert.is(world.issuer.seenOf('/token').length, before + 1)
  }
})

test('token endpoint: a redirect is not followed, for the secret goes with it', async ({
  world,
}) => {
  takeOver(world, '/token', (res) => {
    res.writeHead(307, { location: `${world.issuer.url}/stolen` }).end()
  })
  assert.is(await loginOf(world), '561 AuthTokenEpRequestFailed')
  assert.equal(world.issuer.seenOf('/stolen'), [])
})

test('token endpoint: one that does not answer in time is left', async ({ world }) => {
  world.callIdp = createIdpClient(50)
  takeOver(world, '/token', () => {})
  assert.is(await loginOf(world), '500 AuthTokenEpRequestTimeout')
  takeOver(world, '/token', (res) => void res.write('{'))
  assert.is(await loginOf(world), '500 AuthTokenEpRequestTimeout')
})

test('token endpoint: a connection that is given up is closed', async ({ world }) => {
  world.callIdp = createIdpClient(50)
  for (const answer of [() => {}, (res: ServerResponse) => void res.write('x'.repeat(300_000))]) {
    let closed: Promise<unknown> = Promise.resolve()
    takeOver(world, '/token', (res) => {
      closed = once(res, 'close')
      answer(res)
    })
    await loginOf(world)
    await closed
  }
})

test('user info endpoint: its errors are told apart', async ({ world }) => {
  const cases: [answer: (res: ServerResponse) => void, told: string][] = [
    [(res) => json(res, 403, {}), '561 AuthUserinfoEpRequestFailed'],
    [(res) => json(res, 200, { sub: 'user-2' }), '401 AuthInvalidUserinfoResponse'],
    [(res) => json(res, 200, {}), '401 AuthInvalidUserinfoResponse'],
    [(res) => void res.end('eyJ.eyJ.x'), '401 AuthInvalidUserinfoResponse'],
    [(res) => void res.destroy(), '500 AuthUserinfoEpRequestTimeout'],
    [
      (res) => json(res, 200, { sub: 'user-1', a: 'x'.repeat(11_300) }),
      '500 AuthUserinfoResponseSizeExceeded',
    ],
    [(res) => void res.end('x'.repeat(100_000)), '500 AuthUserinfoResponseSizeExceeded'],
  ]
  for (const [answer, expected] of cases) {
    takeOver(world, '/userinfo', answer)
    assert.is(await loginOf(world), expected)
  }
})

test('tokens: what does not fit in cookies is refused, not cut', async ({ world }) => {
  world.issuer.takeover = (req, res) => {
    if (req.url !== '/token') return false
    const { iss, sub } = { iss: world.issuer.url, sub: 'user-1' }
    const iat = world.clock.now() / 1000
    const claims = { iss, sub, aud: 'client 1', iat, exp: iat + 60 }
    void world.issuer.sign(claims).then((token) => {
      json(res, 200, { access_token: 'a', id_token: token, refresh_token: 'r'.repeat(40_000) })
    })
    return true
  }
  assert.is(await loginOf(world), '500 AuthUserinfoResponseSizeExceeded')
})

test('logs: name what failed, and no secret, code, token or cookie', async ({ world }) => {
  takeOver(world, '/userinfo', (res) => json(res, 500, {}))
  await loginOf(world)
  assert.is(world.lines.length, 1)
  assert.is(world.lines[0]?.message, 'authentication failed: the user info endpoint answered 500')
  assert.not.match(JSON.stringify(world.lines), /s&cret|code\+|access-/)
})

/** A browser that is back from the provider, but not yet let in. */
async function cameBack(
  world: AuthWorld,
  url = '/',
): Promise<{ browser: Browser; listener: LiveListener; location: string }> {
  const action = world.oidc()
  const listener = listenerOf([action])
  const browser = world.browser()
  const away = await browser.ask(action, listener, { url })
  return { browser, listener, location: await world.issuer.signIn(locationOf(away)) }
}

function changed(location: string, name: string, value: string | undefined): string {
  const url = new URL(location)
  if (value === undefined) url.searchParams.delete(name)
  else url.searchParams.set(name, value)
  return url.href
}

test('callback: one without state or code is refused', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  const back = async (where: string) => told(await browser.comeBack(where, listener))
  assert.is(await back(changed(location, 'state', undefined)), '401 AuthMissingStateParam')
  assert.is(await back(changed(location, 'state', '')), '401 AuthMissingStateParam')
  assert.is(await back(changed(location, 'code', undefined)), '401 AuthMissingCodeParam')
})

test('callback: a state is good once', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  assert.is(told(await browser.comeBack(location, listener)), '302')
  assert.is(told(await browser.comeBack(location, listener)), '401 AuthInvalidStateParam')
  const other = changed(location, 'code', 'another')
  assert.is(told(await browser.comeBack(other, listener)), '401 AuthInvalidStateParam')
  // The same bytes in another spelling are the same state.
  const state = new URL(location).searchParams.get('state') ?? ''
  for (const spelled of [`${state}=`, `.${state}`, `${state.slice(0, 3)}!${state.slice(3)}`]) {
    const again = await browser.comeBack(changed(location, 'state', spelled), listener)
    assert.is(told(again), '401 AuthInvalidStateParam')
  }
  assert.is(world.issuer.seenOf('/token').length, 1)
})

test('callback: a login that began in another browser is refused', async ({ world }) => {
  const { listener, location } = await cameBack(world)
  const victim = world.browser()
  assert.is(told(await victim.comeBack(location, listener)), '401 AuthMissingAWSALBAuthNonce')
  victim.cookies.set('AWSALBAuthNonce', 'x'.repeat(16))
  assert.is(told(await victim.comeBack(location, listener)), '401 AuthInvalidAWSALBAuthNonce')
  assert.equal(world.issuer.seenOf('/token'), [])
  assert.not(victim.cookies.has(COOKIE))
})

test('callback: a state is good for 15 minutes', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  world.clock.advance(15 * 60 * 1000)
  assert.is(told(await browser.comeBack(location, listener)), '401 AuthInvalidStateParam')
})

test('callback: a state of another host or listener is refused', async ({ world }) => {
  const { browser, location } = await cameBack(world)
  const elsewhere = location.replace(HOST, 'other.elb.localhost:8443')
  const action = world.oidc()
  const back = async (where: string, listener: LiveListener) =>
    told(await browser.comeBack(where, listener))
  assert.is(await back(elsewhere, listenerOf([action])), '401 AuthInvalidStateParam')
  assert.is(await back(location, listenerOf([action], 'two')), '401 AuthInvalidStateParam')
})

test('callback: what the load balancer did not seal for this is refused', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  const state = new URL(location).searchParams.get('state') ?? ''
  await browser.comeBack(location, listener)
  const session = (browser.cookies.get(COOKIE) ?? '').slice(2)
  for (const forged of ['x', 'e30', state.slice(1), session, Buffer.alloc(200).toString('hex')]) {
    const back = await browser.comeBack(changed(location, 'state', forged), listener)
    assert.is(told(back), '401 AuthInvalidStateParam')
  }
})

test('callback: errors of the provider are told', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  const back = async (error: string) =>
    told(await browser.comeBack(changed(location, 'error', error), listener))
  assert.is(await back('access_denied'), '401')
  assert.is(await back('server_error'), '561')
  assert.is(await back('x'.repeat(10_000)), '561')
  assert.ok(world.lines.every(({ message }) => message.length < 200))
})

test('callback: it never sends a user to another host', async ({ world }) => {
  const urls = ['//evil.example', '/\\evil.example', '/@evil.example', '/%0d%0aX: y', '.evil', '/ü']
  for (const url of urls) {
    const { browser, listener, location } = await cameBack(world, url)
    const to = locationOf(await browser.comeBack(location, listener))
    assert.is(new URL(to).origin, `https://${HOST}`, to)
    assert.match(to, /^[\x21-\x7e]+$/)
  }
})

test('session cookie: every forged one is refused and taken away', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  await browser.comeBack(location, listener)
  const action = world.oidc()
  const good = browser.cookies.get(COOKIE) ?? ''
  const state = new URL(location).searchParams.get('state') ?? ''
  const flipped = Array.from({ length: good.length - 2 }, (_, index) => {
    const at = index + 2
    return good.slice(0, at) + (good[at] === 'A' ? 'Q' : 'A') + good.slice(at + 1)
  }).filter((text) => text !== good)
  const forged = ['x', '1.', '1.AAAA', '0.', '2.AAAA', '99.AAAA', `1.${state}`, `1.${good}`]
  for (const value of [...forged, ...flipped, `${good}=`, `1..${good.slice(2)}`]) {
    browser.cookies.set(COOKIE, value)
    const done = await browser.ask(action, listener)
    assert.is(told(done), '401 AuthInvalidCookie', value)
    assert.not(browser.cookies.has(COOKIE))
  }
  assert.is(told(await browser.ask(action, listener)), '302')
  browser.cookies.set(COOKIE, good)
  assert.is(told(await browser.ask(action, listener)), 'allow')
})

test('session cookie: another key opens it as little as no key', async ({ world }) => {
  const { browser, listener, location } = await cameBack(world)
  await browser.comeBack(location, listener)
  const other = world.another(Buffer.alloc(32, 8))
  const done = await other.authenticate(world.oidc(), browser.facts(), listener)
  assert.is(told(done), '401 AuthInvalidCookie')
  assert.throws(() => world.another(Buffer.alloc(16)), /32 bytes/)
})

test('a fault of ours is a page and a log line, not a request that hangs', async ({ world }) => {
  const action = world.oidc({ AuthorizationEndpoint: 'no url' })
  const done = await world.browser().ask(action, listenerOf([action]))
  assert.is(told(done), '500 AuthUnhandledException')
  assert.is(world.lines[0]?.level, 'error')
})

test.run()
