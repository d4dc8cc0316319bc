import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type ConnectionRecord,
  connectionLogLine,
} from '../../../../elbv2/data-plane/logs/connection-log.ts'
import type { Peer } from '../../../../elbv2/data-plane/model.ts'
import { balancerRow, listenerOf } from '../live.ts'
import { BUCKET, LogWorld, linesOf, logsTo } from './log-world.ts'

const lines = suite('connection logs')

/** With the names, dates and serial number of AWS's example. */
const LEAF = `-----BEGIN CERTIFICATE-----
MIIBuDCCAV4CCQD+8lc3LVwU1DAKBggqhkjOPQQDAjBkMQswCQYDVQQGEwJVUzET
MBEGA1UECAwKV2FzaGluZ3RvbjEQMA4GA1UEBwwHU2VhdHRsZTESMBAGA1UECgwJ
ZW5kRW50aXR5MRowGAYDVQQDDBFhbWF6b25kb21haW5zLmNvbTAeFw0yMzA5MjEy
MjQzMjFaFw0yNjA2MTcyMjQzMjFaMGQxCzAJBgNVBAYTAlVTMRMwEQYDVQQIDApX
YXNoaW5ndG9uMRAwDgYDVQQHDAdTZWF0dGxlMRIwEAYDVQQKDAllbmRFbnRpdHkx
GjAYBgNVBAMMEWFtYXpvbmRvbWFpbnMuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEy2h4bXE+PmN+BWqtQgtgoWZB7Yawe8BvA8g8LGxDGsh4vl6H9Aqao7ff
0hEbeWrZJPTJ/WD2arAkHqfvlWF9hDAKBggqhkjOPQQDAgNIADBFAiEA6MOySRVI
69XUzmuV7WqGiCqVZVQ0ISPkYNEFFwZ9YmECIEMhDPwMbXT7Ky0AzVujTSgB//EC
TdClsxeLT3p3Zq9Y
-----END CERTIFICATE-----`
const TLS = { version: 'TLSv1.2', cipher: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' }
const TRACE = 'TID_3180a73013c8ca4bac2f731159d4b0fe'
const END = '- app/my-loadbalancer/50dc6c495c0c9188 127.0.0.1'

function recordOf(changes: Partial<ConnectionRecord>, tls?: Peer['tls']): ConnectionRecord {
  const protocol = tls ? ('https' as const) : ('http' as const)
  return {
    balancer: listenerOf(balancerRow(), []).balancer,
    port: 443,
    peer: { sourceIp: '203.0.113.1', sourcePort: 36280, protocol, ...(tls ? { tls } : {}) },
    atMs: Date.UTC(2023, 9, 4, 17, 5, 15, 514) + 0.1085,
    handshakeMs: undefined,
    failure: undefined,
    ...changes,
  }
}

lines("connectionLogLine: is AWS's examples of a client's certificate, taken and refused", () => {
  const tls = { ...TLS, clientCertificate: { leaf: LEAF, chain: LEAF } }
  const head =
    '2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256'
  const leaf =
    '"CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US" NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4'
  assert.is(
    connectionLogLine(recordOf({ handshakeMs: 4036 }, tls), TRACE),
    `${head} 4.036 ${leaf} Success ${TRACE} ${END}`,
  )
  assert.is(
    connectionLogLine(recordOf({ failure: 'ClientCertUntrusted' }, tls), TRACE),
    `${head} - ${leaf} Failed:ClientCertUntrusted ${TRACE} ${END}`,
  )
})

lines('connectionLogLine: without TLS, and with a certificate that cannot be read', () => {
  const time = '2023-10-04T17:05:15.514108Z 203.0.113.1 36280'
  assert.is(
    connectionLogLine(recordOf({ port: 80 }), TRACE),
    `${time} 80 - - - "-" - - - ${TRACE} ${END}`,
  )
  const tls = { ...TLS, clientCertificate: { leaf: 'none', chain: '' } }
  assert.match(connectionLogLine(recordOf({}, tls), TRACE), ` - "-" - - Success ${TRACE}`)
})

lines(
  'onConnection: goes to its own bucket, under the key and test file of connection logs',
  async () => {
    const world = new LogWorld()
    const attributes = { ...logsTo(BUCKET, 'p', 'connection_logs'), ...logsTo('other') }
    const row = world.put({ attributes })
    const { balancer } = world.listener(row)
    await world.delivered(2)
    const { peer } = recordOf({})
    world.logs.onConnection(recordOf({ balancer, peer }))
    world.logs.onConnection(recordOf({ balancer: world.listener(balancerRow()).balancer }))
    await world.logs.close()
    const paths = world.puts.map(({ path }) => path).sort()
    assert.match(
      paths[1] ?? '',
      /^\/logs-bucket\/p\/AWSLogs\/123456789012\/elasticloadbalancing\/us-east-2\/2026\/01\/02\/conn_log_123456789012_elasticloadbalancing_us-east-2_app\.my-loadbalancer\.50dc6c495c0c9188_20260102T2335Z_.*\.log\.gz$/,
    )
    assert.equal(
      [paths[0], paths[2]],
      [
        '/logs-bucket/p/AWSLogs/123456789012/ELBConnectionLogTestFile',
        '/other/AWSLogs/123456789012/ELBAccessLogTestFile',
      ],
    )
    const file = world.puts.find(({ path }) => path.endsWith('.log.gz'))
    assert.is(linesOf(file?.body).length, 1)
  },
)

lines.run()
