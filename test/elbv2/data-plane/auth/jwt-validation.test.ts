import { Buffer } from 'node:buffer'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import {
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createIdpClient } from '../../../../elbv2/data-plane/auth/idp-client.ts'
import { AuthWorld, factsOf, headerOf, listenerOf, told } from './browser.ts'
import { json } from './issuer.ts'

const test = suite<{ world: AuthWorld }>('jwt-validation')
const ISSUER = 'https://issuer.example'

test.before.each(async (context) => {
  context.world = await AuthWorld.start()
})
test.after.each(async ({ world }) => {
  await world.issuer.stop()
})

function actionOf(
  world: AuthWorld,
  claims: sdk.JwtValidationActionAdditionalClaim[] = [],
): sdk.Action {
  return {
    Type: 'jwt-validation',
    JwtValidationConfig: {
      JwksEndpoint: `${world.issuer.url}/jwks`,
      Issuer: ISSUER,
      AdditionalClaims: claims,
    },
  }
}

function claimsOf(world: AuthWorld, claims: JWTPayload = {}): JWTPayload {
  return { iss: ISSUER, sub: 'service-1', exp: world.clock.now() / 1000 + 86_400, ...claims }
}

async function ask(
  world: AuthWorld,
  authorization: string | readonly string[],
  action = actionOf(world),
) {
  const headers = { authorization: [authorization].flat() }
  return world.auth.authenticate(action, factsOf({ headers }), listenerOf([action]))
}

async function askWith(world: AuthWorld, token: string, action = actionOf(world)) {
  return told(await ask(world, `Bearer ${token}`, action))
}

test('a good token goes on as it came', async ({ world }) => {
  const token = await world.issuer.sign(claimsOf(world))
  assert.equal(await ask(world, `Bearer ${token}`), { kind: 'allow', headers: [] })
  assert.equal(await ask(world, `bearer  ${token}`), { kind: 'allow', headers: [] })
})

test('a request without a usable token is refused, and told how to do it', async ({ world }) => {
  const token = await world.issuer.sign(claimsOf(world))
  const none = await ask(world, [])
  assert.is(told(none), '401 JWTHeaderNotPresent')
  assert.is(headerOf(none, 'www-authenticate'), 'Bearer')
  const wrong = [
    'Basic dXNlcjpwYXNz',
    token,
    'Bearer',
    'Bearer ',
    `Bearer ${token}.x`,
    `Bearer ${token} x`,
    'Bearer a.b.c',
    `Bearer ${token.split('.').slice(0, 2).join('.')}`,
    `Bearer .${token.split('.').slice(1).join('.')}`,
  ]
  for (const authorization of wrong) {
    const done = await ask(world, authorization)
    assert.is(told(done), '401 JWTRequestFormatInvalid', authorization)
    assert.is(headerOf(done, 'www-authenticate'), 'Bearer error="invalid_token"')
  }
  const two = await ask(world, [`Bearer ${token}`, `Bearer ${token}`])
  assert.is(told(two), '401 JWTRequestFormatInvalid')
})

test('only RS256 by a key of the endpoint counts', async ({ world }) => {
  const claims = claimsOf(world)
  const good = await world.issuer.sign(claims)
  const other = await generateKeyPair('RS256')
  const header = { alg: 'RS256', kid: 'key-1' }
  const forged = [
    await new SignJWT(claims).setProtectedHeader(header).sign(other.privateKey),
    `${good.slice(0, -20)}${'A'.repeat(20)}`,
    `${good.split('.')[0]}.${Buffer.from('{"iss":"x"}').toString('base64url')}.${good.split('.')[2]}`,
    await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'key-1' })
      .sign((await generateKeyPair('ES256')).privateKey),
  ]
  // The public key as the secret of an HMAC: the classic confusion.
  const publicKey = await importJWK(await world.issuer.publicJwk(), 'RS256', { extractable: true })
  const pem = Buffer.from(await exportSPKI(publicKey as never))
  forged.push(
    await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'key-1' }).sign(pem),
  )
  for (const token of forged) {
    assert.is(await askWith(world, token), '401 JWTSignatureValidationError')
  }
  const unsecured = new UnsecuredJWT(claims).encode()
  assert.is(await askWith(world, unsecured), '401 JWTRequestFormatInvalid')
  assert.is(await askWith(world, `${unsecured}AAAA`), '401 JWTSignatureValidationError')
  assert.is(await askWith(world, good), 'allow')
})

