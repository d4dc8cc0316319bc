import { existsSync, readdirSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../raw-http.ts'
import { answerOf, type Banner, local, send, Workshop } from './program.ts'

const serve = suite<{ shop: Workshop }>('kecs serve')

serve.before.each((context) => {
  context.shop = new Workshop()
})
serve.after.each(({ shop }) => shop.clean())

function listed(banner: Banner): Promise<{ clusterArns: string[] }> {
  return answerOf(banner, 'ListClusters', {})
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** A call whose body lacks its last byte. */
function beginCall(port: number): RawConnection {
  const connection = new RawConnection(port)
  connection.say(
    'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\n' +
      'x-amz-target: AmazonEC2ContainerServiceV20141113.ListClusters\r\n' +
      'expect: 100-continue\r\ncontent-length: 2\r\n\r\n',
  )
  return connection
}

serve('banner: what, where, how honest, and lines to try, on stdout alone', async ({ shop }) => {
  const flags = ['--api-port', '0', '--admin-port', '0', '--memory']
  const program = shop.start(['serve', ...flags])
  const text = await program.says(/aws ecs list-clusters\n/)
  assert.match(text, /^kecs \d+\.\d+\.\d+ is ready\.\n/)
  assert.match(text, /endpoint +http:\/\/localhost:\d+\n/)
  assert.match(text, /admin +http:\/\/localhost:\d+ /)
  assert.match(text, /data +in memory/)
  assert.match(text, /runtime +Simulated: .*no command runs/)
  assert.match(text, /backend +none/)
  assert.match(text, /export AWS_ENDPOINT_URL=http:\/\/localhost:\d+\n/)
  assert.match(text, 'AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test')
  assert.match(text, 'AWS_DEFAULT_REGION=us-east-1')
  program.kill('SIGTERM')
  const { code, stdout, stderr } = await program.ended
  assert.is(code, 0)
  assert.is(stdout, text)
  assert.match(stderr, /INFO {2}stopping signal=SIGTERM\n.*INFO {2}stopped\n$/)
})

serve('--endpoint: is told in place of the address, and its host may call', async ({ shop }) => {
  const url = 'http://kecs.example.test:5566'
  const { banner } = await shop.serve('--memory', '--endpoint', url)
  assert.is(banner.endpoint, url)
  const { port } = new URL(banner.adminEndpoint)
  const statusOf = (host: string) =>
    new Promise((resolve, reject) => {
      const asked = { port, path: '/health', headers: { host }, timeout: 5_000 }
      get(asked, (answer) => resolve(answer.resume().statusCode)).on('error', reject)
    })
  assert.is(await statusOf('kecs.example.test:5566'), 200)
  assert.is(await statusOf('other.example.test:5566'), 403)
})

serve('banner: listeners that the network reaches are told, others are not', async ({ shop }) => {
  const flags = ['serve', '--api-port', '0', '--admin-port', '0', '--memory', '--listener-host']
  const started = (host: string) => shop.start([...flags, host]).says(/aws ecs list-clusters\n/)
  assert.match(await started('0.0.0.0'), /listeners +on 0\.0\.0\.0: the network reaches them\n/)
  for (const host of ['127.0.0.1', 'none']) assert.not.match(await started(host), 'listeners')
})

serve('banner: credentials and region that are set are not asked for again', async ({ shop }) => {
  const flags = ['--api-port', '0', '--admin-port', '0', '--memory']
  const env = { AWS_PROFILE: 'mine', AWS_REGION: 'eu-west-1' }
  const text = await shop.start(['serve', ...flags], env).says(/aws ecs list-clusters\n/)
  assert.not.match(text, 'AWS_ACCESS_KEY_ID')
  assert.not.match(text, 'AWS_DEFAULT_REGION')
})

serve(
  'backend: one that is not there is a warning, in the banner and in the log',
  async ({ shop }) => {
    const backend = 'http://127.0.0.1:1'
    const { program, banner } = await shop.serve('--memory', '--backend', backend)
    assert.is(banner.backend, backend)
    assert.match(String(banner.backendTrouble), 'cannot be reached')
    assert.match(await program.says(/"warn"/, 'stderr'), 'the backend does not answer')
    assert.is((await send(banner, 'ListClusters', {})).status, 200)
    assert.is((await fetch(`${local(banner.endpoint)}/bucket/key`)).status, 502)
  },
)

serve(
  'backend: without one other services get an answer that says how to set one',
  async ({ shop }) => {
    const { banner } = await shop.serve('--memory')
    const answer = await fetch(`${local(banner.endpoint)}/bucket/key`)
    assert.is(answer.status, 503)
    assert.match(await answer.text(), '--backend')
  },
)

serve('settings: AWS_ENDPOINT_URL is no backend, and HOME holds the data', async ({ shop }) => {
  const home = shop.folder()
  const env = { HOME: home, AWS_ENDPOINT_URL: 'http://127.0.0.1:9', KECS_LOG_FORMAT: 'json' }
  const program = shop.start(['serve', '--api-port', '0', '--admin-port', '0'], env)
  const banner = JSON.parse(await program.says(/\n/))
  assert.is(banner.backend, undefined)
  assert.equal(Object.keys(banner), [
    'time',
    'level',
    'message',
    'version',
    'endpoint',
    'adminEndpoint',
    'dataDir',
    'runtime',
    'honesty',
    'listenerHost',
  ])
  assert.is(banner.dataDir, join(home, '.kecs', 'data'))
  assert.ok(existsSync(banner.dataDir))
})

serve('kill -9: what was acknowledged is there after the next start', async ({ shop }) => {
  const dir = shop.folder()
  const first = await shop.serve('--data-dir', dir)
  for (const clusterName of ['one', 'two', 'three']) {
    assert.is((await send(first.banner, 'CreateCluster', { clusterName })).status, 200)
  }
  first.program.kill('SIGKILL')
  await first.program.ended
  const second = await shop.serve('--data-dir', dir)
  const { clusterArns } = await listed(second.banner)
  assert.equal(
    clusterArns.map((arn) => arn.split('/')[1]),
    ['one', 'two', 'three'],
  )
})

serve('SIGINT: the call under way is answered, then it ends with 0', async ({ shop }) => {
  const { program, banner } = await shop.serve('--memory')
  const port = portOf(banner.endpoint)
  const under = beginCall(port)
  await under.hears('100 Continue')
  program.kill('SIGINT')
  await program.says(/"stopping"/, 'stderr')
  under.say('{}')
  assert.match(await under.toTheEnd(), /HTTP\/1\.1 200 OK[\s\S]*"clusterArns":\[\]/)
  assert.is((await program.ended).code, 0)
})

serve('SIGTERM twice: the second ends it at once', async ({ shop }) => {
  const { program, banner } = await shop.serve('--memory')
  const under = beginCall(portOf(banner.endpoint))
  await under.hears('100 Continue')
  program.kill('SIGTERM')
  await program.says(/"stopping"/, 'stderr')
  program.kill('SIGTERM')
  const { code, stderr } = await program.ended
  assert.is(code, 1)
  assert.not.match(stderr, '"stopped"')
  under.destroy()
})

serve('status: of a running kecs, as text and as JSON', async ({ shop }) => {
  const { program, banner } = await shop.serve('--memory')
  const url = ['--admin-url', local(banner.adminEndpoint)]
  const [text, json] = await Promise.all([
    shop.run(['status', ...url]),
    shop.run(['status', '--json', ...url]),
  ])
  assert.is(text.code, 0, text.stderr)
  assert.match(text.stdout, /^kecs \S+ is up\.\n/)
  assert.match(text.stdout, /no command runs/)
  const status = JSON.parse(json.stdout)
  assert.is(status.pid, program.pid)
  assert.is(status.endpoint, banner.endpoint)
  assert.is(status.runtime.name, 'simulated')
  assert.is(status.dataDir, null)
  assert.equal(
    status.health.components.map((part: { name: string }) => part.name),
    ['store', 'runtime', 'reconciler', 'listeners', 'backend'],
  )
})

serve('sql: a table, and objects with --json; what writes is refused', async ({ shop }) => {
  const { banner } = await shop.serve('--memory')
  await send(banner, 'CreateCluster', { clusterName: 'demo' })
  const url = ['--admin-url', local(banner.adminEndpoint)]
  const table = await shop.run(['sql', 'SELECT name, status FROM clusters', ...url])
  assert.is(table.stdout, 'name  status\n----  ------\ndemo  ACTIVE\n', table.stderr)
  const json = await shop.run(['sql', '--json', 'SELECT name FROM clusters', ...url])
  assert.equal(JSON.parse(json.stdout), [{ name: 'demo' }])
  const write = await shop.run(['sql', 'DELETE FROM clusters', ...url])
  assert.is(write.code, 1)
  assert.is(write.stderr.trimEnd().split('\n').length, 3)
})

serve('reset: a running kecs empties itself and goes on', async ({ shop }) => {
  const dir = shop.folder()
  const { program, banner } = await shop.serve('--data-dir', dir)
  await send(banner, 'CreateCluster', { clusterName: 'demo' })
  const metrics = await (await fetch(`${local(banner.adminEndpoint)}/metrics`)).text()
  assert.match(metrics, 'kecs_journal_transactions_total 1\n')
  const url = ['--admin-url', local(banner.adminEndpoint)]
  const reset = await shop.run(['reset', '--yes', '--json', ...url])
  assert.is(reset.code, 0, reset.stderr)
  assert.is(JSON.parse(reset.stdout).rows, 1)
  assert.equal(await listed(banner), { clusterArns: [] })
  program.kill('SIGTERM')
  assert.is((await program.ended).code, 0)
  assert.ok(readdirSync(dir).includes('format.json'))
  const again = await shop.serve('--data-dir', dir)
  assert.equal(await listed(again.banner), { clusterArns: [] })
})

serve('log: no credential is ever in it', async ({ shop }) => {
  const { program, banner } = await shop.serve('--memory', '--log-level', 'debug')
  await send(banner, 'CreateCluster', { clusterName: 'demo' })
  await send(banner, 'NoSuchOperation', { secret: 'hunter2' })
  program.kill('SIGTERM')
  const { stdout, stderr } = await program.ended
  assert.not.match(stdout + stderr, /hunter2|Signature|Credential/)
})

serve.run()
