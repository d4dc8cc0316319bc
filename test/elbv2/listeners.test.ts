import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TrustStoreRow } from '../../elbv2/rows.ts'
import { CERTIFICATE, forward, HTTPS, makeGroup, makeListener, OK, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

const TRUST_STORE = 'arn:aws:elasticloadbalancing:us-east-1:000000000000:truststore/t/1'

function putTrustStore(world: Elbv2World, status: TrustStoreRow['status'] = 'ACTIVE'): void {
  world.rows.trustStores.put(TRUST_STORE, {
    arn: TRUST_STORE,
    account: '000000000000',
    region: 'us-east-1',
    name: 't',
    status,
    source: { bucket: 'b', key: 'k' },
    bundle: '',
    numberOfCaCertificates: 1,
    revocations: [],
    nextRevocationId: 1,
    tags: [],
    createdAtMs: 0,
  })
}

test('CreateListener: answers the listener as AWS does, the forward spelt out', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const group = await makeGroup(world)
  const { Listeners } = await world.call('CreateListener', {
    LoadBalancerArn: balancer,
    Protocol: 'HTTP',
    Port: 80,
    DefaultActions: [forward(group)],
  })
  const arn = Listeners[0].ListenerArn
  assert.match(arn, /:listener\/app\/application\/50dc6c495c0c9188\/[0-9a-f]{16}$/)
  const expected = {
    ListenerArn: arn,
    LoadBalancerArn: balancer,
    Port: 80,
    Protocol: 'HTTP',
    DefaultActions: [
      {
        Type: 'forward',
        TargetGroupArn: group,
        Order: 1,
        ForwardConfig: {
          TargetGroups: [{ TargetGroupArn: group, Weight: 1 }],
          TargetGroupStickinessConfig: { Enabled: false },
        },
      },
    ],
  }
  assert.equal(Listeners, [expected])
  const described = await world.call('DescribeListeners', { LoadBalancerArn: balancer })
  assert.equal(described.Listeners, [expected])
})

test("CreateListener: HTTPS has AWS's default policy and its one certificate", async () => {
  const world = new Elbv2World()
  const LoadBalancerArn = putBalancer(world)
  const { Listeners } = await world.call('CreateListener', {
    LoadBalancerArn,
    ...HTTPS,
    DefaultActions: [OK],
  })
  assert.is(Listeners[0].SslPolicy, 'ELBSecurityPolicy-2016-08')
  assert.equal(Listeners[0].Certificates, [{ CertificateArn: CERTIFICATE }])
  assert.equal(Listeners[0].MutualAuthentication, { Mode: 'off' })
})

