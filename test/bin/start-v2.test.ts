import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakePrograms, type FakeWorld, fakeWorld, inspected } from '../cluster/k3d/fake-programs.ts'
import { freePort } from '../free-port.ts'
import { Workshop } from './program.ts'

interface World {
  shop: Workshop
  fakes: FakePrograms
  servers: Server[]
  home: string
}

const start = suite<World>('kecs start-v2')

start.before.each((context) => {
  context.shop = new Workshop()
  context.fakes = new FakePrograms()
  context.servers = []
  context.home = context.shop.folder()
})
start.after.each(async ({ shop, fakes, servers }) => {
  await shop.clean()
  for (const server of servers) server.close()
  fakes.clean()
})

function listen(servers: Server[], port = 0): Promise<number> {
  const server = createServer((_, res) => res.end('{}'))
  servers.push(server)
  return new Promise((done) => {
    server.listen(port, '127.0.0.1', () => done((server.address() as AddressInfo).port))
  })
}

async function worldOf({ fakes, home }: World, more: Partial<FakeWorld> = {}): Promise<FakeWorld> {
  const world = {
    apiPort: await freePort(),
    adminPort: await freePort(),
    dataDir: join(home, '.kecs/instances/kecs'),
    ...more,
  }
  fakeWorld(fakes, world)
  return world
}

function flagsOf({ apiPort, adminPort }: FakeWorld): string[] {
  const ports = ['--api-port', String(apiPort), '--admin-port', String(adminPort)]
  return ['start-v2', ...ports, '--no-localstack', '--image', 'kecs:test']
}

function envOf({ fakes, home }: World): Record<string, string> {
  return { ...fakes.env, HOME: home }
}

/** A cluster that runs and answers, as the start before left it. */
async function running(context: World, more: Partial<FakeWorld> = {}): Promise<FakeWorld> {
  const apiPort = await listen(context.servers)
  const world = await worldOf(context, {
    apiPort,
    adminPort: await listen(context.servers),
    ...more,
  })
  mkdirSync(world.dataDir, { recursive: true })
  context.fakes.remember('cluster', '')
  return world
}

start(
  'makes a cluster, brings the image, applies, waits, and says where it is',
  async (context) => {
    const { shop, fakes, servers, home } = context
    const world = await worldOf(context)
    const program = shop.start([...flagsOf(world), '--json'], envOf(context))
    await program.says(/done {2}make the k3d cluster kecs/, 'stderr')
    await Promise.all([listen(servers, world.apiPort), listen(servers, world.adminPort)])
    const { code, stdout, stderr } = await program.ended
    assert.is(code, 0, stderr)
    assert.equal(JSON.parse(stdout), {
      name: 'kecs',
      endpoint: `http://localhost:${world.apiPort}`,
      adminEndpoint: `http://localhost:${world.adminPort}`,
      dataDir: world.dataDir,
      kubeconfig: join(home, '.k3d/kubeconfig-kecs.yaml'),
      backend: 'none',
      image: 'kecs:test',
      traefik: 'none',
      ports: [],
    })
    assert.ok(existsSync(world.dataDir))
    assert.match(stderr, 'wait for the node: error: no matching resources found')
    const calls = fakes.calls()
    const order = ['k3d cluster create', 'images import', 'apply -k']
    const places = order.map((part) => calls.findLastIndex((call) => call.includes(part)))
    assert.ok(
      places.every((place, i) => place > (places[i - 1] ?? -1)),
      calls.join('\n'),
    )
    assert.match(calls[places[0] ?? 0] ?? '', `127.0.0.1:${world.apiPort}:30566@server:0:direct`)
  },
)

start('images come while k3d still makes the cluster', async (context) => {
  const create = 'touch "$DIR/cluster"; until [ -f "$DIR/imported" ]; do sleep 0.1; done'
  const { shop, servers } = context
  const world = await worldOf(context, { create })
  const program = shop.start(flagsOf(world), envOf(context))
  await program.says(/done {2}make the k3d cluster kecs/, 'stderr')
  await Promise.all([listen(servers, world.apiPort), listen(servers, world.adminPort)])
  const { code, stderr } = await program.ended
  assert.is(code, 0, stderr)
  assert.equal(readdirSync(world.dataDir), [], 'nothing stays in the data directory')
})

