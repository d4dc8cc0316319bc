/**
 * Every operation of ELBv2 once through the real SDK client against a gateway that listens, in one
 * story; what each answers is held against the API model.
 */
import { Buffer } from 'node:buffer'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { contract } from '../../elbv2/contract.gen.ts'
import { checkOutput } from '../check-output.ts'
import { withSeconds } from '../gateway/wire/loop.ts'
import { startTestGateway, type TestGateway } from '../harness.ts'
import { FakeBackend } from './fake-backend.ts'
import { CA_PEM, CRL_PEM, OTHER_CA_PEM } from './pem-fixtures.ts'
import { Elbv2World } from './world.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests read answers freely
type Answer = any
type Call = (operation: string, input?: object) => Promise<Answer>

interface Context {
  readonly kecs: TestGateway
  readonly backend: Server
  readonly called: Set<string>
  readonly call: Call
}

const every = suite<Context>('every operation')
every.before(async (context) => {
  const backend = await serveBackend()
  const { port } = backend.address() as AddressInfo
  const kecs = await startTestGateway({ settings: { backend: `http://127.0.0.1:${port}` } })
  const client = kecs.elb()
  const called = new Set<string>()
  const commands = sdk as unknown as Record<string, (new (input: object) => never) | undefined>
  const call: Call = async (operation, input = {}) => {
    called.add(operation)
    const Command = commands[`${operation}Command`]
    if (!Command) throw new Error(`the SDK has no ${operation}`)
    const { $metadata, ...output }: Answer = await client.send(new Command(input))
    assert.is($metadata.httpStatusCode, 200)
    assert.ok($metadata.requestId, `${operation} tells its request id`)
    const answer = withSeconds(output)
    assert.equal(checkOutput(contract, operation, answer), [])
    return answer
  }
  Object.assign(context, { backend, kecs, called, call })
})
every.after(async ({ kecs, backend }) => {
  await kecs?.close()
  backend?.closeAllConnections()
  await new Promise((resolve) => backend.close(resolve))
})

