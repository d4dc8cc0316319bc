import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { identify, type ProviderRoute, type RequestHead, scopeOf } from '../../gateway/identify.ts'

const ECS: ProviderRoute = {
  name: 'ecs',
  signingName: 'ecs',
  targetPrefix: 'AmazonEC2ContainerServiceV20141113',
  apiVersion: '2014-11-13',
  protocol: 'json',
}
const ELB: ProviderRoute = {
  name: 'elbv2',
  signingName: 'elasticloadbalancing',
  targetPrefix: undefined,
  apiVersion: '2015-12-01',
  protocol: 'query',
}
const routes = [ECS, ELB]

function signed(service: string, key = 'test', region = 'eu-west-1'): string {
  return `AWS4-HMAC-SHA256 Credential=${key}/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=00`
}

function post(headers: Record<string, string>, url = '/'): RequestHead {
  return { method: 'POST', url, headers }
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
const TARGET = 'AmazonEC2ContainerServiceV20141113.ListClusters'

test('identify: a signed ECS call is ours, with its operation', () => {
  const head = post({ authorization: signed('ecs'), 'x-amz-target': TARGET })
  assert.equal(identify(head, routes), {
    kind: 'call',
    provider: 'ecs',
    operation: 'ListClusters',
  })
})

test('identify: X-Amz-Target alone is enough', () => {
  assert.equal(identify(post({ 'x-amz-target': TARGET }), routes).kind, 'call')
})

test('identify: the scope wins over the target', () => {
  const head = post({ authorization: signed('dynamodb'), 'x-amz-target': TARGET })
  assert.equal(identify(head, routes), { kind: 'other' })
})

test('identify: a foreign target under our scope is an operation we do not have', () => {
  const head = post({
    authorization: signed('ecs'),
    'x-amz-target': 'DynamoDB_20120810.ListTables',
  })
  assert.equal(identify(head, routes), {
    kind: 'call',
    provider: 'ecs',
    operation: 'DynamoDB_20120810.ListTables',
  })
})

test('identify: our scope without a target is a call without an operation', () => {
  assert.equal(identify(post({ authorization: signed('ecs') }), routes), {
    kind: 'call',
    provider: 'ecs',
    operation: undefined,
  })
})

test('identify: a form waits for its body, then Action and Version decide', () => {
  const head = post({ ...FORM, authorization: signed('elasticloadbalancing') })
  assert.equal(identify(head, routes), { kind: 'form' })
  const form = 'Action=DescribeLoadBalancers&Version=2015-12-01'
  assert.equal(identify(head, routes, form), {
    kind: 'call',
    provider: 'elbv2',
    operation: 'DescribeLoadBalancers',
  })
})

test('identify: classic load balancers have another version and are not ours', () => {
  const head = post({ ...FORM, authorization: signed('elasticloadbalancing') })
  const form = 'Action=DescribeLoadBalancers&Version=2012-06-01'
  assert.equal(identify(head, routes, form), { kind: 'other' })
})

test('identify: an unsigned form of another service is not ours', () => {
  const head = post(FORM)
  assert.equal(identify(head, routes), { kind: 'form' })
  assert.equal(identify(head, routes, 'Action=ListQueues&Version=2012-11-05'), { kind: 'other' })
})

test('identify: a form signed for another service is never buffered', () => {
  assert.equal(identify(post({ ...FORM, authorization: signed('sqs') }), routes), { kind: 'other' })
})

test('identify: Action in the query of a GET is a call', () => {
  const url =
    '/?Action=DescribeRules&Version=2015-12-01&X-Amz-Credential=test%2F20260101%2Fus-west-2%2Felasticloadbalancing%2Faws4_request'
  const head = { method: 'GET', url, headers: {} }
  assert.equal(identify(head, routes), {
    kind: 'call',
    provider: 'elbv2',
    operation: 'DescribeRules',
  })
  assert.is(scopeOf(head).region, 'us-west-2')
})

test('identify: an object of a bucket is never taken for a call', () => {
  const head = {
    method: 'PUT',
    url: '/bucket/key?Action=DescribeRules&Version=2015-12-01',
    headers: {},
  }
  assert.equal(identify(head, routes), { kind: 'other' })
})

test('scopeOf: the account is a 12-digit access key, else the default', () => {
  const head = post({ authorization: signed('ecs', '123456789012') })
  assert.equal(scopeOf(head), { account: '123456789012', region: 'eu-west-1' })
  assert.is(scopeOf(post({ authorization: signed('ecs', 'AKIAEXAMPLE') })).account, '000000000000')
  assert.is(scopeOf(post({}), '111122223333').account, '111122223333')
})

test('scopeOf: a region that cannot be one is the default', () => {
  const head = post({ authorization: signed('ecs', 'test', 'EVIL:region') })
  assert.is(scopeOf(head).region, 'us-east-1')
})

test.run()