start(
  'images that cannot come by the data directory come by k3d, which is asked again when it fails',
  async (context) => {
    const broken = 'echo "ERRO[0002] Failed to copy read stream" >&2; exit 1'
    const bring = `if [ -f "$DIR/once" ]; then echo kecs:test > "$DIR/imported"; else touch "$DIR/once"; fi; ${broken}`
    const { shop, fakes } = context
    const world = await running(context, { bring })
    fakes.remember('unmounted', '')
    // All came before k3d failed: that is no failure.
    const { code, stderr } = await shop.run(flagsOf(world), envOf(context))
    assert.is(code, 0, stderr)
    fakes.write(
      'k3d',
      `case "$*" in 'image import'*) ${broken} ;; *) echo 'k3d version v5.8.3' ;; esac`,
    )
    fakes.remember('imported', '')
    const never = await shop.run([...flagsOf(world), '--image', 'kecs:other'], envOf(context))
    assert.is(never.code, 1)
    assert.match(never.stderr, 'why: ERRO[0002] Failed to copy read stream')
  },
)

start('run again it leaves alone what is there, and start is the same command', async (context) => {
  const { shop, fakes } = context
  const world = await running(context)
  fakes.remember('imported', 'kecs:test\n')
  const [, ...flags] = flagsOf(world)
  const first = await shop.run(['start', ...flags], envOf(context))
  assert.is(first.code, 0, first.stderr)
  // Nothing said that k3d had come to its end.
  assert.match(first.stderr, 'done  start the k3d cluster kecs')
  const { code, stdout, stderr } = await shop.run(['start', ...flags], envOf(context))
  assert.is(code, 0, stderr)
  assert.match(stderr, /kept {2}the k3d cluster kecs/)
  assert.match(stderr, /kept {2}the image kecs:test in the cluster/)
  assert.match(stdout, 'kecs is ready in the k3d cluster kecs.')
  assert.not.match(fakes.calls().join('\n'), /cluster create|image import|images import|save/)
})

start('--traefik: its image comes, too, and without the flag it goes again', async (context) => {
  const { shop, fakes } = context
  const flags = flagsOf(await running(context))
  const given = ['--traefik', '--traefik-image', 'traefik:test']
  const { code, stdout, stderr } = await shop.run([...flags, ...given], envOf(context))
  assert.is(code, 0, stderr)
  // It may be there by the time that the cluster is made.
  assert.match(stderr, /(done {2}bring|kept) {1,2}the image traefik:test in(to)? the cluster/)
  assert.match(stdout, /traefik +traefik:test/)
  const applied = () => readFileSync(join(fakes.dir, 'applied'), 'utf8')
  assert.match(applied(), '"k8s/traefik"')
  const gone = /delete -n kecs-system .* deployment\/traefik configmap\/traefik$/m
  assert.not.match(fakes.calls().join('\n'), gone)
  const without = await shop.run([...flags, '--json'], envOf(context))
  assert.is(JSON.parse(without.stdout).traefik, 'none')
  assert.not.match(applied(), 'traefik')
  assert.match(fakes.calls().join('\n'), gone)
})

const FAILING = {
  metadata: { name: 'kecs-1', labels: { app: 'kecs-controlplane' } },
  status: { containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }] },
}

start('a pod that cannot start: its reason, the last events, its log', async (context) => {
  const deployments = { items: [{ metadata: { name: 'kecs-controlplane' } }] }
  const world = await running(context, { pods: { items: [FAILING] }, deployments })
  const { code, stderr } = await context.shop.run(flagsOf(world), envOf(context))
  assert.is(code, 1)
  assert.match(stderr, 'error: kecs-controlplane did not become ready.')
  assert.match(stderr, 'why: kecs-controlplane: ImagePullBackOff')
  assert.match(stderr, '| 3s Warning Failed pod/x Failed to pull image')
  assert.match(stderr, '| [pod/x/kecs] error: it broke')
  assert.match(stderr, /try: kubectl --kubeconfig \S+ -n kecs-system describe pod kecs-1/)
})

const UNREADY = {
  metadata: { name: 'ls-1', labels: { app: 'localstack' } },
  status: { containerStatuses: [{ ready: false, state: { running: {} } }] },
}

start('a pod that is not ready: what its probe meets, and the end of its log', async (context) => {
  const deployments = { items: [{ metadata: { name: 'localstack' } }] }
  const world = await running(context, { pods: { items: [UNREADY] }, deployments })
  const refused =
    'Get "http://10.42.0.9:4566/x": dial tcp 10.42.0.9:4566: connect: connection refused'
  const items = [{ message: `Readiness probe failed: ${refused}` }]
  context.fakes.remember('probes.json', JSON.stringify({ items }))
  const { code, stderr } = await context.shop.run(
    [...flagsOf(world), '--timeout', '6s'],
    envOf(context),
  )
  assert.is(code, 1)
  assert.match(stderr, 'wait until it is ready: localstack: readiness probe failing: connection')
  assert.match(stderr, 'error: localstack did not become ready.')
  assert.match(stderr, 'The end of the log of localstack:')
})

