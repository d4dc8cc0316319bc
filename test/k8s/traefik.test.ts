/** A real Traefik before the endpoint of a real k3d cluster, put there and taken away by start-v2. */
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import process from 'node:process'
import { gzipSync } from 'node:zlib'
import * as elbv2 from '@aws-sdk/client-elastic-load-balancing-v2'
import * as s3 from '@aws-sdk/client-s3'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { answerOf, type Banner, Workshop } from '../bin/program.ts'
import { ask } from '../e2e/balancers-client.ts'
import { presign } from '../e2e/sigv4.ts'
import { freePort } from '../free-port.ts'
import { eventually, onCluster, run, surroundings } from './k3d.ts'
import { SECRET, type SignedStore, startSignedStore } from './signed-store.ts'

const { KECS_TEST_TRAEFIK_IMAGE: IMAGE = '' } = process.env
// Node.js and Deno may run it at the same time.
const NAME = `kecs-traefik-${process.pid}`
const SYSTEM = ['-n', 'kecs-system']
const DOOR = 'traefik.kecs-system.svc.cluster.local'

interface World {
  shop: Workshop
  env: Record<string, string>
  store: SignedStore
  /** Of this machine, as pods see it. */
  address: string
  banner: Banner & { readonly traefik: string; readonly kubeconfig: string }
}

const SUITE = 'Traefik before kecs on k3d'
const traefik = suite<World>(SUITE)

async function start(world: World, ...flags: string[]): Promise<World['banner']> {
  const { shop, env, address, store } = world
  const backend = ['--backend', `http://${address}:${store.port}`]
  const args = ['start-v2', '--name', NAME, '--json', ...backend, ...flags]
  const { code, stdout, stderr } = await shop.run(args, env)
  // uvu does not say why a hook failed.
  if (code !== 0) console.error(stderr)
  assert.is(code, 0)
  return JSON.parse(stdout)
}

function kubectl({ banner }: World, ...args: string[]): Promise<string> {
  return run('kubectl', ['--kubeconfig', banner.kubeconfig, ...args])
}

function accessLog(world: World): Promise<string> {
  return kubectl(world, 'logs', ...SYSTEM, '-l', 'app=traefik', '--tail=-1')
}

const portOf = ({ banner }: World) => Number(new URL(banner.endpoint).port)

function connection({ banner }: World) {
  return {
    endpoint: banner.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: SECRET },
    maxAttempts: 1,
  }
}

function s3Client(world: World): s3.S3Client {
  return new s3.S3Client({ ...connection(world), forcePathStyle: true })
}

/** The DNS name of a load balancer whose one target is the store. */
async function balancerTo(world: World): Promise<string> {
  const { address, store } = world
  const client = new elbv2.ElasticLoadBalancingV2Client(connection(world))
  const make = { Name: 'web', Subnets: ['subnet-1', 'subnet-2'] }
  const { LoadBalancers } = await client.send(new elbv2.CreateLoadBalancerCommand(make))
  const { LoadBalancerArn, DNSName = '', VpcId } = LoadBalancers?.[0] ?? {}
  const group = {
    Name: 'web',
    Protocol: 'HTTP',
    Port: store.port,
    TargetType: 'ip',
    VpcId,
    HealthCheckIntervalSeconds: 5,
    HealthCheckTimeoutSeconds: 2,
    HealthyThresholdCount: 2,
  } as const
  const { TargetGroups } = await client.send(new elbv2.CreateTargetGroupCommand(group))
  const TargetGroupArn = TargetGroups?.[0]?.TargetGroupArn
  const Targets = [{ Id: address, Port: store.port }]
  await client.send(new elbv2.RegisterTargetsCommand({ TargetGroupArn, Targets }))
  const DefaultActions = [{ Type: 'forward', TargetGroupArn } as const]
  await client.send(
    new elbv2.CreateListenerCommand({
      LoadBalancerArn,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions,
    }),
  )
  client.destroy()
  return DNSName
}

traefik.before(async (world) => {
  world.shop = new Workshop()
  world.env = { ...surroundings(), HOME: world.shop.folder() }
  const bridge = ['network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Gateway}}']
  world.address = (await run('docker', bridge)).trim()
  world.store = await startSignedStore(world.address)
  const [api, admin] = [await freePort(), await freePort()]
  const ports = ['--api-port', String(api), '--admin-port', String(admin)]
  world.banner = await start(world, ...ports, '--traefik', '--traefik-image', IMAGE)
})

traefik.after(async ({ shop, env, store }) => {
  await shop.run(['stop-v2', '--name', NAME, '--delete-data'], env)
  await store?.close()
  await shop.clean()
})

