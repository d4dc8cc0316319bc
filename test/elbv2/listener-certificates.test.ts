import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CERTIFICATE, HTTPS, makeListener, OK, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

test('listener certificates: are added, listed in pages with the default one first, and removed', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const arn = await makeListener(world, balancer, HTTPS)
  const of = (...numbers: number[]) => ({
    ListenerArn: arn,
    Certificates: numbers.map((number) => ({ CertificateArn: `${CERTIFICATE}${number}` })),
  })
  const added = await world.call('AddListenerCertificates', of(3, 2, 2))
  assert.equal(added.Certificates, [
    { CertificateArn: `${CERTIFICATE}3`, IsDefault: false },
    { CertificateArn: `${CERTIFICATE}2`, IsDefault: false },
  ])
  const first = await world.call('DescribeListenerCertificates', { ListenerArn: arn, PageSize: 2 })
  assert.equal(first.Certificates, [
    { CertificateArn: CERTIFICATE, IsDefault: true },
    { CertificateArn: `${CERTIFICATE}2`, IsDefault: false },
  ])
  await world.call('RemoveListenerCertificates', of(2))
  const second = await world.call('DescribeListenerCertificates', {
    ListenerArn: arn,
    PageSize: 2,
    Marker: first.NextMarker,
  })
  assert.equal(second, { Certificates: [{ CertificateArn: `${CERTIFICATE}3`, IsDefault: false }] })
  const own = { ListenerArn: arn, Certificates: [{ CertificateArn: CERTIFICATE }] }
  assert.match(
    await world.fault('RemoveListenerCertificates', own),
    /^OperationNotPermitted: Default certificate/,
  )
  await world.call('ModifyListener', of(3))
  assert.equal(
    (await world.call('DescribeListenerCertificates', { ListenerArn: arn })).Certificates,
    [{ CertificateArn: `${CERTIFICATE}3`, IsDefault: true }],
  )
})

test('AddListenerCertificates: refuses plain listeners, bad ARNs, unknown ones and too many', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const plain = await makeListener(world, balancer)
  const arn = await makeListener(world, balancer, HTTPS)
  const of = (ListenerArn: string, ...arns: string[]) => ({
    ListenerArn,
    Certificates: arns.map((CertificateArn) => ({ CertificateArn })),
  })
  for (const [input, message] of [
    [
      of(plain, CERTIFICATE),
      /^ValidationError: A certificate cannot be specified for HTTP listeners/,
    ],
    [of(arn), /^ValidationError/],
    [of(arn, 'nope'), /^ValidationError: Certificate ARN 'nope' is not valid/],
    [of(`${arn}0`, CERTIFICATE), /^ListenerNotFound/],
    [
      { ListenerArn: arn, Certificates: [{ CertificateArn: CERTIFICATE, IsDefault: true }] },
      /^ValidationError/,
    ],
  ] as const) {
    assert.match(await world.fault('AddListenerCertificates', input), message)
  }
  const many = Array.from({ length: 25 }, (_, index) => `${CERTIFICATE}-${index}`)
  await world.call('AddListenerCertificates', of(arn, ...many))
  assert.match(
    await world.fault('AddListenerCertificates', of(arn, `${CERTIFICATE}-x`)),
    /^TooManyCertificates: .*\[25\]/,
  )
  world.callBackend = async () => ({
    status: 400,
    headers: {},
    body: Buffer.from('{"__type":"ResourceNotFoundException"}'),
  })
  assert.match(
    await world.fault('AddListenerCertificates', of(arn, `${CERTIFICATE}-x`)),
    /^CertificateNotFound/,
  )
})

test('CreateListener: certificates are of the load balancer’s region', async () => {
  const world = new Elbv2World()
  const CertificateArn = 'arn:aws:acm:eu-west-1:000000000000:certificate/1'
  const refused = `ValidationError: Certificate ARN '${CertificateArn}' is not valid`
  const LoadBalancerArn = putBalancer(world)
  const Certificates = [{ CertificateArn }]
  const input = { LoadBalancerArn, ...HTTPS, DefaultActions: [OK] }
  assert.is(await world.fault('CreateListener', { ...input, Certificates }), refused)
  const ListenerArn = await makeListener(world, LoadBalancerArn, HTTPS)
  assert.is(await world.fault('AddListenerCertificates', { ListenerArn, Certificates }), refused)
})

test.run()
