import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerOf, type Banner, local, Workshop } from './program.ts'

const logs = suite<{ shop: Workshop }>('kecs logs')

logs.before.each((context) => {
  context.shop = new Workshop()
})
logs.after.each(({ shop }) => shop.clean())

/** Starts a task that says two lines in two containers and waits to be stopped. */
async function talk(banner: Banner): Promise<string> {
  await answerOf(banner, 'CreateCluster', {})
  const script = (text: string) => ['/bin/sh', '-c', `echo ${text}; exec sleep 60`]
  await answerOf(banner, 'RegisterTaskDefinition', {
    family: 'talk',
    containerDefinitions: [
      { name: 'a', image: 'none', memory: 8, command: script('hello') },
      { name: 'b', image: 'none', memory: 8, command: script('world') },
    ],
  })
  const { tasks } = await answerOf(banner, 'RunTask', { taskDefinition: 'talk' })
  return tasks[0].taskArn
}

logs('follows a task until it ends, by its ARN', async ({ shop }) => {
  const { banner } = await shop.serve('--memory', '--runtime', 'process')
  const admin = local(banner.adminEndpoint)
  const task = await talk(banner)
  const follower = shop.start(['logs', 'task', task, '-f', '--admin-url', admin])
  await follower.says(/a \| hello\n/)
  await follower.says(/b \| world\n/)
  await answerOf(banner, 'StopTask', { task })
  assert.is((await follower.ended).code, 0)
  const one = ['--container', 'b', '--json', '--admin-url', admin]
  const { stdout } = await shop.run(['logs', 'task', task.split('/').pop() ?? '', ...one])
  const { atMs, ...line } = JSON.parse(stdout)
  assert.ok(atMs > 0)
  assert.equal(line, { container: 'b', stream: 'stdout', line: 'world' })
})

async function startService(banner: Banner, desiredCount: number): Promise<void> {
  await answerOf(banner, 'CreateCluster', { clusterName: 'demo' })
  const command = ['/bin/sh', '-c', 'echo hello; exec sleep 60']
  await answerOf(banner, 'RegisterTaskDefinition', {
    family: 'talk',
    containerDefinitions: [{ name: 'a', image: 'none', memory: 8, command }],
  })
  const service = { cluster: 'demo', serviceName: 'web', taskDefinition: 'talk', desiredCount }
  await answerOf(banner, 'CreateService', service)
}

const SAID = '([0-9a-f]{32}) a \\| hello\n'

logs('follows a service: its tasks, those to come, until it is deleted', async ({ shop }) => {
  const { banner } = await shop.serve('--memory', '--runtime', 'process')
  await startService(banner, 2)
  const where = ['service', 'web', '--admin-url', local(banner.adminEndpoint)]
  const follower = shop.start(['logs', ...where, '--cluster', 'demo', '-f'])
  await follower.says(new RegExp(`${SAID}${SAID}`))
  const service = { cluster: 'demo', service: 'web' }
  await answerOf(banner, 'UpdateService', { ...service, desiredCount: 3 })
  const said = await follower.says(new RegExp(`${SAID}${SAID}${SAID}`))
  const ids = new Set(
    said
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  )
  assert.is(ids.size, 3)
  const lines = (await shop.run(['logs', ...where, '--json'])).stdout.trim().split('\n')
  assert.equal(new Set(lines.map((line) => JSON.parse(line).task)), ids)
  await answerOf(banner, 'DeleteService', { ...service, force: true })
  const { code, stdout } = await follower.ended
  assert.equal([code, stdout], [0, said])
})

logs('a service that is not there: which are', async ({ shop }) => {
  const { banner } = await shop.serve('--memory')
  await startService(banner, 0)
  const admin = ['--admin-url', local(banner.adminEndpoint)]
  const { code, stderr } = await shop.run(['logs', 'service', 'api', ...admin])
  assert.is(code, 1)
  assert.match(stderr, 'There is no service "api". There is demo/web.')
  const other = await shop.run(['logs', 'service', 'web', '--cluster', 'x', ...admin])
  assert.match(other.stderr, 'There is no service "x/web".')
  await answerOf(banner, 'CreateCluster', { clusterName: 'two' })
  const twin = { cluster: 'two', serviceName: 'web', taskDefinition: 'talk', desiredCount: 0 }
  await answerOf(banner, 'CreateService', twin)
  const several = await shop.run(['logs', 'service', 'web', ...admin])
  assert.match(several.stderr, 'There are several services "web"')
  assert.is((await shop.run(['logs', 'service', 'web', '--cluster', 'two', ...admin])).code, 0)
})

logs('says in three lines what is wrong', async ({ shop }) => {
  const { banner } = await shop.serve('--memory')
  const admin = local(banner.adminEndpoint)
  const unknown = await shop.run(['logs', 'task', 'nobody', '--admin-url', admin])
  assert.is(unknown.code, 1)
  assert.match(unknown.stderr, 'There is no task "nobody".')
  const kind = await shop.run(['logs', 'pod', 'x'])
  assert.is(kind.code, 2)
  assert.match(kind.stderr, 'there are no logs of "pod"')
  for (const args of [['task'], ['task', 'x', '--cluster', 'c'], ['lb', 'x', '--tail', 'all']]) {
    assert.is((await shop.run(['logs', ...args])).code, 2, args.join(' '))
  }
})

logs.run()
