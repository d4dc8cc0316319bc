/** Ports of listeners: shared by two load balancers, taken by somebody else, and free again. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLogger } from '../../gateway/core/log.ts'
import { FakeClock } from '../fake-clock.ts'
import { freePort } from '../free-port.ts'
import { startTestGateway, type TestGateway } from '../harness.ts'
import { ask } from './balancers-client.ts'
import { until } from './balancers-world.ts'

interface Context {
  readonly kecs: TestGateway
  readonly clock: FakeClock
  readonly elb: elb.ElasticLoadBalancingV2Client
  readonly lines: string[]
}

const ports = suite<Context>('listener ports')
ports.before.each(async (context) => {
  const lines: string[] = []
  const clock = new FakeClock()
  const write = (line: string) => lines.push(line)
  const log = createLogger({ level: 'info', format: 'text', write, now: () => clock.now() })
  const kecs = await startTestGateway({ clock, log, settings: { listenerHost: '127.0.0.1' } })
  Object.assign(context, { kecs, clock, lines, elb: kecs.elb() })
})
ports.after.each(({ kecs }) => kecs.close())

/** A balancer with a listener that answers its own name. */
async function balancer({ elb: client }: Context, name: string, Port: number) {
  const { LoadBalancers } = await client.send(
    new elb.CreateLoadBalancerCommand({ Name: name, Subnets: ['subnet-12345'] }),
  )
  const { LoadBalancerArn: arn = '', DNSName: host = '' } = LoadBalancers?.[0] ?? {}
  const FixedResponseConfig = { StatusCode: '200', ContentType: 'text/plain', MessageBody: name }
  await client.send(
    new elb.CreateListenerCommand({
      LoadBalancerArn: arn,
      Protocol: 'HTTP',
      Port,
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig }],
    }),
  )
  return { arn, host }
}

async function stateOf({ elb: client }: Context, name: string) {
  const asked = new elb.DescribeLoadBalancersCommand({ Names: [name] })
  return (await client.send(asked)).LoadBalancers?.[0]?.State ?? {}
}

async function answerOf(port: number, host: string): Promise<string> {
  return ask({ port, host }).then(
    ({ body }) => body,
    () => 'nothing',
  )
}

async function hold(port: number): Promise<Server> {
  const server = createServer((_req, res) => res.end('another program'))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

async function release(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

ports(
  'two load balancers share a port: the name decides, and each goes by itself',
  async (context) => {
    const port = await freePort()
    const one = await balancer(context, 'one', port)
    const two = await balancer(context, 'two', port)
    await until(
      'it is open',
      () => answerOf(port, two.host),
      (body) => body === 'two',
    )
    assert.is(await answerOf(port, one.host), 'one')
    assert.is(await answerOf(port, 'localhost'), 'one', 'the oldest, for names that are nobody’s')
    assert.equal(
      [await stateOf(context, 'one'), await stateOf(context, 'two')].map(({ Reason }) => Reason),
      [undefined, undefined],
    )
    await context.elb.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn: one.arn }))
    await until(
      'one is gone',
      () => answerOf(port, one.host),
      (body) => body === 'two',
    )
    await context.elb.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn: two.arn }))
    await until(
      'it is closed',
      () => answerOf(port, two.host),
      (body) => body === 'nothing',
    )
  },
)

ports(
  'a port that another program has: told in state and log, and had when it is free',
  async (context) => {
    const { clock, kecs, lines } = context
    const other = await hold(0)
    const { port } = other.address() as AddressInfo
    const { host } = await balancer(context, 'late', port)
    const Reason = `listener port ${port}: taken by another program`
    await until(
      'its state tells it',
      () => stateOf(context, 'late'),
      (state) => state.Reason === Reason,
    )
    const told = () => lines.filter((line) => line.includes(Reason))
    assert.is(told().length, 1)
    assert.match(told()[0] ?? '', / WARN .* loadBalancers=late/)
    assert.is(await answerOf(port, host), 'another program')
    assert.is(await answerOf(kecs.apiPort, host), 'late', 'the API port serves it all the same')
    clock.advance(1_000)
    assert.is((await stateOf(context, 'late')).Code, 'active')

    await release(other)
    await until(
      'it has healed',
      () => {
        clock.advance(1_000)
        return answerOf(port, host)
      },
      (body) => body === 'late',
    )
    assert.equal(await stateOf(context, 'late'), { Code: 'active' })
    assert.is(told().length, 1, 'told once, however often it was tried')
    assert.ok(
      lines.some(
        (line) => line.includes('a listener port could be had') && line.includes(`${port}`),
      ),
    )
  },
)

ports('the ports of KECS itself: their listener is told so', async (context) => {
  const { kecs } = context
  const { host } = await balancer(context, 'mine', kecs.apiPort)
  const { Reason } = await until(
    'it is told',
    () => stateOf(context, 'mine'),
    ({ Reason: found }) => found,
  )
  assert.is(Reason, `listener port ${kecs.apiPort}: taken by the AWS endpoint of kecs`)
  assert.is(await answerOf(kecs.apiPort, host), 'mine')
})

ports.run()