start('a backend that pods do not reach is told at once, and what to do', async (context) => {
  const { shop, fakes, servers, home } = context
  const world = await running(context)
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done))
  const detail = 'The backend http://host.k3d.internal:9 cannot be reached (refused). Start it.'
  const components = [{ name: 'backend', status: 'down', detail }]
  for (const port of [world.apiPort, world.adminPort]) {
    const server = createServer((req, res) => {
      res.statusCode = req.url?.startsWith('/_localstack') ? 502 : 200
      res.end(JSON.stringify({ components }))
    })
    servers.push(server)
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  }
  fakes.remember('imported', '')
  const flags = flagsOf(world).filter((flag) => flag !== '--no-localstack')
  const backend = ['--backend', 'http://localhost:9']
  const { code, stderr } = await shop.run([...flags, ...backend], { ...fakes.env, HOME: home })
  assert.is(code, 0, stderr)
  assert.match(stderr, 'warn  The backend http://host.k3d.internal:9 cannot be reached (refused).')
  assert.match(stderr, 'Nothing answers on port 9 of this machine: start it, listening on 0.0.0.0')
})

start('a node that has given up is not waited for: why, and the remedy', async (context) => {
  const { shop, fakes } = context
  const world = await worldOf(context, { create: 'touch "$DIR/cluster"; exec sleep 60' })
  fakes.remember(
    'node.log',
    'E1126 29 kubelet.go:1380] "Failed to start cAdvisor" err="inotify_init: too many open files"\n',
  )
  const { code, stderr } = await shop.run(flagsOf(world), envOf(context))
  assert.is(code, 1)
  assert.match(stderr, 'error: the node of kecs cannot start: too many open files.')
  assert.match(stderr, 'try: sudo sysctl fs.inotify.max_user_instances=512')
})

start('another k3d that makes the same cluster is waited for', async (context) => {
  const { shop, fakes } = context
  const world = await running(context)
  fakes.remember('imported', '')
  fakes.write(
    'ps',
    'if [ ! -f "$DIR/once" ]; then touch "$DIR/once"; echo "  42 /usr/bin/k3d cluster create kecs --no-lb"; fi',
  )
  const { code, stderr } = await shop.run(flagsOf(world), envOf(context))
  assert.is(code, 0, stderr)
  assert.match(stderr, /done {2}wait for another k3d that makes the cluster kecs/)
  assert.not.match(fakes.calls().join('\n'), /cluster (create|delete)/)
})

start("LocalStack's token: by stdin and before its pod, and taken away again", async (context) => {
  const { shop, fakes } = context
  const world = await running(context)
  fakes.remember('imported', '')
  const flags = flagsOf(world).filter((flag) => flag !== '--no-localstack')
  const image = ['--localstack-image', 'kecs:test']
  const env = { ...envOf(context), LOCALSTACK_AUTH_TOKEN: 'secret-word' }
  const first = await shop.run([...flags, ...image], env)
  assert.is(first.code, 0, first.stderr)
  const calls = fakes.calls()
  assert.not.match(calls.join('\n') + first.stderr + first.stdout, 'secret-word')
  const at = (part: string) => calls.findIndex((call) => call.includes(part))
  assert.ok(at('apply -f -') > 0 && at('apply -f -') < at('apply -k'), calls.join('\n'))
  const later = await shop.run([...flags, ...image], envOf(context))
  assert.is(later.code, 0, later.stderr)
  assert.match(fakes.calls().join('\n'), /delete -n kecs-system .* secret\/localstack-auth/)
})

start('an image that cannot be had is refused before anything is made', async (context) => {
  const { shop, fakes } = context
  const world = await worldOf(context)
  fakes.write(
    'docker',
    `case "$*" in
info*) echo '27.0.1 8589934592 4' ;;
pull*) echo 'Error response from daemon: pull access denied for nope' >&2; exit 1 ;;
esac`,
  )
  const { code, stderr } = await shop.run([...flagsOf(world), '--image', 'nope:1'], envOf(context))
  assert.is(code, 1)
  assert.match(stderr, 'error: the image nope:1 is not here and cannot be pulled.')
  assert.match(stderr, 'why: Error response from daemon: pull access denied')
  assert.not.match(fakes.calls().join('\n'), 'cluster create')
})