test('CreateListener: refuses what an application load balancer cannot have', async () => {
  const world = new Elbv2World()
  putTrustStore(world, 'CREATING')
  const LoadBalancerArn = putBalancer(world)
  const teapot = { Type: 'fixed-response', FixedResponseConfig: { StatusCode: '418' } }
  await makeListener(world, LoadBalancerArn, { Port: 8080, DefaultActions: [teapot] })
  const mutual = (MutualAuthentication: object) => ({ ...HTTPS, MutualAuthentication })
  const cases: [object, string | RegExp][] = [
    [{ Protocol: 'TCP' }, "ValidationError: Listener protocol 'TCP' must be one of 'HTTP, HTTPS'"],
    [{ Protocol: undefined }, 'ValidationError: A listener protocol must be specified'],
    [{ Port: undefined }, 'ValidationError: A listener port must be specified'],
    [
      { Port: 8080 },
      `DuplicateListener: A listener already exists on this port for this load balancer '${LoadBalancerArn}'`,
    ],
    [{ Protocol: 'HTTPS' }, 'ValidationError: A certificate must be specified for HTTPS listeners'],
    [
      { Certificates: HTTPS.Certificates },
      'ValidationError: A certificate cannot be specified for HTTP listeners',
    ],
    [{ SslPolicy: 'x' }, 'ValidationError: An SSL policy cannot be specified for HTTP listeners'],
    [
      { AlpnPolicy: ['None'] },
      'ValidationError: An ALPN policy cannot be specified for HTTP listeners',
    ],
    [
      { MutualAuthentication: { Mode: 'passthrough' } },
      'ValidationError: Mutual authentication cannot be specified for HTTP listeners',
    ],
    [{ ...HTTPS, SslPolicy: 'x' }, "SSLPolicyNotFound: SSL policy 'x' not found"],
    [
      { ...HTTPS, AlpnPolicy: ['None'] },
      'ValidationError: An ALPN policy cannot be specified for HTTPS listeners',
    ],
    [
      {
        ...HTTPS,
        Certificates: [{ CertificateArn: CERTIFICATE }, { CertificateArn: `${CERTIFICATE}2` }],
      },
      /^TooManyCertificates: Up to '1'/,
    ],
    [
      { ...HTTPS, Certificates: [{ CertificateArn: CERTIFICATE, IsDefault: true }] },
      /^ValidationError: You cannot specify IsDefault/,
    ],
    [
      { ...HTTPS, Certificates: [{ CertificateArn: 'cert' }] },
      "ValidationError: Certificate ARN 'cert' is not valid",
    ],
    [mutual({ Mode: 'maybe' }), /^ValidationError: Mutual authentication mode 'maybe'/],
    [mutual({ Mode: 'verify' }), /^ValidationError: A trust store must be specified/],
    [mutual({ Mode: 'verify', TrustStoreArn: `${TRUST_STORE}2` }), /^TrustStoreNotFound/],
    [mutual({ Mode: 'verify', TrustStoreArn: TRUST_STORE }), /^TrustStoreNotReady/],
    [
      mutual({ Mode: 'off', TrustStoreArn: TRUST_STORE }),
      /^ValidationError: A trust store cannot be specified/,
    ],
    [{ LoadBalancerArn: `${LoadBalancerArn}0` }, /^LoadBalancerNotFound/],
    [{ LoadBalancerArn: 'nope' }, /^ValidationError: 'nope' is not a valid load balancer ARN/],
    [{ Tags: [{ Key: 'a' }, { Key: 'a' }] }, /^DuplicateTagKeys/],
  ]
  for (const [input, message] of cases) {
    const said = await world.fault('CreateListener', {
      LoadBalancerArn,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [OK],
      ...input,
    })
    if (typeof message === 'string') assert.is(said, message)
    else assert.match(said, message)
  }
  assert.is(world.rows.listeners.size, 1)
})

test('CreateListener: fifty a load balancer, of which two may verify clients', async () => {
  const world = new Elbv2World()
  putTrustStore(world)
  const balancer = putBalancer(world)
  const verify = { ...HTTPS, MutualAuthentication: { Mode: 'verify', TrustStoreArn: TRUST_STORE } }
  const arn = await makeListener(world, balancer, { ...verify, Port: 1 })
  assert.equal(
    (await world.call('DescribeListeners', { ListenerArns: [arn] })).Listeners[0]
      .MutualAuthentication,
    {
      Mode: 'verify',
      TrustStoreArn: TRUST_STORE,
      IgnoreClientCertificateExpiry: false,
      TrustStoreAssociationStatus: 'active',
      AdvertiseTrustStoreCaNames: 'off',
    },
  )
  await makeListener(world, balancer, { ...verify, Port: 2 })
  const more = (input: object) => ({ LoadBalancerArn: balancer, DefaultActions: [OK], ...input })
  assert.match(
    await world.fault('CreateListener', more({ ...verify, Port: 3 })),
    /^InvalidConfigurationRequest: A load balancer can have up to '2' listeners/,
  )
  for (let port = 3; port <= 50; port++) await makeListener(world, balancer, { Port: port })
  assert.match(
    await world.fault('CreateListener', more({ Protocol: 'HTTP', Port: 51 })),
    /^TooManyListeners/,
  )
})

