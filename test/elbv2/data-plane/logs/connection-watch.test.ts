import process from 'node:process'
import * as assert from 'uvu/assert'
import { createHttpPort } from '../../../../elbv2/data-plane/http/http-port.ts'
import type { ConnectionRecord } from '../../../../elbv2/data-plane/logs/connection-log.ts'
import { createConnectionWatch } from '../../../../elbv2/data-plane/logs/connection-watch.ts'
import { createFigures } from '../../../../elbv2/data-plane/logs/figures.ts'
import type { PortListeners } from '../../../../elbv2/data-plane/model.ts'
import { systemClock } from '../../../../gateway/core/clock.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { createMetrics } from '../../../../gateway/metrics.ts'
import { SERVER_LIMITS } from '../../../../gateway/server.ts'
import { deadPort } from '../../../gateway/support-proxy.ts'
import { frontSuite } from '../http/front-suite.ts'
import { fixed } from '../http/front-world.ts'
import { until } from '../nlb/nlb-world.ts'

const { test, newWorld } = frontSuite('connection-watch')

function get(host: string, connection: 'keep-alive' | 'close'): string {
  return `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: ${connection}\r\n\r\n`
}

test('createHttpPort: a connection is told with its first request, for the balancer of its Host', async () => {
  const world = newWorld()
  const arns = ['one', 'two'].map((name) =>
    world.listener(world.balancer(name), fixed('200', name)),
  )
  const current = () => arns.map((arn) => world.liveListener(arn))
  const port = await deadPort()
  const listeners: PortListeners = {
    port,
    current,
    forHost: (host) => current().find(({ balancer }) => balancer.row.name === host),
  }
  const { watch } = world
  const open = createHttpPort({
    front: world.front(),
    watch,
    clock: systemClock,
    ids: systemIds,
    log: silentLogger,
  })
  const opened = await open('127.0.0.1', listeners)
  world.onClose(() => opened.close(0))

  const connection = world.connect(port)
  assert.is(watch.records.length, 0)
  connection.say(get('two', 'keep-alive'))
  await world.record(1)
  assert.is(watch.open, 1)
  connection.say(get('one', 'close'))
  await connection.toTheEnd()
  await until(() => watch.open === 0)
  assert.is(watch.records.length, 1)
  const [told] = watch.records
  assert.is(told?.balancer.row.name, 'two')
  assert.equal([told?.port, told?.handshakeMs, told?.failure], [80, undefined, undefined])
  // One peer for all requests: so they have one connection trace id in logs.
  assert.is((await world.record(2)).peer, told?.peer)
})

// Deno's servers say nothing of connections that they drop.
const isDeno = process.versions.deno !== undefined
if (!isDeno)
  test('createHttpPort: clients beyond the limit of connections are told', async () => {
    const world = newWorld()
    const arn = world.listener(world.balancer('one'), fixed('200', 'one'))
    const port = await deadPort()
    const listener = () => world.liveListener(arn)
    const { watch } = world
    const open = createHttpPort({
      front: world.front(),
      watch,
      clock: systemClock,
      ids: systemIds,
      log: silentLogger,
      limits: { ...SERVER_LIMITS, connections: 1 },
    })
    const opened = await open('127.0.0.1', { port, current: () => [listener()], forHost: listener })
    world.onClose(() => opened.close(0))
    world.connect(port).say(get('one', 'keep-alive'))
    await world.record(1)
    await world.connect(port).toTheEnd()
    await until(() => watch.turnedAway === 1)
    assert.equal([watch.records.length, watch.open], [1, 1])
  })

test('createConnectionWatch: what ports tell is counted, and logged', () => {
  const world = newWorld()
  const arn = world.listener(world.balancer('one'), fixed('200'))
  const { balancer } = world.liveListener(arn)
  const figures = createFigures()
  const metrics = createMetrics()
  figures.register(metrics, {
    table: () => world.tables.current(),
    group: (group) => world.live.group(group),
  })
  const logged: ConnectionRecord[] = []
  const watch = createConnectionWatch(figures, { onConnection: (each) => logged.push(each) })
  const value = (name: string) =>
    metrics.render().match(new RegExp(`^${name}\\{LoadBalancer="app/one/1"\\} (\\d+)`, 'm'))?.[1]
  const peer = { sourceIp: '127.0.0.1', sourcePort: 1, protocol: 'https' } as const
  const record = { balancer, port: 443, peer, atMs: 0, handshakeMs: 1, failure: undefined }
  const failed = { ...record, handshakeMs: undefined, failure: 'ClientCertExpired' }

  const ended = watch.connected(record)
  assert.equal([value('NewConnectionCount'), value('ActiveConnectionCount')], ['1', '1'])
  ended()
  watch.failed(failed)
  watch.passed(balancer, 7)
  watch.rejected({ port: 443, current: () => [world.liveListener(arn)], forHost: () => undefined })
  assert.equal([value('NewConnectionCount'), value('ActiveConnectionCount')], ['1', '0'])
  assert.is(value('ClientTLSNegotiationErrorCount'), '1')
  assert.is(value('RejectedConnectionCount'), '1')
  assert.is(value('ProcessedBytes'), '7')
  assert.equal(logged, [record, failed])
})

test.run()
