import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SSL_POLICIES, sslPolicy } from '../../elbv2/ssl-policies.ts'
import { Elbv2World } from './world.ts'

const PREFIX = 'ELBSecurityPolicy-'

/** All pages of a listing, `size` at a time. */
async function paged(world: Elbv2World, operation: string, member: string, size: number) {
  const all: { Name: string }[] = []
  let marker: string | undefined
  do {
    const page = await world.call(operation, { PageSize: size, Marker: marker })
    assert.ok(page[member].length <= size)
    all.push(...page[member])
    marker = page.NextMarker
  } while (marker !== undefined)
  return all
}

test('DescribeAccountLimits: answers the documented limits, page by page', async () => {
  const world = new Elbv2World()
  const { Limits, NextMarker } = await world.call('DescribeAccountLimits')
  assert.is(NextMarker, undefined)
  const max = Object.fromEntries(
    Limits.map((each: { Name: string; Max: string }) => [each.Name, each.Max]),
  )
  assert.is(max['application-load-balancers'], '50')
  assert.is(max['rules-per-application-load-balancer'], '100')
  assert.is(max['target-groups'], '3000')
  assert.equal(await paged(world, 'DescribeAccountLimits', 'Limits', 7), Limits)
})

test('DescribeSSLPolicies: tells protocols, ciphers in their order, and types', async () => {
  const world = new Elbv2World()
  const { SslPolicies } = await world.call('DescribeSSLPolicies', {
    Names: [`${PREFIX}TLS13-1-2-Res-2021-06`],
  })
  const ciphers = [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
  ]
  assert.equal(SslPolicies, [
    {
      Name: `${PREFIX}TLS13-1-2-Res-2021-06`,
      SslProtocols: ['TLSv1.2', 'TLSv1.3'],
      Ciphers: ciphers.map((Name, index) => ({ Name, Priority: index + 1 })),
      SupportedLoadBalancerTypes: ['application', 'network'],
    },
  ])
})

test('DescribeSSLPolicies: pages, filters by type, and tells of unknown names', async () => {
  const world = new Elbv2World()
  const { SslPolicies } = await world.call('DescribeSSLPolicies')
  assert.is(SslPolicies[0].Name, `${PREFIX}2016-08`)
  assert.is(SslPolicies.length, SSL_POLICIES.length)
  assert.equal(await paged(world, 'DescribeSSLPolicies', 'SslPolicies', 10), SslPolicies)
  const gateway = await world.call('DescribeSSLPolicies', { LoadBalancerType: 'gateway' })
  assert.equal(gateway, { SslPolicies: [] })
  assert.is(
    await world.fault('DescribeSSLPolicies', { Names: [`${PREFIX}2016-08`, 'mine'] }),
    "SSLPolicyNotFound: SSL policy 'mine' not found",
  )
})

test('sslPolicy: names say which versions and which ciphers a policy has', () => {
  assert.is(new Set(SSL_POLICIES.map(({ name }) => name)).size, SSL_POLICIES.length)
  for (const { name, protocols, ciphers } of SSL_POLICIES) {
    const short = name.slice(PREFIX.length)
    const least = /^(?:TLS13|TLS|FS)-1-(\d)/.exec(short)?.[1]
    if (least !== undefined) assert.is(protocols[0], least === '0' ? 'TLSv1' : `TLSv1.${least}`)
    assert.is(protocols.includes('TLSv1.3'), short.startsWith('TLS13-'), name)
    assert.is(
      ciphers.some((each) => each.startsWith('TLS_')),
      short.startsWith('TLS13-'),
      name,
    )
    assert.is(new Set(ciphers).size, ciphers.length, name)
    // Forward secrecy: every key exchange is ephemeral.
    if (short.startsWith('FS-')) assert.ok(ciphers.every((each) => each.startsWith('ECDHE-')))
    if (short.includes('FIPS')) assert.not.ok(ciphers.join().includes('CHACHA20'), name)
  }
  assert.is(sslPolicy(`${PREFIX}2016-08`)?.ciphers.length, 18)
  assert.is(sslPolicy('2016-08'), undefined)
})

test('GetResourcePolicy: there is none, since nothing is shared', async () => {
  const ResourceArn = 'arn:aws:elasticloadbalancing:us-east-1:000000000000:truststore/t/1'
  assert.is(
    await new Elbv2World().fault('GetResourcePolicy', { ResourceArn }),
    `ResourceNotFound: No resource policy was found for resource '${ResourceArn}'`,
  )
})

test.run()
