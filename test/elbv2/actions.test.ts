import type { Action } from '@aws-sdk/client-elastic-load-balancing-v2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ActionPlace, actionView, checkedActions } from '../../elbv2/actions.ts'
import { forward, HTTPS, makeGroup, makeListener, makeRule, OK, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

const HTTP: ActionPlace = { type: 'application', protocol: 'HTTP', port: 80 }
const SECURE: ActionPlace = { type: 'application', protocol: 'HTTPS', port: 443 }
const GROUP = 'arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/1'
const OIDC = {
  Issuer: 'https://idp.example.com',
  AuthorizationEndpoint: 'https://idp.example.com/authorize',
  TokenEndpoint: 'https://idp.example.com/token',
  UserInfoEndpoint: 'https://idp.example.com/me',
  ClientId: 'client',
  ClientSecret: 'secret',
}
const COGNITO = {
  UserPoolArn: 'arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a',
  UserPoolClientId: 'client',
  UserPoolDomain: 'domain',
}
const JWT = { JwksEndpoint: 'https://idp.example.com/jwks', Issuer: 'https://idp.example.com' }

function check(place: ActionPlace, ...actions: object[]): readonly Action[] {
  return checkedActions(actions as Action[], place)
}

function refused(place: ActionPlace, ...actions: object[]): string {
  try {
    check(place, ...actions)
  } catch (thrown) {
    const { code, message } = thrown as Error & { code: string }
    return `${code}: ${message}`
  }
  throw new Error(`taken: ${JSON.stringify(actions)}`)
}

const redirect = (config: object) => ({
  Type: 'redirect',
  RedirectConfig: { StatusCode: 'HTTP_301', ...config },
})
const fixed = (config: object) => ({
  Type: 'fixed-response',
  FixedResponseConfig: { StatusCode: '200', ...config },
})
const oidc = (config: object = {}) => ({
  Type: 'authenticate-oidc',
  Order: 1,
  AuthenticateOidcConfig: { ...OIDC, ...config },
})
const cognito = (config: object = {}) => ({
  Type: 'authenticate-cognito',
  Order: 1,
  AuthenticateCognitoConfig: { ...COGNITO, ...config },
})
const jwt = (config: object = {}) => ({
  Type: 'jwt-validation',
  Order: 1,
  JwtValidationConfig: { ...JWT, ...config },
})
const claim = (more: object) => ({ Format: 'single-string', Name: 'aud', Values: ['a'], ...more })
const weighted = (...weights: (number | undefined)[]) => ({
  Type: 'forward',
  ForwardConfig: {
    TargetGroups: weights.map((Weight, index) => ({ TargetGroupArn: `${GROUP}${index}`, Weight })),
  },
})
const LAST = { ...OK, Order: 2 }

test('actions: a forward to one group is answered both ways, one to several only as a config', () => {
  const one = [
    {
      Type: 'forward',
      Order: 1,
      TargetGroupArn: GROUP,
      ForwardConfig: {
        TargetGroups: [{ TargetGroupArn: GROUP, Weight: 1 }],
        TargetGroupStickinessConfig: { Enabled: false },
      },
    },
  ]
  assert.equal(check(HTTP, forward(GROUP)), one)
  assert.equal(check(HTTP, one[0] ?? {}), one)
  const config = { TargetGroups: [{ TargetGroupArn: GROUP }] }
  assert.equal(check(HTTP, { Type: 'forward', ForwardConfig: config }), one)
  const [several] = check(HTTP, weighted(0, 999, undefined))
  assert.is(several?.TargetGroupArn, undefined)
  assert.equal(
    several?.ForwardConfig?.TargetGroups?.map(({ Weight }) => Weight),
    [0, 999, 1],
  )
})

test("actions: redirects and authentication have AWS's defaults", () => {
  assert.equal(check(HTTP, redirect({ Protocol: 'HTTPS' }))[0]?.RedirectConfig, {
    Protocol: 'HTTPS',
    Port: '#{port}',
    Host: '#{host}',
    Path: '/#{path}',
    Query: '#{query}',
    StatusCode: 'HTTP_301',
  })
  const session = {
    SessionCookieName: 'AWSELBAuthSessionCookie',
    Scope: 'openid',
    SessionTimeout: 604800,
    OnUnauthenticatedRequest: 'authenticate',
  }
  assert.equal(check(SECURE, oidc(), LAST)[0]?.AuthenticateOidcConfig, { ...session, ...OIDC })
  assert.equal(check(SECURE, cognito(), LAST)[0]?.AuthenticateCognitoConfig, {
    ...session,
    ...COGNITO,
  })
  assert.equal(check(SECURE, jwt(), LAST)[0]?.JwtValidationConfig, JWT)
})

test('actions: come in their order, whatever the order in which they were given', () => {
  const types = check(SECURE, LAST, oidc()).map(({ Type, Order }) => [Type, Order])
  assert.equal(types, [
    ['authenticate-oidc', 1],
    ['fixed-response', 2],
  ])
})

test('actions: the secret is never answered', () => {
  const [action] = check(SECURE, oidc(), LAST).map(actionView)
  assert.is(action?.AuthenticateOidcConfig?.ClientSecret, undefined)
  assert.is(action?.AuthenticateOidcConfig?.ClientId, 'client')
})

test('actions: redirects that lead somewhere are taken', () => {
  for (const config of [
    { Protocol: 'HTTPS', Port: '443' },
    { Port: '81' },
    { Host: 'www.#{host}' },
    { Host: 'example.com', Path: '/', Query: '' },
    { Path: '/new/#{path}', Query: 'from=#{host}&#{query}' },
    { Path: '/#{host}/#{port}/#{path}' },
  ]) {
    check(HTTP, redirect(config))
  }
  check(SECURE, redirect({ Host: 'example.com' }))
})

test('actions: what AWS refuses is refused', () => {
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, 'v']))
  const cases: [ActionPlace, object[], RegExp][] = [
    [HTTP, [OK, LAST], /'Order' field must be specified/],
    [
      HTTP,
      [
        { ...OK, Order: 1 },
        { ...OK, Order: 1 },
      ],
      /must be unique/,
    ],
    [HTTP, [{ ...OK, Order: 1 }, LAST], /exactly one action/],
    [SECURE, [oidc()], /last action performed must be one of/],
    [
      SECURE,
      [
        { ...OK, Order: 1 },
        { ...oidc(), Order: 2 },
      ],
      /last action performed/,
    ],
    [
      SECURE,
      [oidc(), { ...jwt(), Order: 2 }, { ...OK, Order: 3 }],
      /only one action that authenticates/,
    ],
    [
      HTTP,
      [oidc(), LAST],
      /The action type 'authenticate-oidc' is not valid with listener protocol 'HTTP'/,
    ],
    [HTTP, [cognito(), LAST], /'authenticate-cognito' is not valid/],
    [HTTP, [jwt(), LAST], /'jwt-validation' is not valid/],
    [
      HTTP,
      [{ Type: 'redirect' }],
      /For actions of type 'redirect', you must specify the following fields: 'RedirectConfig'/,
    ],
    [HTTP, [{ Type: 'fixed-response' }], /fields: 'FixedResponseConfig'/],
    [HTTP, [{ Type: 'forward' }], /fields: 'TargetGroupArn'/],
    [
      HTTP,
      [{ ...OK, TargetGroupArn: GROUP }],
      /cannot specify the following fields: 'TargetGroupArn'/,
    ],
    [
      HTTP,
      [{ ...forward(GROUP), FixedResponseConfig: { StatusCode: '200' } }],
      /cannot specify .* 'FixedResponseConfig'/,
    ],
    [HTTP, [{ ...weighted(1, 1), TargetGroupArn: GROUP }], /same single target group/],
    [HTTP, [{ ...weighted(1), TargetGroupArn: GROUP }], /same single target group/],
    [HTTP, [weighted(1000)], /between 0 and 999/],
    [HTTP, [weighted(-1)], /between 0 and 999/],
    [
      HTTP,
      [
        {
          Type: 'forward',
          ForwardConfig: { TargetGroups: [{ TargetGroupArn: GROUP }, { TargetGroupArn: GROUP }] },
        },
      ],
      /only once/,
    ],
    [HTTP, [redirect({})], /The redirect configuration is not valid because it creates a loop\./],
    [HTTP, [redirect({ Protocol: 'HTTP', Port: '80', Query: 'a=b' })], /creates a loop/],
    [SECURE, [redirect({ Protocol: 'HTTP', Host: 'a.com' })], /You cannot redirect HTTPS to HTTP/],
    [HTTP, [redirect({ Port: '0' })], /Port parameter/],
    [HTTP, [redirect({ Port: '65536' })], /Port parameter/],
    [HTTP, [redirect({ Port: '#{host}' })], /Port parameter/],
    [HTTP, [redirect({ Host: '#{path}.com' })], /Host parameter/],
    [HTTP, [redirect({ Host: 'a b' })], /Host parameter/],
    [HTTP, [redirect({ Host: 'a.com/x' })], /Host parameter/],
    [
      HTTP,
      [redirect({ Path: 'a' })],
      /The Path parameter must be a valid path, should start with a '\/'/,
    ],
    [HTTP, [redirect({ Path: '/#{path}/#{path}' })], /Path parameter/],
    [HTTP, [redirect({ Path: '/#{query}' })], /Path parameter/],
    [HTTP, [redirect({ Path: '/#{path' })], /Path parameter/],
    [HTTP, [redirect({ Query: '?a=b', Host: 'a.com' })], /Query parameter/],
    [HTTP, [fixed({ ContentType: 'image/png' })], /content type 'image\/png'/],
    [SECURE, [oidc({ Issuer: 'idp' }), LAST], /'issuer' field must be a valid URL/],
    [
      SECURE,
      [oidc({ TokenEndpoint: 'ftp://idp/token' }), LAST],
      /'token endpoint' field must be a valid URL/,
    ],
    [
      SECURE,
      [oidc({ ClientId: '' }), LAST],
      /The 'client id' field must be between 1 and 1024 characters in length/,
    ],
    [SECURE, [oidc({ ClientSecret: undefined }), LAST], /fields: 'ClientSecret'/],
    [
      SECURE,
      [oidc({ UseExistingClientSecret: true }), LAST],
      /client secret when 'UseExistingClientSecret'/,
    ],
    [
      SECURE,
      [oidc({ ClientSecret: undefined, UseExistingClientSecret: true }), LAST],
      /no existing client secret/,
    ],
    [SECURE, [oidc({ SessionTimeout: 604801 }), LAST], /session timeout/],
    [SECURE, [oidc({ AuthenticationRequestExtraParams: many }), LAST], /up to 10 parameters/],
    [SECURE, [cognito({ UserPoolArn: GROUP }), LAST], /not a valid user pool ARN/],
    [SECURE, [jwt({ Issuer: 'a'.repeat(257) }), LAST], /'issuer' field/],
    [SECURE, [jwt({ AdditionalClaims: [claim({ Name: 'iss' })] }), LAST], /claim 'iss' cannot/],
    [SECURE, [jwt({ AdditionalClaims: [claim({ Values: [] })] }), LAST], /claim 'aud' must have/],
    [
      SECURE,
      [
        jwt({ AdditionalClaims: [claim({ Format: 'space-separated-values', Values: ['a b'] })] }),
        LAST,
      ],
      /claim 'aud' must have/,
    ],
    [SECURE, [jwt({ AdditionalClaims: Array(11).fill(claim({})) }), LAST], /up to 10 claims/],
    [
      { type: 'gateway' },
      [OK],
      /The action type 'fixed-response' is not valid with gateway load balancer/,
    ],
    [
      { type: 'network', protocol: 'TCP', port: 80 },
      [redirect({ Port: '81' })],
      /'redirect' is not valid with network load balancer/,
    ],
  ]
  for (const [place, actions, message] of cases) {
    const said = refused(place, ...actions)
    assert.match(said, /^InvalidLoadBalancerAction: /)
    assert.match(said, message)
  }
  assert.is(refused(HTTP), 'ValidationError: An action must be specified')
  for (const DurationSeconds of [undefined, 604801]) {
    const TargetGroupStickinessConfig = { Enabled: true, DurationSeconds }
    const said = refused(HTTP, {
      ...forward(GROUP),
      ForwardConfig: { TargetGroupStickinessConfig },
    })
    assert.is(
      said,
      'ValidationError: Target group stickiness duration must be between 1 and 604800 seconds',
    )
  }
  assert.match(refused(HTTP, weighted(1, 1, 1, 1, 1, 1)), /^TooManyTargetGroups/)
  assert.match(refused({ type: 'gateway' }, weighted(1, 1)), /^TooManyTargetGroups/)
  assert.match(refused(HTTP, OK, OK, OK, OK, OK, OK), /^TooManyActions/)
})

