/** The real program with a load balancer for each site, made through its API by AWS's SDK. */
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { startServer } from './server.ts'
import { addressesOf, type Balancer, rulePath, rulesOf, type Site } from './sites.ts'

export const KECS = 'kecs'

const HEALTHY_MS = 60_000
const ASK_AGAIN_MS = 200
/** The longest: health checks are not what is measured. */
const HEALTH_CHECK_SECONDS = 300

export async function startKecs(sites: readonly Site[]): Promise<Balancer> {
  const server = await startServer([
    '--memory',
    '--listener-host',
    '127.0.0.1',
    '--log-level',
    'warn',
  ])
  const client = new ElasticLoadBalancingV2Client({
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  try {
    const groups: string[] = []
    for (const site of sites) groups.push(await create(client, site))
    for (const group of groups) await untilHealthy(client, group)
  } catch (error) {
    await server.stop('SIGKILL')
    throw error
  } finally {
    client.destroy()
  }
  return {
    name: KECS,
    sites,
    cpuUs: () => server.cpuUs(),
    rssMb: () => server.rssMb(),
    stop: () => server.stop('SIGKILL'),
  }
}

/** Answers the ARN of the target group. */
async function create(client: ElasticLoadBalancingV2Client, site: Site): Promise<string> {
  const Name = `site-${site.port}`
  const { TargetGroups } = await client.send(
    new CreateTargetGroupCommand({
      Name,
      TargetType: 'ip',
      Protocol: 'HTTP',
      Port: site.targetPort,
      VpcId: 'vpc-12345678',
      HealthCheckIntervalSeconds: HEALTH_CHECK_SECONDS,
    }),
  )
  const TargetGroupArn = TargetGroups?.[0]?.TargetGroupArn ?? ''
  const Targets = addressesOf(site).map((Id) => ({ Id, AvailabilityZone: 'all' }))
  await client.send(new RegisterTargetsCommand({ TargetGroupArn, Targets }))
  const { LoadBalancers } = await client.send(
    new CreateLoadBalancerCommand({ Name, Subnets: ['subnet-12345678', 'subnet-87654321'] }),
  )
  const { Listeners } = await client.send(
    new CreateListenerCommand({
      LoadBalancerArn: LoadBalancers?.[0]?.LoadBalancerArn,
      Protocol: 'HTTP',
      Port: site.port,
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
    }),
  )
  for (const Priority of rulesOf(site)) {
    await client.send(
      new CreateRuleCommand({
        ListenerArn: Listeners?.[0]?.ListenerArn,
        Priority,
        Conditions: [{ Field: 'path-pattern', Values: [`${rulePath(Priority)}*`] }],
        Actions: [{ Type: 'forward', TargetGroupArn }],
      }),
    )
  }
  return TargetGroupArn
}

async function untilHealthy(client: ElasticLoadBalancingV2Client, arn: string): Promise<void> {
  const deadline = performance.now() + HEALTHY_MS
  for (;;) {
    const { TargetHealthDescriptions: found = [] } = await client.send(
      new DescribeTargetHealthCommand({ TargetGroupArn: arn }),
    )
    const waiting = found.find(({ TargetHealth }) => TargetHealth?.State !== 'healthy')
    if (found.length > 0 && !waiting) return
    if (performance.now() > deadline) {
      throw new Error(`a target is not healthy: ${JSON.stringify(waiting)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
  }
}
