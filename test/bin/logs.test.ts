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

logs('says in three lines what is wrong', async ({ shop }) => {
  const { banner } = await shop.serve('--memory')
  const admin = local(banner.adminEndpoint)
  const unknown = await shop.run(['logs', 'task', 'nobody', '--admin-url', admin])
  assert.is(unknown.code, 1)
  assert.match(unknown.stderr, 'There is no task "nobody".')
  const kind = await shop.run(['logs', 'pod', 'x'])
  assert.is(kind.code, 2)
  assert.match(kind.stderr, 'there are no logs of "pod"')
})

logs.run()