test('iss and exp must be there and right, nbf and iat right where they are', async ({ world }) => {
  const nowSeconds = world.clock.now() / 1000
  const cases: [JWTPayload, string][] = [
    [{ iss: 'https://evil.example' }, '401 JWTClaimValueInvalid'],
    [{ iss: undefined } as never, '401 JWTClaimNotPresent'],
    [{ exp: nowSeconds }, '401 JWTClaimValueInvalid'],
    [{ exp: undefined } as never, '401 JWTClaimNotPresent'],
    [{ exp: 'never' } as never, '401 JWTClaimFormatInvalid'],
    [{ nbf: nowSeconds + 1 }, '401 JWTClaimValueInvalid'],
    [{ nbf: 'x' } as never, '401 JWTClaimFormatInvalid'],
    [{ iat: nowSeconds + 1 }, '401 JWTClaimValueInvalid'],
    [{ iat: 'x' } as never, '401 JWTClaimFormatInvalid'],
    [{ exp: nowSeconds + 1, nbf: nowSeconds, iat: nowSeconds }, 'allow'],
  ]
  for (const [claims, expected] of cases) {
    const token = await world.issuer.sign(claimsOf(world, claims))
    assert.is(await askWith(world, token), expected, JSON.stringify(claims))
  }
})

test('additional claims: each format', async ({ world }) => {
  const cases: [sdk.JwtValidationActionAdditionalClaim, unknown, string][] = [
    [{ Format: 'single-string', Name: 'a', Values: ['x'] }, 'x', 'allow'],
    [{ Format: 'single-string', Name: 'a', Values: ['y', 'x'] }, 'x', 'allow'],
    [{ Format: 'single-string', Name: 'a', Values: ['x'] }, 'X', '401 JWTClaimValueInvalid'],
    [{ Format: 'single-string', Name: 'a', Values: ['x'] }, 'x y', '401 JWTClaimValueInvalid'],
    [{ Format: 'single-string', Name: 'a', Values: ['x'] }, ['x'], '401 JWTClaimFormatInvalid'],
    [{ Format: 'single-string', Name: 'a', Values: ['1'] }, 1, '401 JWTClaimFormatInvalid'],
    [{ Format: 'string-array', Name: 'a', Values: ['x', 'y'] }, ['y', 'z', 'x'], 'allow'],
    [{ Format: 'string-array', Name: 'a', Values: ['x'] }, ['y'], '401 JWTClaimValueInvalid'],
    [{ Format: 'string-array', Name: 'a', Values: ['x'] }, [], '401 JWTClaimValueInvalid'],
    [{ Format: 'string-array', Name: 'a', Values: ['x'] }, 'x', '401 JWTClaimFormatInvalid'],
    [{ Format: 'string-array', Name: 'a', Values: ['x'] }, ['x', 1], '401 JWTClaimFormatInvalid'],
    [{ Format: 'space-separated-values', Name: 'a', Values: ['x', 'y'] }, 'y  z x', 'allow'],
    [
      { Format: 'space-separated-values', Name: 'a', Values: ['x', 'y'] },
      'x',
      '401 JWTClaimValueInvalid',
    ],
    [
      { Format: 'space-separated-values', Name: 'a', Values: ['x'] },
      ['x'],
      '401 JWTClaimFormatInvalid',
    ],
    [{ Format: 'single-string', Name: 'a', Values: ['x'] }, undefined, '401 JWTClaimNotPresent'],
    [{ Format: 'single-string', Name: 'toString', Values: ['x'] }, 'x', '401 JWTClaimNotPresent'],
  ]
  for (const [claim, a, expected] of cases) {
    const token = await world.issuer.sign(claimsOf(world, { a }))
    const what = JSON.stringify([claim, a])
    assert.is(await askWith(world, token, actionOf(world, [claim])), expected, what)
  }
})

test('keys: are fetched once for many requests, and again when they are old', async ({ world }) => {
  const token = await world.issuer.sign(claimsOf(world))
  const many = await Promise.all(Array.from({ length: 50 }, () => askWith(world, token)))
  assert.equal(new Set(many), new Set(['allow']))
  assert.is(world.issuer.seenOf('/jwks').length, 1)
  world.clock.advance(10 * 60 * 1000)
  await Promise.all(Array.from({ length: 50 }, () => askWith(world, token)))
  assert.is(world.issuer.seenOf('/jwks').length, 2)
})

