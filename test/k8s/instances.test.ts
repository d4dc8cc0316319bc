/** Instances side by side on one machine, stopped and started again, and ports that others have. */
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  agree,
  createInstance,
  define,
  freePorts,
  type Instance,
  idOf,
  podsOf,
  RUNS,
  SHOP,
  steady,
  tasksOf,
  User,
} from './instance.ts'
import { onCluster, remains } from './k3d.ts'

interface World {
  readonly user: User
  one: Instance
  two: Instance
}

const SUITE = 'instances on k3d'
const instances = suite<World>(SUITE)

instances.before(async (context) => {
  const user = new User()
  Object.assign(context, { user })
  context.one = await createInstance('one', user)
  context.two = await createInstance('two', user)
  for (const instance of [context.one, context.two]) {
    const taskDefinition = await define(instance, 'web', RUNS)
    const service = { cluster: SHOP, serviceName: 'web', taskDefinition, desiredCount: 2 }
    await instance.ecs.createService(service)
  }
})

instances.after(async ({ user, one, two }) => {
  await two?.delete()
  await one?.delete()
  await user?.shop.clean()
})

function dataOf({ home }: User, name: string): string {
  return join(home, '.kecs/instances', name)
}

function listening(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

instances(
  'a port taken: refused before anything is made, by its flag and its holder',
  async (all) => {
    const { user, one } = all
    const server = await listening()
    try {
      const { port } = server.address() as AddressInfo
      const free = await freePorts()
      const self = `\\(pid ${process.pid}\\) listens there`
      const container = `The container ${one.node} listens there`
      for (const [apiPort, adminPort, flag, holder] of [
        [port, free.adminPort, '--api-port', self],
        [free.apiPort, port, '--admin-port', self],
        [one.apiPort, free.adminPort, '--api-port', container],
        [free.apiPort, one.adminPort, '--admin-port', container],
      ] as const) {
        const name = `kecs-no-${process.pid}`
        const ports = ['--api-port', String(apiPort), '--admin-port', String(adminPort)]
        const given = ['--name', name, ...ports, '--no-localstack']
        const { code, stderr } = await user.shop.run(['start-v2', ...given], user.env)
        assert.is(code, 1)
        assert.match(stderr, new RegExp(`is taken[^]*${holder}[^]*another port with ${flag}`))
        assert.is(await remains(name), '')
        assert.not.ok(existsSync(dataOf(user, name)))
      }
    } finally {
      server.close()
    }
  },
)

instances(
  'two instances: own tasks, own data, both listed; one goes, the other stays',
  async (all) => {
    const { user, one, two } = all
    await steady(one, 'web', 2)
    await steady(two, 'web', 2)
    await agree(one)
    await agree(two)
    const ids = (await tasksOf(one)).map(idOf).sort()
    assert.not.ok((await tasksOf(two)).some((task) => ids.includes(idOf(task))))
    const listed = JSON.parse((await user.kecs('cluster', 'list', '--json')).stdout)
    const ours = listed.filter(({ name }: { name: string }) => [one.name, two.name].includes(name))
    assert.equal(
      ours
        .map(({ name, state, endpoint }: Record<string, unknown>) => [name, state, endpoint])
        .sort(),
      [one, two]
        .map(({ name, apiPort }) => [name, 'running', `http://localhost:${apiPort}`])
        .sort(),
    )
    await user.kecs('stop-v2', '--name', two.name, '--delete-data')
    assert.is(await remains(two.name), '')
    assert.not.ok(existsSync(dataOf(user, two.name)))
    assert.not.ok(existsSync(join(user.home, `.k3d/kubeconfig-${two.name}.yaml`)))
    await agree(one)
    assert.equal((await tasksOf(one)).map(idOf).sort(), ids)
  },
)

instances('stop-v2, start-v2: all is back, and services run again in new pods', async (all) => {
  const { user, one } = all
  const before = await podsOf(one)
  await user.kecs('stop-v2', '--name', one.name)
  assert.is(await remains(one.name), '')
  assert.ok(existsSync(dataOf(user, one.name)))
  await one.start()
  const { clusters = [] } = await one.ecs.describeClusters({ clusters: [SHOP] })
  assert.is(clusters[0]?.status, 'ACTIVE')
  const { taskDefinitionArns = [] } = await one.ecs.listTaskDefinitions({ familyPrefix: 'web' })
  assert.is(taskDefinitionArns.length, 1)
  const service = await steady(one, 'web', 2)
  assert.equal([service.status, service.deployments?.[0]?.failedTasks], ['ACTIVE', 0])
  const tasks = await tasksOf(one)
  for (const { id } of before) {
    const task = tasks.find((each) => idOf(each) === id)
    assert.equal(
      [task?.lastStatus, task?.stopCode, task?.stoppedReason],
      ['STOPPED', 'TerminationNotice', 'Task was lost while KECS was not running.'],
    )
  }
  await agree(one)
})

instances('stop-v2 --delete-data: nothing is left', async ({ user, one }) => {
  await user.kecs('stop-v2', '--name', one.name, '--delete-data')
  assert.is(await remains(one.name), '')
  assert.not.ok(existsSync(dataOf(user, one.name)))
  assert.not.ok(existsSync(join(user.home, `.k3d/kubeconfig-${one.name}.yaml`)))
  assert.not.ok(existsSync(join(user.home, '.kube/config')))
})

const tests = await onCluster(SUITE, instances)
tests.run()