test('CreateListener: network and gateway load balancers have their own protocols', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world, 'network', { vpcId: 'vpc-1' })
  const gateway = putBalancer(world, 'gateway')
  const group = (Name: string, more: object) => makeGroup(world, { Name, ...more })
  const tcp = await group('tcp', { Protocol: 'TCP' })
  const both = await group('both', { Protocol: 'TCP_UDP' })
  const tls = await group('tls', { Protocol: 'TLS' })
  const quic = await group('quic', { Protocol: 'QUIC' })
  const geneve = await group('geneve', { Protocol: 'GENEVE', Port: 6081 })
  const second = await group('second', { Protocol: 'GENEVE', Port: 6081 })
  const http = await group('http', {})
  const create = (LoadBalancerArn: string, arn: string, input: object) => ({
    LoadBalancerArn,
    DefaultActions: [forward(arn)],
    ...input,
  })
  const TLS = { ...HTTPS, Protocol: 'TLS' }
  for (const [arn, target, input, message] of [
    [
      balancer,
      http,
      { Protocol: 'TCP', Port: 80 },
      `IncompatibleProtocols: The listener and the following target groups have incompatible protocols: ${http}`,
    ],
    [
      balancer,
      tcp,
      { Protocol: 'UDP', Port: 80 },
      `IncompatibleProtocols: The listener and the following target groups have incompatible protocols: ${tcp}`,
    ],
    [
      balancer,
      tcp,
      { Protocol: 'TCP_UDP', Port: 80 },
      `IncompatibleProtocols: The listener and the following target groups have incompatible protocols: ${tcp}`,
    ],
    [
      balancer,
      tcp,
      { Protocol: 'HTTP', Port: 80 },
      "ValidationError: Listener protocol 'HTTP' must be one of 'TCP, TLS, UDP, TCP_UDP, QUIC, TCP_QUIC'",
    ],
    [
      balancer,
      tls,
      { Protocol: 'TLS', Port: 443 },
      'ValidationError: A certificate must be specified for TLS listeners',
    ],
    [balancer, tls, { ...TLS, AlpnPolicy: ['HTTP3'] }, /^ALPNPolicyNotFound/],
    [
      balancer,
      tls,
      { ...TLS, MutualAuthentication: { Mode: 'passthrough' } },
      /^ValidationError: Mutual/,
    ],
    [
      gateway,
      geneve,
      { Protocol: 'GENEVE', Port: 6081 },
      /^ValidationError: You cannot specify a port or protocol/,
    ],
    [gateway, tcp, {}, /^IncompatibleProtocols/],
  ] as [string, string, object, string | RegExp][]) {
    const said = await world.fault('CreateListener', create(arn, target, input))
    if (typeof message === 'string') assert.is(said, message)
    else assert.match(said, message)
  }
  const fixed = { LoadBalancerArn: balancer, Protocol: 'TCP', Port: 80, DefaultActions: [OK] }
  assert.is(
    await world.fault('CreateListener', fixed),
    "InvalidLoadBalancerAction: The action type 'fixed-response' is not valid with network load balancer",
  )
  await world.call('CreateListener', create(balancer, both, { Protocol: 'TCP_UDP', Port: 53 }))
  assert.match(
    await world.fault('CreateListener', create(balancer, tcp, { Protocol: 'TCP', Port: 53 })),
    /^DuplicateListener/,
  )
  assert.match(
    await world.fault('CreateListener', create(balancer, quic, { Protocol: 'QUIC', Port: 443 })),
    /^InvalidConfigurationRequest: Listener protocol 'QUIC' is not supported on a load balancer with a listener of protocol 'TCP_UDP'/,
  )
  const secure = await world.call(
    'CreateListener',
    create(balancer, tls, { ...TLS, AlpnPolicy: ['HTTP2Preferred'] }),
  )
  assert.equal(secure.Listeners[0].AlpnPolicy, ['HTTP2Preferred'])
  assert.is(secure.Listeners[0].MutualAuthentication, undefined)
  const open = await world.call('CreateListener', create(gateway, geneve, {}))
  assert.equal([open.Listeners[0].Port, open.Listeners[0].Protocol], [undefined, undefined])
  assert.match(
    await world.fault('CreateListener', create(gateway, second, {})),
    /^DuplicateListener/,
  )
})