start('--timeout ends the wait, with what it waited for', async (context) => {
  const deployments = { items: [{ metadata: { name: 'kecs-controlplane' } }] }
  const world = await running(context, { deployments })
  const { code, stderr } = await context.shop.run(
    [...flagsOf(world), '--timeout', '3s'],
    envOf(context),
  )
  assert.is(code, 1)
  assert.match(stderr, 'not done within --timeout (3.0 s)')
})

start('k3d fails: its own last words', async (context) => {
  const create = 'echo "FATA[0002] Failed Cluster Start: no space left on device" >&2; exit 1'
  const world = await worldOf(context, { create })
  const { code, stderr } = await context.shop.run(flagsOf(world), envOf(context))
  assert.is(code, 1)
  assert.match(stderr, 'error: k3d cluster ended with exit code 1.')
  assert.match(stderr, 'no space left on device')
})

start('Ctrl-C: exit code 130, and the next start clears and makes anew', async (context) => {
  const { shop, fakes } = context
  const world = await worldOf(context, { create: 'touch "$DIR/cluster"; echo made; exec sleep 60' })
  const program = shop.start(flagsOf(world), envOf(context))
  await program.says(/make the k3d cluster kecs: made/, 'stderr')
  program.kill('SIGINT')
  const ended = await program.ended
  assert.is(ended.code, 130, ended.stderr)
  assert.match(ended.stderr, /try: kecs start-v2 --name kecs again repairs it/)
  fakeWorld(fakes, { ...world, create: 'echo "FATA[0000] enough" >&2; exit 1' })
  const half = { labels: { 'kecs.dev/instance': 'kecs' }, status: 'created' }
  fakes.remember('inspect.json', JSON.stringify([inspected(half)]))
  const again = await shop.run(flagsOf(world), envOf(context))
  assert.match(again.stderr, 'done  clear what is left of an unfinished cluster kecs')
  assert.match(fakes.calls().join('\n'), 'k3d cluster delete kecs')
})

start('a port that is taken: its flag and who has it, and nothing is made', async (context) => {
  const world = await worldOf(context, { adminPort: await listen(context.servers) })
  const { code, stderr } = await context.shop.run(flagsOf(world), envOf(context))
  assert.is(code, 1)
  assert.match(stderr, `error: port ${world.adminPort} of 127.0.0.1 is taken.`)
  assert.match(stderr, 'choose another port with --admin-port')
  if (process.platform === 'linux') assert.match(stderr, `(pid ${process.pid}) listens there`)
  assert.not.match(context.fakes.calls().join('\n'), 'cluster create')
})

start('what is fixed when a cluster is made cannot be changed', async (context) => {
  const world = await running(context)
  const other = { ...world, apiPort: world.apiPort === 5000 ? 5001 : 5000 }
  const { code, stderr } = await context.shop.run(flagsOf(other), envOf(context))
  assert.is(code, 1)
  assert.match(stderr, `the cluster kecs has --api-port ${world.apiPort}, not ${other.apiPort}.`)
})

start('a cluster of somebody else is left alone, by stop-v2, too', async (context) => {
  const { shop, fakes } = context
  const world = await worldOf(context)
  fakes.remember('cluster', '')
  fakes.remember('inspect.json', JSON.stringify([inspected({})]))
  for (const args of [flagsOf(world), ['stop-v2'], ['cluster', 'delete']]) {
    const { code, stderr } = await shop.run(args, envOf(context))
    assert.is(code, 1)
    assert.match(stderr, 'error: the k3d cluster kecs was not made by kecs.')
  }
  assert.not.match(fakes.calls().join('\n'), 'cluster delete')
})

start('a directory with files of somebody else is refused', async (context) => {
  const dataDir = context.shop.folder()
  writeFileSync(join(dataDir, 'thesis.txt'), '')
  const world = await worldOf(context)
  const { code, stderr } = await context.shop.run(
    [...flagsOf(world), '--data-dir', dataDir],
    envOf(context),
  )
  assert.is(code, 1)
  assert.match(stderr, `error: the directory ${dataDir} holds other files.`)
})

start('without k3d, or with a Docker that does not run: the remedy', async (context) => {
  const { shop, fakes } = context
  const world = await worldOf(context)
  fakes.write('docker', 'echo "Cannot connect to the Docker daemon at unix:///x." >&2; exit 1')
  const down = await shop.run(flagsOf(world), envOf(context))
  assert.match(down.stderr, 'error: Docker does not answer.')
  const doctor = await shop.run(['doctor', '--json'], envOf(context))
  assert.is(doctor.code, 1)
  const [docker] = JSON.parse(doctor.stdout).checks
  assert.equal([docker.name, docker.status], ['docker', 'fail'])
  assert.is(docker.remedy, 'Start Docker, then do the same again.')
})

start.run()
