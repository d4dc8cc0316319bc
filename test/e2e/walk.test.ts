/**
 * The README's walk, with the real SDK against the real program, a real backend and a kill -9 in the
 * middle. (With the AWS CLI in place of the SDK it is .ci/walk.sh.)
 */
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import * as ecs from '@aws-sdk/client-ecs'
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Banner, type Program, Workshop } from '../bin/program.ts'
import { type EmulatedBackend, startBackend } from './backend.ts'

const WAIT_S = 60
const CRASH = { 'kecs.simulate.exit-code': '1', 'kecs.simulate.exit-after': '50ms' }

const walk = suite<{ shop: Workshop; backend: EmulatedBackend }>('walk')
walk.before(async (context) => {
  context.shop = new Workshop()
  context.backend = await startBackend()
})
walk.after(async ({ shop, backend }) => {
  await shop.clean()
  await backend.close()
})

function connection(banner: Banner) {
  return {
    endpoint: banner.endpoint.replace('localhost', '127.0.0.1'),
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  }
}

function waiting(client: ecs.ECSClient) {
  return { client, maxWaitTime: WAIT_S, minDelay: 1, maxDelay: 1 }
}

async function register(client: ecs.ECSClient, dockerLabels: Record<string, string> = {}) {
  const containerDefinitions = [{ name: 'app', image: 'nginx:alpine', memory: 64, dockerLabels }]
  await client.send(new ecs.RegisterTaskDefinitionCommand({ family: 'web', containerDefinitions }))
}

async function serviceOf(client: ecs.ECSClient): Promise<ecs.Service> {
  const asked = { cluster: 'my-cluster', services: ['web'] }
  const { services } = await client.send(new ecs.DescribeServicesCommand(asked))
  return services?.[0] ?? {}
}

/** Looks until the service is as wanted; what each look saw goes to `each`. */
async function until(
  client: ecs.ECSClient,
  wanted: (service: ecs.Service) => boolean,
  each: (service: ecs.Service) => void = () => {},
): Promise<ecs.Service> {
  const endMs = Date.now() + WAIT_S * 1000
  for (;;) {
    const service = await serviceOf(client)
    each(service)
    if (wanted(service)) return service
    if (Date.now() > endMs) throw new Error(`after ${WAIT_S} s: ${JSON.stringify(service)}`)
  }
}

walk(
  'a user creates, rolls, crashes, kills and deletes, and nothing acknowledged is missing',
  async ({ shop, backend }) => {
    const dir = shop.folder()
    const flags = ['--data-dir', dir, '--backend', backend.url]
    let { program, banner }: { program: Program; banner: Banner } = await shop.serve(...flags)
    let client = new ecs.ECSClient(connection(banner))
    const cluster = 'my-cluster'

    await client.send(new ecs.CreateClusterCommand({ clusterName: cluster }))
    const { clusterArns } = await client.send(new ecs.ListClustersCommand({}))
    assert.equal(clusterArns, [`arn:aws:ecs:us-east-1:000000000000:cluster/${cluster}`])
    await register(client)
    await register(client)
    await register(client, CRASH)
    const ran = await client.send(new ecs.RunTaskCommand({ cluster, taskDefinition: 'web:1' }))
    const tasks = [ran.tasks?.[0]?.taskArn ?? '']
    await ecs.waitUntilTasksRunning(waiting(client), { cluster, tasks })

    await client.send(
      new ecs.CreateServiceCommand({
        cluster,
        serviceName: 'web',
        taskDefinition: 'web:1',
        desiredCount: 3,
        deploymentConfiguration: {
          deploymentCircuitBreaker: { enable: true, rollback: true },
          maximumPercent: 200,
          minimumHealthyPercent: 100,
        },
      }),
    )
    await ecs.waitUntilServicesStable(waiting(client), { cluster, services: ['web'] })
    assert.is((await serviceOf(client)).runningCount, 3)

    const update = (taskDefinition: string) =>
      client.send(new ecs.UpdateServiceCommand({ cluster, service: 'web', taskDefinition }))
    await update('web:2')
    let least = 3
    await until(
      client,
      ({ deployments }) =>
        deployments?.length === 1 && deployments[0]?.rolloutState === 'COMPLETED',
      ({ runningCount = 0 }) => {
        least = Math.min(least, runningCount)
      },
    )
    assert.is(least, 3, 'dropped under the minimum')
    await client.send(new ecs.StopTaskCommand({ cluster, task: tasks[0] }))
    await ecs.waitUntilTasksStopped(waiting(client), { cluster, tasks })

    program.kill('SIGKILL')
    await program.ended
    client.destroy()
    ;({ program, banner } = await shop.serve(...flags))
    client = new ecs.ECSClient(connection(banner))
    const found = await until(client, ({ runningCount }) => runningCount === 3)
    assert.match(found.taskDefinition ?? '', /web:2$/)
    const described = await client.send(new ecs.DescribeTasksCommand({ cluster, tasks }))
    assert.is(described.tasks?.[0]?.lastStatus, 'STOPPED')

    await update('web:3')
    const back = await until(
      client,
      ({ taskDefinition, deployments }) =>
        taskDefinition?.endsWith('web:2') === true && deployments?.length === 1,
      ({ runningCount = 0 }) => assert.ok(runningCount >= 3, 'dropped under the minimum'),
    )
    const said = back.events?.map(({ message }) => message).join('\n') ?? ''
    assert.match(said, /deployment failed: tasks failed to start/)
    assert.match(said, /rolling back to deployment ecs-svc\//)

    await client.send(new ecs.DeleteServiceCommand({ cluster, service: 'web', force: true }))
    await ecs.waitUntilServicesInactive(waiting(client), { cluster, services: ['web'] })
    client.destroy()

    const s3 = new S3Client({
      ...connection(banner),
      // The only key that s3rver knows.
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
      forcePathStyle: true,
    })
    await s3.send(new CreateBucketCommand({ Bucket: 'my-bucket' }))
    const { Buckets } = await s3.send(new ListBucketsCommand({}))
    assert.equal(
      Buckets?.map(({ Name }) => Name),
      ['my-bucket'],
    )
    s3.destroy()
    const dynamodb = new DynamoDBClient(connection(banner))
    const { TableDescription } = await dynamodb.send(
      new CreateTableCommand({
        TableName: 'my-table',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    )
    assert.is(TableDescription?.TableName, 'my-table')
    dynamodb.destroy()

    program.kill('SIGTERM')
    assert.is((await program.ended).code, 0)
  },
)

walk.run()
