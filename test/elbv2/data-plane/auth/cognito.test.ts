import { Buffer } from 'node:buffer'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BackendAnswer, BackendRequest } from '../../../../elbv2/context.ts'
import { AuthWorld, headerOf, listenerOf, locationOf, told } from './browser.ts'
import { CLIENT } from './issuer.ts'

interface Context {
  world: AuthWorld
  asked: BackendRequest[]
}

const test = suite<Context>('authenticate-cognito')
const DESCRIBE = 'AWSCognitoIdentityProviderService.DescribeUserPoolClient'

const ACTION: sdk.Action = {
  Type: 'authenticate-cognito',
  AuthenticateCognitoConfig: {
    UserPoolArn: 'arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_abc',
    UserPoolClientId: CLIENT.id,
    UserPoolDomain: 'my-domain',
  },
}

function answerOf(status: number, value: unknown): BackendAnswer {
  return { status, headers: {}, body: Buffer.from(JSON.stringify(value)) }
}

function aboutOf({ issuer: { url } }: AuthWorld): Record<string, string> {
  return {
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    userinfo_endpoint: `${url}/userinfo`,
  }
}

const CLIENT_ANSWER = { UserPoolClient: { ClientId: CLIENT.id, ClientSecret: CLIENT.secret } }

function backendOf(context: Context, about: BackendAnswer, client: BackendAnswer): void {
  context.world.callBackend = async (request) => {
    context.asked.push(request)
    return request.method === 'GET' ? about : client
  }
}

test.before.each(async (context) => {
  context.world = await AuthWorld.start()
  context.asked = []
  backendOf(context, answerOf(200, aboutOf(context.world)), answerOf(200, CLIENT_ANSWER))
})
test.after.each(async ({ world }) => {
  await world.issuer.stop()
})

test('a user signs in at the pool that the backend has', async ({ world, asked }) => {
  const listener = listenerOf([ACTION])
  const browser = world.browser()
  const back = await browser.signIn(ACTION, listener, { url: '/a' })
  assert.match(locationOf(back), /\/a$/)
  const done = await browser.ask(ACTION, listener)
  assert.is(headerOf(done, 'x-amzn-oidc-identity'), 'user-1')
  const [about, client] = asked
  assert.equal(about?.scope, { account: '111122223333', region: 'eu-west-1' })
  assert.is(about?.service, 'cognito-idp')
  assert.is(about?.path, '/eu-west-1_abc/.well-known/openid-configuration')
  assert.is(client?.headers?.['x-amz-target'], DESCRIBE)
  assert.equal(JSON.parse(String(client?.body)), {
    UserPoolId: 'eu-west-1_abc',
    ClientId: CLIENT.id,
  })
  assert.is(asked.length, 2)
})

test('the pool is looked up once a minute', async ({ world, asked }) => {
  const listener = listenerOf([ACTION])
  const ask = () => world.browser().ask(ACTION, listener)
  await Promise.all([ask(), ask(), ask()])
  assert.is(asked.length, 2)
  world.clock.advance(60_000)
  await ask()
  assert.is(asked.length, 4)
})

/** What a client and the log are told. */
async function failure(world: AuthWorld, action = ACTION): Promise<string> {
  world.lines.length = 0
  const done = told(await world.browser().ask(action, listenerOf([action])))
  assert.is(done, '500 AuthUnhandledException')
  assert.is(world.lines.length, 1)
  return `${world.lines[0]?.level}: ${world.lines[0]?.message}`
}

test('without a backend that has the pool the log says what is missing', async (context) => {
  const { world } = context
  const about = answerOf(200, aboutOf(world))
  const client = answerOf(200, CLIENT_ANSWER)
  const says = async (about: BackendAnswer, client: BackendAnswer) => {
    backendOf(context, about, client)
    return failure(world)
  }
  assert.match(
    await says(answerOf(404, {}), client),
    /backend answered 404 for Cognito's \/eu-west/,
  )
  assert.match(
    await says(about, answerOf(400, {})),
    /answered 400 for Cognito's .*DescribeUserPool/,
  )
  assert.match(await says(answerOf(200, []), client), /answered 200/)
  const secretless = answerOf(200, { UserPoolClient: {} })
  assert.match(await says(about, secretless), /client client 1 of the user pool .* has no secret/)
  const { token_endpoint: _, ...less } = aboutOf(world)
  assert.match(await says(answerOf(200, less), client), /does not say which token_endpoint/)
  const script = { ...aboutOf(world), authorization_endpoint: 'javascript:alert(1)' }
  assert.match(await says(answerOf(200, script), client), /which authorization_endpoint/)
  world.callBackend = () => undefined
  assert.match(await failure(world), /^warn: .*no backend is configured/)
  world.callBackend = () => Promise.reject(new Error('connect ECONNREFUSED'))
  assert.match(await failure(world), /cannot be asked for Cognito user pools: connect ECONNREFUSED/)
  const config = { ...ACTION.AuthenticateCognitoConfig, UserPoolArn: 'arn:aws:x' } as never
  const action = { Type: ACTION.Type, AuthenticateCognitoConfig: config }
  assert.match(await failure(world, action), /arn:aws:x is not the ARN of a user pool/)
})

test('a failure is not remembered', async (context) => {
  const { world } = context
  const works = world.callBackend
  world.callBackend = () => undefined
  await failure(world)
  world.callBackend = works
  assert.is(told(await world.browser().ask(ACTION, listenerOf([ACTION]))), '302')
})

test('whoever is signed in needs no backend', async ({ world }) => {
  const listener = listenerOf([ACTION])
  const browser = world.browser()
  await browser.signIn(ACTION, listener)
  world.clock.advance(120_000)
  world.callBackend = () => undefined
  assert.is(told(await browser.ask(ACTION, listener)), 'allow')
})

test.run()