test('CreateListener: groups of another balancer or VPC, and versions that need HTTPS, are refused', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const other = putBalancer(world, 'application', { name: 'other' })
  const group = await makeGroup(world)
  const elsewhere = await makeGroup(world, { Name: 'elsewhere', VpcId: 'vpc-2' })
  const grpc = await makeGroup(world, { Name: 'grpc', ProtocolVersion: 'GRPC' })
  await makeListener(world, balancer, { DefaultActions: [forward(group)] })
  const listener = (LoadBalancerArn: string, arn: string, more: object = {}) => ({
    LoadBalancerArn,
    Protocol: 'HTTP',
    Port: 81,
    DefaultActions: [forward(arn)],
    ...more,
  })
  await world.call('CreateListener', listener(balancer, group))
  assert.is(
    await world.fault('CreateListener', listener(other, group)),
    `TargetGroupAssociationLimit: The following target groups cannot be associated with more than one load balancer: ${group}`,
  )
  assert.is(
    await world.fault('CreateListener', listener(other, elsewhere)),
    `InvalidConfigurationRequest: The following target groups are in a different VPC than load balancer '${other}': ${elsewhere}`,
  )
  assert.is(
    await world.fault('CreateListener', listener(other, grpc)),
    "InvalidLoadBalancerAction: Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'",
  )
  await world.call('CreateListener', listener(other, grpc, HTTPS))
  assert.is(
    await world.fault('CreateListener', listener(other, `${group}0`)),
    `TargetGroupNotFound: Target group '${group}0' not found`,
  )
})

test('CreateListener: where nobody knows the subnets of a balancer, no group is in another VPC', async () => {
  const world = new Elbv2World()
  const { LoadBalancers } = await world.call('CreateLoadBalancer', {
    Name: 'a',
    Subnets: ['subnet-12345', 'subnet-12346'],
  })
  const group = await makeGroup(world, { VpcId: 'vpc-12345' })
  await makeListener(world, LoadBalancers[0].LoadBalancerArn, { DefaultActions: [forward(group)] })
})

test('CreateListener: a backend that does not have the certificate refuses it; any other answer does not', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const iam = 'arn:aws:iam::000000000000:server-certificate/path/c'
  const create = (CertificateArn: string, Port: number) => ({
    LoadBalancerArn: balancer,
    ...HTTPS,
    Port,
    Certificates: [{ CertificateArn }],
    DefaultActions: [OK],
  })
  const asked: string[] = []
  const answering = (status: number, body: string) => {
    world.callBackend = async (request) => {
      asked.push(`${request.service} ${request.headers?.['x-amz-target'] ?? ''} ${request.body}`)
      return { status, headers: {}, body: Buffer.from(body) }
    }
  }
  answering(400, '{"__type":"ResourceNotFoundException","message":"Could not find certificate"}')
  assert.is(
    await world.fault('CreateListener', create(CERTIFICATE, 443)),
    `CertificateNotFound: Certificate '${CERTIFICATE}' not found`,
  )
  answering(404, '<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>')
  assert.is(
    await world.fault('CreateListener', create(iam, 443)),
    `CertificateNotFound: Certificate '${iam}' not found`,
  )
  assert.equal(asked, [
    `acm CertificateManager.DescribeCertificate {"CertificateArn":"${CERTIFICATE}"}`,
    'iam  Action=GetServerCertificate&Version=2010-05-08&ServerCertificateName=c',
  ])
  assert.is(world.rows.listeners.size, 0)
  let port = 1
  for (const [status, body] of [
    [200, '{"Certificate":{}}'],
    [501, '{"__type":"InternalFailure"}'],
    [404, '<html>not found</html>'],
  ] as const) {
    answering(status, body)
    await world.call('CreateListener', create(CERTIFICATE, port++))
  }
  world.callBackend = async () => {
    throw new Error('connect ECONNREFUSED')
  }
  await world.call('CreateListener', create(CERTIFICATE, port))
  assert.is(world.rows.listeners.size, 4)
})

test.run()