test('keys: an unknown key id has them fetched again, but not by each request', async ({
  world,
}) => {
  const old = await world.issuer.sign(claimsOf(world))
  assert.is(await askWith(world, old), 'allow')
  await world.issuer.rotate('key-2')
  const token = await world.issuer.sign(claimsOf(world))
  assert.is(await askWith(world, token), '401 JWTSignatureValidationError')
  assert.is(world.issuer.seenOf('/jwks').length, 1)
  world.clock.advance(30_000)
  const many = await Promise.all(Array.from({ length: 50 }, () => askWith(world, token)))
  assert.equal(new Set(many), new Set(['allow']))
  assert.is(world.issuer.seenOf('/jwks').length, 2)
  assert.is(await askWith(world, old), '401 JWTSignatureValidationError')
  assert.is(world.issuer.seenOf('/jwks').length, 2)
})

test('keys: a token without a key id is tried with each', async ({ world }) => {
  const token = await world.issuer.sign(claimsOf(world), { alg: 'RS256' })
  const mine = await world.issuer.publicJwk()
  const second = await generateKeyPair('RS256', { extractable: true })
  await world.issuer.rotate('key-2')
  const other = await world.issuer.publicJwk()
  world.issuer.takeover = (_req, res) => {
    json(res, 200, { keys: [other, { kty: 'EC', crv: 'P-256' }, { ...other, use: 'enc' }, mine] })
    return true
  }
  assert.is(await askWith(world, token), 'allow')
  const foreign = await new SignJWT(claimsOf(world))
    .setProtectedHeader({ alg: 'RS256' })
    .sign(second.privateKey)
  assert.is(await askWith(world, foreign), '401 JWTSignatureValidationError')
  world.issuer.takeover = (_req, res) => {
    json(res, 200, { keys: [{ ...mine, alg: 'RS512' }] })
    return true
  }
  world.clock.advance(10 * 60 * 1000)
  assert.is(await askWith(world, token), '401 JWTSignatureValidationError')
})

test('keys: an endpoint that gives none is told, asked seldom, and forgiven', async ({ world }) => {
  const token = await world.issuer.sign(claimsOf(world))
  const jwk = await world.issuer.publicJwk()
  const cases: [(res: import('node:http').ServerResponse) => void, string][] = [
    [(res) => json(res, 500, {}), '500 JWKSRequestFailed'],
    [(res) => json(res, 200, {}), '500 JWKSResponseInvalid'],
    [(res) => json(res, 200, { keys: [null] }), '500 JWKSResponseInvalid'],
    [(res) => void res.end('<html>'), '500 JWKSResponseInvalid'],
    [(res) => void res.destroy(), '500 JWKSRequestTimeout'],
    [(res) => json(res, 200, { keys: Array(11).fill(jwk) }), '500 JWKSResponseSizeExceeded'],
    [(res) => json(res, 200, { keys: ['x'.repeat(160_000)] }), '500 JWKSResponseSizeExceeded'],
    [(res) => void res.writeHead(302, { location: '/jwks' }).end(), '500 JWKSRequestFailed'],
    [(res) => json(res, 200, { keys: [] }), '401 JWTSignatureValidationError'],
    // 512 bits: no key for RS256.
    [
      (res) => json(res, 200, { keys: [{ ...jwk, n: jwk.n?.slice(0, 86) }] }),
      '401 JWTSignatureValidationError',
    ],
  ]
  for (const [answer, expected] of cases) {
    world.issuer.takeover = (_req, res) => {
      answer(res)
      return true
    }
    world.clock.advance(30_000)
    const before = world.issuer.seen.length
    assert.is(await askWith(world, token), expected)
    assert.is(await askWith(world, token), expected)
    assert.is(world.issuer.seen.length, before + 1)
  }
  world.issuer.takeover = () => false
  world.clock.advance(30_000)
  assert.is(await askWith(world, token), 'allow')
})

test('keys: go on for an hour while their endpoint fails', async ({ world }) => {
  const token = await world.issuer.sign(claimsOf(world))
  assert.is(await askWith(world, token), 'allow')
  world.issuer.takeover = (_req, res) => {
    json(res, 503, {})
    return true
  }
  world.clock.advance(59 * 60 * 1000)
  assert.is(await askWith(world, token), 'allow')
  world.clock.advance(60 * 1000)
  assert.is(await askWith(world, token), '500 JWKSRequestFailed')
})

test('keys: an endpoint that does not answer in time is left', async ({ world }) => {
  world.callIdp = createIdpClient(50)
  world.issuer.takeover = () => true
  const token = await world.issuer.sign(claimsOf(world))
  assert.is(await askWith(world, token), '500 JWKSRequestTimeout')
})

test.run()
