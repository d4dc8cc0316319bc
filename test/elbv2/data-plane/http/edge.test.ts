import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as assert from 'uvu/assert'
import { createEdge } from '../../../../elbv2/data-plane/http/edge.ts'
import { systemClock } from '../../../../gateway/core/clock.ts'
import { answerOf } from '../../../gateway/support-proxy.ts'
import { frontSuite } from './front-suite.ts'
import { type FrontWorld, fixed, forwardTo } from './front-world.ts'

const { test, newWorld, raw } = frontSuite('elbv2 edge')

const NAME = 'my-alb-1234567890.us-east-1.elb.localhost'

/** A port that asks the edge first and answers `api` to what it does not claim. */
async function apiPort(world: FrontWorld): Promise<number> {
  const table = () => world.tables.current()
  const edge = createEdge({ table, front: world.front(), watch: world.watch, clock: systemClock })
  const server = createServer((req, res) => {
    const head = { method: req.method ?? '', url: req.url ?? '', headers: req.headers }
    if (edge.claims(head)) edge.web(req, res)
    else res.end('api')
  })
  server.on('upgrade', (req, socket, head) => edge.upgrade(req, socket, head))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  world.onClose(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

function get(host: string, target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

test('createEdge: a connection to the API port is told with its first request for a balancer', async () => {
  const world = newWorld()
  world.listener(world.balancer(), fixed('200', 'alb'))
  const port = await apiPort(world)
  await world.ask(port, get('localhost'))
  assert.is(world.watch.records.length, 0)
  await world.ask(port, get(NAME))
  assert.equal(
    world.watch.records.map((told) => [told.balancer.row.name, told.port, told.failure]),
    [['my-alb', 80, undefined]],
  )
})

test('createEdge: claims names of load balancers that exist, whatever their case and port', async () => {
  const world = newWorld()
  const balancer = world.balancer()
  world.listener(balancer, fixed('200', 'alb'))
  const port = await apiPort(world)
  for (const host of [NAME, NAME.toUpperCase(), `${NAME}:${port}`, `${NAME}.`, `${NAME}.:80`]) {
    assert.match(await world.ask(port, get(host)), /alb$/, host)
  }
  const others = [
    'localhost',
    'elb.localhost',
    `x.${NAME}`,
    `x${NAME}`,
    '127.0.0.1:4566',
    '[::1]:80',
  ]
  for (const host of others) assert.match(await world.ask(port, get(host)), /api$/, host)
  world.rows.loadBalancers.delete(balancer)
  assert.match(await world.ask(port, get(NAME)), /api$/)
})

test('createEdge: an absolute target for another host does not get past the one in Host', async () => {
  const world = newWorld()
  world.listener(world.balancer(), fixed('200', 'alb'))
  const port = await apiPort(world)
  assert.match(await world.ask(port, get(NAME, 'http://sqs.localhost/')), /^HTTP\/1.1 400 /)
  assert.match(await world.ask(port, get('localhost', `http://${NAME}/`)), /api$/)
  assert.match(await world.ask(port, get(NAME, `http://${NAME}/x`)), /alb$/)
})

test('createEdge: the listener is the one on Host’s port, else on 80, else the lowest, HTTP first', async () => {
  const world = newWorld()
  const balancer = world.balancer()
  const port = await apiPort(world)
  const listen = (at: number, protocol: 'HTTP' | 'HTTPS') =>
    world.listener(balancer, fixed('200', `at ${at}`), { port: at, protocol })
  const wanted = async (host: string, text: string) =>
    assert.match(await world.ask(port, get(host)), new RegExp(`${text}$`), host)
  listen(443, 'HTTPS')
  await wanted(NAME, 'at 443')
  listen(8080, 'HTTP')
  await wanted(NAME, 'at 8080')
  listen(8000, 'HTTP')
  await wanted(NAME, 'at 8000')
  listen(80, 'HTTP')
  await wanted(NAME, 'at 80')
  await wanted(`${NAME}:${port}`, 'at 80')
  await wanted(`${NAME}:8080`, 'at 8080')
  await wanted(`${NAME}:443`, 'at 443')
})

test('createEdge: at an HTTPS listener the client counts as one that came over TLS', async () => {
  const world = newWorld()
  const target = await raw((socket, all) => {
    if (all.endsWith('\r\n\r\n')) socket.write(answerOf('ok'))
  })
  const group = world.putGroup()
  world.targetAt(group, target.port)
  world.listener(world.balancer(), forwardTo(group), { port: 443, protocol: 'HTTPS' })
  const port = await apiPort(world)
  await world.ask(port, get(`${NAME}:${port}`))
  assert.match(target.heard(), /\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n/)
  // ALB names no port that is HTTP's or HTTPS's own.
  assert.match(target.heard(), `\r\nHost: ${NAME}\r\n`)
})

test('createEdge: a listener that asks for certificates is not reached without any', async () => {
  const world = newWorld()
  for (const Mode of ['verify', 'passthrough']) {
    const balancer = world.balancer(`my-${Mode}`)
    const name = NAME.replace('my-alb', `my-${Mode}`)
    const row = { port: 443, protocol: 'HTTPS' as const, mutualAuthentication: { Mode } }
    world.listener(balancer, fixed('200', 'inside'), row)
    const port = await apiPort(world)
    const upgrade = get(name).replace('close', 'Upgrade\r\nUpgrade: websocket')
    for (const request of [get(name), get(`${name}:443`), upgrade]) {
      const answer = await world.ask(port, request)
      assert.match(answer, /^HTTP\/1.1 421 [\s\S]*on 443: connect there by TLS/)
      assert.not.match(answer, /inside/)
    }
    world.listener(balancer, fixed('200', 'open'), { port: 80 })
    assert.match(await world.ask(port, get(name)), /open$/)
  }
})

test('createEdge: a balancer without HTTP listeners says so, to WebSockets as well', async () => {
  const world = newWorld()
  world.balancer()
  const net = world.balancer('my-nlb', {}, { type: 'network' })
  const port = await apiPort(world)
  const nlb = NAME.replace('my-alb', 'my-nlb')
  assert.match(await world.ask(port, get(NAME)), /^HTTP\/1.1 503 [\s\S]*has no listener/)
  assert.match(await world.ask(port, get(nlb)), /^HTTP\/1.1 421 [\s\S]*It has no listener/)
  world.listener(net, forwardTo(world.putGroup()), { port: 5000, protocol: 'TCP' })
  assert.match(await world.ask(port, get(nlb)), /Connect to its own port: 5000 \(TCP\)/)
  const upgrade = `GET / HTTP/1.1\r\nHost: ${nlb}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  assert.match(await world.ask(port, upgrade), /^HTTP\/1.1 421 [\s\S]*5000/)
})

test.run()
