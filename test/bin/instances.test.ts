/** Commands that speak to an instance by its name: a real kecs, behind a Docker that tells its ports. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakePrograms, fakeWorld, inspected } from '../cluster/k3d/fake-programs.ts'
import { answerOf, local, Workshop } from './program.ts'

interface World {
  shop: Workshop
  fakes: FakePrograms
  run: (...args: string[]) => ReturnType<Workshop['run']>
}

const instances = suite<World>('kecs status, sql, logs, reset --name')

instances.before.each((context) => {
  const shop = new Workshop()
  const fakes = new FakePrograms()
  const env = { ...fakes.env, HOME: shop.folder() }
  // Nobody listens there.
  const run = (...args: string[]) => shop.run(args, { ...env, KECS_ADMIN_PORT: '9' })
  Object.assign(context, { shop, fakes, run })
})
instances.after.each(async ({ shop, fakes }) => {
  await shop.clean()
  fakes.clean()
})

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** A cluster `kecs` that runs, with its admin port there. */
function runsAt(fakes: FakePrograms, adminPort: number, pods: object = { items: [] }): void {
  fakeWorld(fakes, { apiPort: 4566, adminPort, dataDir: '/data', pods })
  fakes.remember('cluster', '')
}

instances('by its name, wherever its admin port is', async ({ shop, fakes, run }) => {
  const { banner } = await shop.serve('--memory')
  runsAt(fakes, portOf(banner.adminEndpoint))
  await answerOf(banner, 'CreateCluster', { clusterName: 'demo' })
  const status = JSON.parse((await run('status', '--name', 'kecs', '--json')).stdout)
  assert.is(status.adminEndpoint, `http://localhost:${portOf(banner.adminEndpoint)}`)
  const rows = await run('sql', '--name', 'kecs', '--json', 'SELECT name FROM clusters')
  assert.equal(JSON.parse(rows.stdout), [{ name: 'demo' }], rows.stderr)
  assert.match((await run('reset', '--name', 'kecs', '--yes')).stdout, 'is as new')
  assert.equal((await answerOf(banner, 'ListClusters', {})).clusterArns, [])
})

instances('without a name: who answers nowhere is told which instances run', async (context) => {
  const { fakes, run } = context
  runsAt(fakes, 18_081)
  const { code, stderr } = await run('status')
  assert.is(code, 1)
  assert.match(stderr, 'no kecs answers at http://localhost:9.')
  assert.match(stderr, 'the instance kecs has http://localhost:18081')
  assert.match(stderr, 'try: kecs status --name kecs')
})

instances('one that is not there, is stopped, or does not answer', async ({ fakes, run }) => {
  runsAt(fakes, 9)
  const none = await run('sql', '--name', 'two', 'SELECT 1')
  assert.is(none.code, 1)
  assert.match(none.stderr, /there is no instance two\.\n {2}why: There is kecs\./)
  const silent = await run('status', '--name', 'kecs')
  assert.match(silent.stderr, 'the instance kecs runs, and its control plane does not answer')
  const reset = await run('reset', '--name', 'kecs', '--yes')
  assert.is(reset.code, 1)
  assert.match(reset.stderr, 'Nothing was deleted')
  const stopped = { labels: { 'kecs.dev/instance': 'kecs' }, status: 'exited' }
  fakes.remember('inspect.json', JSON.stringify([inspected(stopped)]))
  const { stderr } = await run('status', '--name', 'kecs')
  assert.match(stderr, 'the instance kecs does not run.')
  assert.match(stderr, 'try: kecs start-v2 --name kecs')
})

instances('--name and what contradicts it: exit code 2', async ({ run }) => {
  const contradictions = [
    ['status', '--name', 'kecs', '--admin-url', 'http://localhost:1'],
    ['reset', '--name', 'kecs', '--data-dir', '/x'],
    ['status', '--name', 'No_Name'],
  ]
  for (const args of contradictions) assert.is((await run(...args)).code, 2, args.join(' '))
})

