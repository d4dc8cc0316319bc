import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { proxyHeader } from '../../../../elbv2/data-plane/nlb/proxy-protocol.ts'

const test = suite('proxy-protocol')

// The two whole headers below were published as they came from load balancers of AWS.
test('proxyHeader: of a flow over IPv4 it is what a network load balancer of AWS sends, byte by byte', () => {
  const header = proxyHeader({
    protocol: 'udp',
    sourceIp: '116.240.207.35',
    sourcePort: 0x6d06,
    destinationIp: '172.16.0.193',
    destinationPort: 0x6cfc,
  })
  const start = '0d0a0d0a000d0a515549540a2112005474f0cf23ac1000c16d066cfc030004ccbb075704003e'
  assert.is(header.toString('hex'), start.padEnd(200, '0'))
})

test('proxyHeader: of a health check it is what a network load balancer of AWS sends, byte by byte', () => {
  const start = '0d0a0d0a000d0a515549540a20110054030004bce5951f04004a'
  assert.is(proxyHeader(undefined).toString('hex'), start.padEnd(200, '0'))
})

test('proxyHeader: a flow over IPv6 has both addresses in sixteen bytes and the same length', () => {
  const header = proxyHeader({
    protocol: 'tcp',
    sourceIp: '2001:db8::1',
    sourcePort: 1,
    destinationIp: '::ffff:10.0.0.2',
    destinationPort: 443,
  })
  assert.is(header.length, 100)
  assert.is(header.subarray(12, 16).toString('hex'), '21210054')
  assert.is(header.subarray(16, 32).toString('hex'), '20010db8000000000000000000000001')
  assert.is(header.subarray(32, 48).toString('hex'), '00000000000000000000ffff0a000002')
  assert.is(header.subarray(48, 55).toString('hex'), '000101bb030004')
  assert.is(header.subarray(59, 62).toString('hex'), '040026')
})

test.run()