/** EC2 and S3 of the tests, by HTTP. */
async function serveBackend(): Promise<Server> {
  const fake = new FakeBackend()
  fake.vpcs.push({ id: 'vpc-1', isDefault: true })
  for (const zone of ['a', 'b']) {
    const id = `subnet-${zone}`
    fake.subnets.push({ id, vpc: 'vpc-1', zone: `us-east-1${zone}`, ipv6: true })
  }
  fake.groups.push({ id: 'sg-1', vpc: 'vpc-1', name: 'default' }, { id: 'sg-2', vpc: 'vpc-1' })
  fake.objects.set('/certs/ca.pem', CA_PEM)
  fake.objects.set('/certs/other.pem', OTHER_CA_PEM)
  fake.objects.set('/certs/list.pem', CRL_PEM)
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const { method = 'GET', url = '/', headers } = req
    const scope = { account: '000000000000', region: 'us-east-1' }
    const service = headers.authorization?.includes('/ec2/') ? 'ec2' : 's3'
    // What a location says after its path is a signature.
    const path = url.replace(/\?X-Amz-.*/, '')
    const body = Buffer.concat(chunks)
    const answer = await fake.call({ scope, service, method, path, body })
    res.writeHead(answer.status, answer.headers).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

const CERTIFICATE = 'arn:aws:acm:us-east-1:000000000000:certificate/1'
const OK = { Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200' } }
/** What the story has made so far, by what it is. */
const made: Record<string, string> = {}

function arn(name: string): string {
  const found = made[name]
  if (found === undefined) throw new Error(`the story made no ${name}`)
  return found
}

function path(...Values: string[]) {
  return [{ Field: 'path-pattern', Values }]
}

async function refusal(answer: Promise<Answer>): Promise<string> {
  return answer.then(
    (output) => assert.unreachable(`was answered: ${JSON.stringify(output)}`),
    ({ name }) => name,
  )
}

every('the provider has a handler for each operation of the contract, and no other', () => {
  const { handlers } = new Elbv2World().provider
  assert.equal(Object.keys(handlers).sort(), Object.keys(contract.operations).sort())
  assert.is(Object.keys(handlers).length, 51)
})

every('load balancers', async ({ call, kecs }) => {
  const created = await call('CreateLoadBalancer', { Name: 'my-alb', Subnets: ['subnet-a'] })
  assert.is(created.LoadBalancers[0].State.Code, 'provisioning')
  made.alb = created.LoadBalancers[0].LoadBalancerArn
  const patience = { client: kecs.elb(), maxWaitTime: 20, minDelay: 1, maxDelay: 1 }
  const names = { Names: ['my-alb'] }
  await sdk.waitUntilLoadBalancerAvailable(patience, names)
  await sdk.waitUntilLoadBalancerExists(patience, names)
  const found = await call('DescribeLoadBalancers', names)
  assert.is(found.LoadBalancers[0].State.Code, 'active')
  assert.is(found.LoadBalancers[0].VpcId, 'vpc-1')

  const LoadBalancerArn = arn('alb')
  const Attributes = [{ Key: 'idle_timeout.timeout_seconds', Value: '30' }]
  const changed = await call('ModifyLoadBalancerAttributes', { LoadBalancerArn, Attributes })
  assert.ok(changed.Attributes.some(({ Value }: Answer) => Value === '30'))
  const { Attributes: all } = await call('DescribeLoadBalancerAttributes', { LoadBalancerArn })
  assert.ok(all.some(({ Key, Value }: Answer) => Key === Attributes[0]?.Key && Value === '30'))

  const subnets = { LoadBalancerArn, Subnets: ['subnet-a', 'subnet-b'] }
  assert.is((await call('SetSubnets', subnets)).AvailabilityZones.length, 2)
  const groups = { LoadBalancerArn, SecurityGroups: ['sg-2'] }
  assert.equal((await call('SetSecurityGroups', groups)).SecurityGroupIds, ['sg-2'])
  const stack = { LoadBalancerArn, IpAddressType: 'dualstack' }
  assert.is((await call('SetIpAddressType', stack)).IpAddressType, 'dualstack')
  const pool = { Ipv4IpamPoolId: 'ipam-pool-0a1b2c3d4e5f60718' }
  assert.equal((await call('ModifyIpPools', { LoadBalancerArn, IpamPools: pool })).IpamPools, pool)
  const MinimumLoadBalancerCapacity = { CapacityUnits: 200 }
  await call('ModifyCapacityReservation', { LoadBalancerArn, MinimumLoadBalancerCapacity })
  const capacity = await call('DescribeCapacityReservation', { LoadBalancerArn })
  assert.equal(capacity.MinimumLoadBalancerCapacity, MinimumLoadBalancerCapacity)
})

every('target groups and targets', async ({ call, kecs }) => {
  const group = { Name: 'web', Protocol: 'HTTP', Port: 80, VpcId: 'vpc-1', TargetType: 'ip' }
  const { TargetGroups } = await call('CreateTargetGroup', group)
  const TargetGroupArn = TargetGroups[0].TargetGroupArn
  made.group = TargetGroupArn
  await call('ModifyTargetGroup', { TargetGroupArn, HealthCheckPath: '/up' })
  const found = await call('DescribeTargetGroups', { Names: ['web'] })
  assert.is(found.TargetGroups[0].HealthCheckPath, '/up')
  const Attributes = [{ Key: 'deregistration_delay.timeout_seconds', Value: '0' }]
  await call('ModifyTargetGroupAttributes', { TargetGroupArn, Attributes })
  const { Attributes: all } = await call('DescribeTargetGroupAttributes', { TargetGroupArn })
  assert.ok(all.some(({ Key, Value }: Answer) => Key === Attributes[0]?.Key && Value === '0'))

  const Targets = [{ Id: '127.0.0.1', Port: 9, AvailabilityZone: 'all' }]
  const targets = { TargetGroupArn, Targets }
  assert.equal(await call('RegisterTargets', targets), {})
  const health = await call('DescribeTargetHealth', { TargetGroupArn })
  assert.equal(health.TargetHealthDescriptions[0].Target, Targets[0])
  assert.is(health.TargetHealthDescriptions[0].TargetHealth.State, 'unused')
  assert.equal(await call('DeregisterTargets', targets), {})
  const patience = { client: kecs.elb(), maxWaitTime: 20, minDelay: 1, maxDelay: 1 }
  await sdk.waitUntilTargetDeregistered(patience, targets as sdk.DescribeTargetHealthCommandInput)
})

every('trust stores', async ({ call, kecs }) => {
  const S3 = { CaCertificatesBundleS3Bucket: 'certs', CaCertificatesBundleS3Key: 'ca.pem' }
  const { TrustStores } = await call('CreateTrustStore', { Name: 'trusted', ...S3 })
  const TrustStoreArn = TrustStores[0].TrustStoreArn
  made.store = TrustStoreArn
  const RevocationContents = [{ S3Bucket: 'certs', S3Key: 'list.pem' }]
  const added = await call('AddTrustStoreRevocations', { TrustStoreArn, RevocationContents })
  const { RevocationId } = added.TrustStoreRevocations[0]
  const listed = await call('DescribeTrustStoreRevocations', { TrustStoreArn })
  assert.is(listed.TrustStoreRevocations[0].NumberOfRevokedEntries, 3)
  const found = await call('DescribeTrustStores', { Names: ['trusted'] })
  assert.is(found.TrustStores[0].TotalRevokedEntries, 3)

  // The locations are there for whoever follows them.
  const content = await call('GetTrustStoreRevocationContent', { TrustStoreArn, RevocationId })
  assert.is(await textAt(kecs, content.Location), CRL_PEM)
  const bundle = await call('GetTrustStoreCaCertificatesBundle', { TrustStoreArn })
  assert.is(await textAt(kecs, bundle.Location), CA_PEM)
  const revocation = { TrustStoreArn, RevocationIds: [RevocationId] }
  assert.equal(await call('RemoveTrustStoreRevocations', revocation), {})
  const other = { ...S3, CaCertificatesBundleS3Key: 'other.pem' }
  const modified = await call('ModifyTrustStore', { TrustStoreArn, ...other })
  assert.is(modified.TrustStores[0].NumberOfCaCertificates, 1)
})

function textAt(kecs: TestGateway, location: string): Promise<string> {
  assert.ok(location.startsWith(kecs.endpoint), location)
  return fetch(location.replace('localhost', '127.0.0.1')).then((answer) => answer.text())
}

every('listeners and certificates', async ({ call }) => {
  const { Listeners } = await call('CreateListener', {
    LoadBalancerArn: arn('alb'),
    Protocol: 'HTTPS',
    Port: 443,
    Certificates: [{ CertificateArn: CERTIFICATE }],
    DefaultActions: [OK],
  })
  const ListenerArn = Listeners[0].ListenerArn
  made.listener = ListenerArn
  const MutualAuthentication = { Mode: 'verify', TrustStoreArn: arn('store') }
  await call('ModifyListener', { ListenerArn, MutualAuthentication })
  const found = await call('DescribeListeners', { LoadBalancerArn: arn('alb') })
  assert.is(found.Listeners[0].MutualAuthentication.TrustStoreArn, arn('store'))
  const users = await call('DescribeTrustStoreAssociations', { TrustStoreArn: arn('store') })
  assert.equal(users.TrustStoreAssociations, [{ ResourceArn: ListenerArn }])
  const Attributes = [{ Key: 'routing.http.response.server.enabled', Value: 'false' }]
  await call('ModifyListenerAttributes', { ListenerArn, Attributes })
  const { Attributes: all } = await call('DescribeListenerAttributes', { ListenerArn })
  assert.ok(all.some(({ Key, Value }: Answer) => Key === Attributes[0]?.Key && Value === 'false'))
  const more = { ListenerArn, Certificates: [{ CertificateArn: `${CERTIFICATE}2` }] }
  await call('AddListenerCertificates', more)
  const listed = await call('DescribeListenerCertificates', { ListenerArn })
  assert.equal(
    listed.Certificates.map(({ IsDefault }: Answer) => IsDefault),
    [true, false],
  )
  assert.equal(await call('RemoveListenerCertificates', more), {})
})

every('rules', async ({ call }) => {
  const ListenerArn = arn('listener')
  const rule = { ListenerArn, Priority: 1, Conditions: path('/a'), Actions: [OK] }
  const RuleArn = (await call('CreateRule', rule)).Rules[0].RuleArn
  made.rule = RuleArn
  await call('ModifyRule', { RuleArn, Conditions: path('/b', '/c') })
  await call('SetRulePriorities', { RulePriorities: [{ RuleArn, Priority: 7 }] })
  const { Rules } = await call('DescribeRules', { ListenerArn })
  assert.equal(
    Rules.map(({ Priority }: Answer) => Priority),
    ['7', 'default'],
  )
  assert.equal(Rules[0].Conditions[0].Values, ['/b', '/c'])
})

every('tags, limits, policies, and what only shared resources have', async ({ call }) => {
  const ResourceArns = [arn('alb')]
  assert.equal(await call('AddTags', { ResourceArns, Tags: [{ Key: 'a', Value: '1' }] }), {})
  const { TagDescriptions } = await call('DescribeTags', { ResourceArns })
  assert.equal(TagDescriptions, [{ ResourceArn: arn('alb'), Tags: [{ Key: 'a', Value: '1' }] }])
  assert.equal(await call('RemoveTags', { ResourceArns, TagKeys: ['a'] }), {})
  const { Limits } = await call('DescribeAccountLimits')
  assert.ok(Limits.some(({ Name }: Answer) => Name === 'application-load-balancers'))
  const policies = { Names: ['ELBSecurityPolicy-2016-08'] }
  assert.is((await call('DescribeSSLPolicies', policies)).SslPolicies.length, 1)

  const ResourceArn = arn('store')
  assert.is(await refusal(call('GetResourcePolicy', { ResourceArn })), 'ResourceNotFoundException')
  const association = { TrustStoreArn: arn('store'), ResourceArn: arn('listener') }
  assert.is(
    await refusal(call('DeleteSharedTrustStoreAssociation', association)),
    'DeleteAssociationSameAccountException',
  )
})

every('deletion, in order; then every operation was called', async ({ call, called, kecs }) => {
  const inUse = await refusal(call('DeleteTrustStore', { TrustStoreArn: arn('store') }))
  assert.is(inUse, 'TrustStoreInUseException')
  assert.equal(await call('DeleteRule', { RuleArn: arn('rule') }), {})
  assert.equal(await call('DeleteListener', { ListenerArn: arn('listener') }), {})
  assert.equal(await call('DeleteTargetGroup', { TargetGroupArn: arn('group') }), {})
  assert.equal(await call('DeleteTrustStore', { TrustStoreArn: arn('store') }), {})
  assert.equal(await call('DeleteLoadBalancer', { LoadBalancerArn: arn('alb') }), {})
  const patience = { client: kecs.elb(), maxWaitTime: 20, minDelay: 1, maxDelay: 1 }
  await sdk.waitUntilLoadBalancersDeleted(patience, { Names: ['my-alb'] })
  assert.equal([...called].sort(), Object.keys(contract.operations).sort())
})

every.run()