instances('status: a kecs in a cluster is told with the cluster', async ({ fakes, run }) => {
  const info = { version: '1', runtime: { name: 'kubernetes', honesty: 'pods' }, backend: null }
  const health = { status: 'up', components: [] }
  const server = createServer((req, res) => {
    res.end(JSON.stringify(req.url === '/info' ? { ...info, dataDir: '/inside' } : health))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  runsAt(fakes, port)
  const { stdout } = await run('status', '--admin-url', `http://127.0.0.1:${port}`)
  server.close()
  assert.match(stdout, /cluster +kecs, running: 1 node of rancher\/k3s:v1\.31\.5-k3s1/)
  assert.match(stdout, /data +\/data\n/)
  assert.match(stdout, `admin       http://127.0.0.1:${port}`)
})

const POD = (name: string, app: string) => ({
  metadata: { name, labels: { app } },
  status: { containerStatuses: [{ name: 'c', restartCount: 0, state: { running: {} } }] },
})

const KUBECTL = `case "$*" in
*'get pods'*) cat "$DIR/pods.json" ;;
*'logs -n kecs-system cp-1'*) echo '2026-01-01T00:00:02Z second'; echo '2026-01-01T00:00:03Z third' ;;
*'logs -n kecs-system ls-1'*) echo '2026-01-01T00:00:01Z first' ;;
esac`

instances('logs component: all in order, or one; an unknown one', async ({ fakes, run }) => {
  const pods = { items: [POD('cp-1', 'kecs-controlplane'), POD('ls-1', 'localstack')] }
  runsAt(fakes, 9, pods)
  fakes.write('kubectl', KUBECTL)
  const all = await run('logs', 'component')
  assert.is(
    all.stdout,
    'localstack | first\ncontrolplane | second\ncontrolplane | third\n',
    all.stderr,
  )
  const one = await run('logs', 'component', 'localstack', '--tail', '5', '--json')
  assert.equal(JSON.parse(one.stdout), {
    component: 'localstack',
    pod: 'ls-1',
    atMs: Date.UTC(2026, 0, 1, 0, 0, 1),
    line: 'first',
  })
  assert.match(fakes.calls().at(-1) ?? '', 'ls-1 -c c --timestamps --tail=5')
  const other = await run('logs', 'component', 'traefik')
  assert.is(other.code, 1)
  assert.match(other.stderr, 'the instance kecs has no component "traefik".')
  assert.match(other.stderr, 'It has controlplane, localstack.')
})

instances('logs component -f: Ctrl-C ends it, quietly, and kubectl with it', async (context) => {
  const { shop, fakes } = context
  runsAt(fakes, 9, { items: [POD('cp-1', 'kecs-controlplane')] })
  fakes.write(
    'kubectl',
    `case "$*" in
*'get pods'*) cat "$DIR/pods.json" ;;
*logs*-f) echo '2026-01-01T00:00:02Z hello'; exec sleep 60 ;;
esac`,
  )
  const program = shop.start(['logs', 'component', '-f'], { ...fakes.env, HOME: shop.folder() })
  await program.says(/controlplane \| hello/)
  program.kill('SIGINT')
  const { code, stderr } = await program.ended
  assert.equal([code, stderr], [130, ''])
})

instances('logs component: kecs serve has none', async ({ shop, fakes }) => {
  const { banner } = await shop.serve('--memory')
  fakeWorld(fakes, { apiPort: 1, adminPort: 2, dataDir: '/data' })
  const env = { ...fakes.env, KECS_ADMIN_URL: local(banner.adminEndpoint) }
  const { code, stderr } = await shop.run(['logs', 'component'], env)
  assert.is(code, 1)
  assert.match(stderr, 'has no components.')
  assert.match(stderr, 'It is one process')
})

instances.run()