test('actions: the API model refuses statuses, bodies and types before', async () => {
  const world = new Elbv2World()
  const LoadBalancerArn = putBalancer(world)
  for (const action of [
    fixed({ StatusCode: '301' }),
    fixed({ MessageBody: 'a'.repeat(1025) }),
    redirect({ StatusCode: 'HTTP_308', Port: '81' }),
    redirect({ Protocol: 'FTP' }),
    { Type: 'teapot' },
  ]) {
    const input = { LoadBalancerArn, Protocol: 'HTTP', Port: 80, DefaultActions: [action] }
    assert.match(
      await world.fault('CreateListener', input),
      /^ValidationError: 1 validation error detected/,
    )
  }
})

test('actions: a secret is kept for who changes a rule, and seen by nobody', async () => {
  const world = new Elbv2World()
  const listener = await makeListener(world, putBalancer(world), HTTPS)
  const rule = await makeRule(world, listener, 1, { Actions: [oidc(), LAST] })
  const { ClientSecret: _, ...rest } = OIDC
  const modify = (config: object) => ({
    RuleArn: rule,
    Actions: [{ ...oidc(), AuthenticateOidcConfig: { ...rest, ...config } }, LAST],
  })
  const kept = { Scope: 'openid email', UseExistingClientSecret: true }
  const { Rules } = await world.call('ModifyRule', modify(kept))
  assert.is(Rules[0].Actions[0].AuthenticateOidcConfig.Scope, 'openid email')
  const stored = world.rows.rules.get(rule)?.actions[0]?.AuthenticateOidcConfig
  assert.equal([stored?.ClientSecret, stored?.Scope], ['secret', 'openid email'])
  assert.match(
    await world.fault('ModifyRule', modify({ ...kept, ClientId: 'other' })),
    /^InvalidLoadBalancerAction: There is no existing client secret/,
  )
  await world.call('ModifyListener', { ListenerArn: listener, DefaultActions: [oidc(), LAST] })
  for (const [operation, input] of [
    ['DescribeRules', { ListenerArn: listener }],
    ['DescribeListeners', { ListenerArns: [listener] }],
  ] as const) {
    assert.not.match(JSON.stringify(await world.call(operation, input)), /secret/i)
  }
})

test('actions: weighted groups with stickiness go through the SDK and come back', async () => {
  const world = new Elbv2World()
  const listener = await makeListener(world, putBalancer(world))
  const [a, b] = [await makeGroup(world), await makeGroup(world, { Name: 'h' })]
  const ForwardConfig = {
    TargetGroups: [
      { TargetGroupArn: a, Weight: 0 },
      { TargetGroupArn: b, Weight: 90 },
    ],
    TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
  }
  const rule = await makeRule(world, listener, 1, { Actions: [{ Type: 'forward', ForwardConfig }] })
  const { Rules } = await world.call('DescribeRules', { RuleArns: [rule] })
  assert.equal(Rules[0].Actions, [{ Type: 'forward', Order: 1, ForwardConfig }])
})

test.run()
