/** Load balancers through the program: its API, its ports, its logs and its metrics. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deadPort } from '../gateway/support-proxy.ts'
import { RawConnection } from '../raw-http.ts'
import { type Banner, local, Workshop } from './program.ts'

interface Context {
  shop: Workshop
  target: Server
  targetPort: number
  closers: (() => void)[]
}

const test = suite<Context>('kecs serve: load balancers')
const HEALTHY_MS = 15_000
const ASK_AGAIN_MS = 50

test.before.each(async (context) => {
  const target = createServer((_req, res) => res.end('from the target'))
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const { port: targetPort } = target.address() as AddressInfo
  Object.assign(context, { shop: new Workshop(), target, targetPort, closers: [] })
})
test.after.each(async ({ shop, target, closers }) => {
  for (const close of closers) close()
  await shop.clean()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
})

class Api {
  readonly #client: elb.ElasticLoadBalancingV2Client

  constructor(banner: Banner, { closers }: Context) {
    this.#client = new elb.ElasticLoadBalancingV2Client({
      endpoint: local(banner.endpoint),
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    closers.push(() => this.#client.destroy())
  }

  /** Its ARN. */
  async group(input: Partial<elb.CreateTargetGroupInput>, target: elb.TargetDescription) {
    const { TargetGroups } = await this.#client.send(
      new elb.CreateTargetGroupCommand({
        Name: 'targets',
        TargetType: 'ip',
        Protocol: 'HTTP',
        Port: 80,
        VpcId: 'vpc-12345678',
        HealthCheckIntervalSeconds: 5,
        HealthCheckTimeoutSeconds: 2,
        ...input,
      }),
    )
    const TargetGroupArn = TargetGroups?.[0]?.TargetGroupArn ?? ''
    const register = { TargetGroupArn, Targets: [target] }
    return { arn: TargetGroupArn, register: () => this.#register(register) }
  }

  async #register(input: elb.RegisterTargetsInput): Promise<void> {
    await this.#client.send(new elb.RegisterTargetsCommand(input))
  }

  async balancer(Name: string, Type: elb.LoadBalancerTypeEnum) {
    const Subnets = ['subnet-12345678', 'subnet-87654321']
    const { LoadBalancers } = await this.#client.send(
      new elb.CreateLoadBalancerCommand({ Name, Type, Subnets }),
    )
    const { LoadBalancerArn: arn = '', DNSName: dnsName = '' } = LoadBalancers?.[0] ?? {}
    return { arn, dnsName }
  }

  async listener(arn: string, Protocol: elb.ProtocolEnum, Port: number, TargetGroupArn: string) {
    await this.#client.send(
      new elb.CreateListenerCommand({
        LoadBalancerArn: arn,
        Protocol,
        Port,
        DefaultActions: [{ Type: 'forward', TargetGroupArn }],
      }),
    )
  }

  async #health(TargetGroupArn: string): Promise<elb.TargetHealth | undefined> {
    const { TargetHealthDescriptions } = await this.#client.send(
      new elb.DescribeTargetHealthCommand({ TargetGroupArn }),
    )
    return TargetHealthDescriptions?.[0]?.TargetHealth
  }

  async healthy(arn: string): Promise<void> {
    const giveUpAtMs = Date.now() + HEALTHY_MS
    for (;;) {
      const health = await this.#health(arn)
      if (health?.State === 'healthy') return
      if (Date.now() > giveUpAtMs) throw new Error(`it is ${JSON.stringify(health)}`)
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
    }
  }
}

/** What is heard of a request to that port on loopback. */
async function ask(port: number, host: string): Promise<string> {
  const connection = new RawConnection(port)
  connection.say(`GET /here HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  return connection.toTheEnd()
}

/** A balancer `web` in front of the test's target, on that port of its own. */
async function web(api: Api, port: number, targetPort: number) {
  const targets = await api.group({}, { Id: '127.0.0.1', Port: targetPort })
  await targets.register()
  const balancer = await api.balancer('web', 'application')
  await api.listener(balancer.arn, 'HTTP', port, targets.arn)
  await api.healthy(targets.arn)
  return { ...balancer, group: targets.arn }
}

test('a request is told by `kecs logs lb` and counted in /metrics', async (context) => {
  const { shop, targetPort } = context
  const { banner } = await shop.serve('--memory')
  const port = await deadPort()
  const { dnsName } = await web(new Api(banner, context), port, targetPort)
  assert.match(await ask(port, dnsName), /from the target$/)
  const admin = local(banner.adminEndpoint)
  const { code, stdout } = await shop.run(['logs', 'lb', 'web', '--admin-url', admin])
  assert.is(code, 0)
  assert.match(stdout, `"GET http://${dnsName}:${port}/here HTTP/1.1"`)
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  assert.match(metrics, /^RequestCount\{LoadBalancer="app\/web\/[0-9a-f]+"\} 1$/m)
  assert.match(metrics, /^NewConnectionCount\{LoadBalancer="app\/web\/[0-9a-f]+"\} 1$/m)
  assert.match(metrics, /^ActiveConnectionCount\{LoadBalancer="app\/web\/[0-9a-f]+"\} 0$/m)
  assert.match(
    metrics,
    /^HealthyHostCount\{TargetGroup="targetgroup\/targets\/\w+",LoadBalancer="app\/web\/\w+"\} 1$/m,
  )
})

test('an application load balancer is the target of a network load balancer', async (context) => {
  const { shop, targetPort } = context
  const { banner } = await shop.serve('--memory')
  const api = new Api(banner, context)
  const [albPort, nlbPort] = [await deadPort(), await deadPort()]
  const alb = await web(api, albPort, targetPort)
  const albs = await api.group(
    { Name: 'albs', TargetType: 'alb', Protocol: 'TCP', Port: albPort },
    { Id: alb.arn },
  )
  const nlb = await api.balancer('front', 'network')
  await api.listener(nlb.arn, 'TCP', nlbPort, albs.arn)
  await albs.register()
  await api.healthy(albs.arn)
  assert.match(await ask(nlbPort, nlb.dnsName), /from the target$/)
  const metrics = await (await fetch(`${local(banner.adminEndpoint)}/metrics`)).text()
  // Health checks are requests, too.
  assert.match(metrics, /^RequestCount\{LoadBalancer="app\/web\/\w+"\} ([2-9]|\d\d+)$/m)
  assert.match(metrics, /^NewFlowCount\{LoadBalancer="net\/front\/\w+"\} 1$/m)
  assert.match(metrics, /^ProcessedBytes\{LoadBalancer="net\/front\/\w+"\} [1-9]\d*$/m)
})

test.run()