traefik('start-v2: it says which Traefik is there, and calls are in its log', async (world) => {
  assert.is(world.banner.traefik, IMAGE)
  await answerOf(world.banner, 'CreateCluster', { clusterName: 'shop' })
  assert.match(await accessLog(world), /"POST \/ HTTP\/1\.1" 200 .*"http:\/\/gateway\.kecs-system/)
})

const KEYS = [
  'a%2Fb',
  'a b/c  d',
  '../up',
  'a/../b/./c',
  'a//b//',
  '/first',
  'ü;#?&=+%25\\',
  "~!*'()",
]

traefik('S3: no key, query or Host is other than it was signed', async (world) => {
  const client = s3Client(world)
  for (const Key of KEYS) {
    await client.send(new s3.PutObjectCommand({ Bucket: 'b', Key, Body: Key }))
    const { Body } = await client.send(new s3.GetObjectCommand({ Bucket: 'b', Key }))
    assert.is(await Body?.transformToString(), Key)
  }
  client.destroy()
  const { host } = new URL(world.banner.endpoint)
  const signer = { accessKeyId: 'test', secretAccessKey: SECRET, at: new Date(), host }
  const path = '/b/a%252Fb'
  const answer = await fetch(presign({ ...signer, method: 'GET', path }), {
    signal: AbortSignal.timeout(5_000),
  })
  assert.is(await answer.text(), 'a%2Fb')
})

traefik('S3: 20 MB go up and come down whole; what is packed comes back packed', async (world) => {
  const client = s3Client(world)
  const get = async (Key: string) => {
    const { Body } = await client.send(new s3.GetObjectCommand({ Bucket: 'b', Key }))
    return Buffer.from((await Body?.transformToByteArray()) ?? [])
  }
  const big = randomBytes(20_000_000)
  await client.send(new s3.PutObjectCommand({ Bucket: 'b', Key: 'big', Body: big }))
  assert.ok((await get('big')).equals(big))
  const packed = gzipSync('packed'.repeat(1_000))
  const put = { Bucket: 'b', Key: 'packed', Body: packed, ContentEncoding: 'gzip' }
  await client.send(new s3.PutObjectCommand(put))
  assert.ok((await get('packed')).equals(packed))
  client.destroy()
})

traefik('load balancers: by their Host, paths as they came, WebSockets, too', async (world) => {
  const host = await balancerTo(world)
  const path = '/a%2Fb/../c//d?z=1&a=%2f'
  const asked = { port: portOf(world), host, path, headers: { 'x-forwarded-for': '203.0.113.9' } }
  const arrived = await eventually(async () => {
    const { status, body } = await ask(asked)
    if (status !== 200) throw new Error(`${status} ${body}`)
    return JSON.parse(body)
  }, 90_000)
  assert.is(arrived.url, path)
  assert.is(arrived.headers.host, host)
  assert.match(arrived.headers['x-forwarded-for'], /^203\.0\.113\.9, /)
  const socket = new WebSocket(`ws://127.0.0.1:${portOf(world)}/`, { headers: { host } })
  const echoed = await new Promise<string>((resolve, reject) => {
    socket.on('open', () => socket.send('hello'))
    socket.on('message', (data) => resolve(String(data)))
    socket.on('error', reject)
  })
  socket.terminate()
  assert.is(echoed, 'hello')
})

async function clustersFromPod(world: World): Promise<string> {
  const call = ['wget', '-qO-', `http://${DOOR}:4566/`, '--post-data', '{}']
  const target = 'X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters'
  const headers = ['--header', target, '--header', 'Content-Type: application/x-amz-json-1.1']
  return kubectl(world, 'exec', 'caller', '--', ...call, ...headers)
}

traefik('traefik.kecs-system: a pod calls through it by its name', async (world) => {
  const caller = ['run', 'caller', '--image=busybox:1.35', '--restart=Never', '--command', '--']
  await kubectl(world, ...caller, 'sleep', '600')
  await kubectl(world, 'wait', '--for=condition=Ready', 'pod/caller', '--timeout=60s')
  const count = async () => (await accessLog(world)).split('"POST / ').length
  const before = await count()
  assert.match(await eventually(() => clustersFromPod(world)), 'cluster/shop')
  assert.is(await count(), before + 1)
})

traefik('start-v2 again: with it nothing changes, without it all is as before', async (world) => {
  const { shop, env, address, store } = world
  const same = ['start-v2', '--name', NAME, '--backend', `http://${address}:${store.port}`]
  const kept = await shop.run([...same, '--traefik', '--traefik-image', IMAGE], env)
  assert.is(kept.code, 0, kept.stderr)
  assert.match(kept.stderr, '0 made, 0 changed')
  const { traefik: left, endpoint } = await start(world)
  assert.equal([left, endpoint], ['none', world.banner.endpoint])
  const objects = await kubectl(world, 'get', 'deployments,configmaps', ...SYSTEM, '-o', 'name')
  assert.not.match(objects, 'traefik')
  const { clusterArns } = await answerOf(world.banner, 'ListClusters', {})
  assert.match(clusterArns[0], ':cluster/shop')
  assert.match(await clustersFromPod(world), 'cluster/shop')
})

const lack =
  IMAGE === '' ? 'KECS_TEST_TRAEFIK_IMAGE names no image, e.g. traefik:v3.7.13' : undefined
const tests = await onCluster(SUITE, traefik, lack)
tests.run()
