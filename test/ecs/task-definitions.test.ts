import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sweep } from '../../ecs/sweep.ts'
import { World } from './world.ts'

const PREFIX = 'arn:aws:ecs:us-east-1:000000000000:task-definition/'

async function revisions(world: World, input: object): Promise<string[]> {
  const { taskDefinitionArns } = await world.call('ListTaskDefinitions', input)
  return taskDefinitionArns.map((arn: string) => arn.slice(PREFIX.length))
}

test('RegisterTaskDefinition: counts revisions a family, and fills in what AWS fills in', async () => {
  const world = new World()
  await world.register('web')
  await world.register('api')
  const { taskDefinition, tags } = await world.call('RegisterTaskDefinition', {
    family: 'web',
    networkMode: 'awsvpc',
    requiresCompatibilities: ['FARGATE'],
    cpu: '256',
    memory: '512',
    tags: [{ key: 'a', value: '1' }],
    containerDefinitions: [{ name: 'app', image: 'nginx', portMappings: [{ containerPort: 80 }] }],
  })
  assert.is(taskDefinition.taskDefinitionArn, `${PREFIX}web:2`)
  assert.is(taskDefinition.revision, 2)
  assert.equal(taskDefinition.containerDefinitions[0].portMappings, [
    { containerPort: 80, hostPort: 80, protocol: 'tcp' },
  ])
  assert.ok(taskDefinition.compatibilities.includes('FARGATE'))
  assert.equal(tags, [{ key: 'a', value: '1' }])
})

test('DescribeTaskDefinition: by family, by revision, by ARN; tags where asked for', async () => {
  const world = new World()
  await world.register('web')
  await world.register('web', {}, { tags: [{ key: 'a', value: '1' }] })
  const describe = (taskDefinition: string, include?: string[]) =>
    world.call('DescribeTaskDefinition', { taskDefinition, include })
  assert.is((await describe('web')).taskDefinition.revision, 2)
  assert.is((await describe('web:1')).taskDefinition.revision, 1)
  assert.is((await describe(`${PREFIX}web:1`)).taskDefinition.revision, 1)
  assert.equal((await describe('web', ['TAGS'])).tags, [{ key: 'a', value: '1' }])
  await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:2' })
  assert.is((await describe('web')).taskDefinition.revision, 1, 'the latest ACTIVE one')
  assert.is((await describe('web:2')).taskDefinition.status, 'INACTIVE')
  assert.is(
    await world.fault('DescribeTaskDefinition', { taskDefinition: 'nope' }),
    'ClientException: Unable to describe task definition.',
  )
})

test('ListTaskDefinitions: sorts revision 10 after 2, both ways, over pages', async () => {
  const world = new World()
  for (let i = 0; i < 11; i++) await world.register('web')
  await world.register('api')
  const up = await revisions(world, {})
  assert.equal(up.slice(0, 4), ['api:1', 'web:1', 'web:2', 'web:3'])
  assert.is(up.at(-1), 'web:11')
  assert.equal(await revisions(world, { sort: 'DESC' }), [...up].reverse())
  assert.equal(await revisions(world, { familyPrefix: 'api' }), ['api:1'])
  const first = await world.call('ListTaskDefinitions', { maxResults: 5 })
  const rest = await world.call('ListTaskDefinitions', { nextToken: first.nextToken })
  assert.is(first.taskDefinitionArns.length + rest.taskDefinitionArns.length, 12)
  assert.match(await world.fault('ListTaskDefinitions', { nextToken: 'x' }), /Invalid token/)
})

test('ListTaskDefinitionFamilies: by prefix and by whether a revision is active', async () => {
  const world = new World()
  for (const family of ['web', 'web-old', 'api']) await world.register(family)
  await world.call('DeregisterTaskDefinition', { taskDefinition: 'web-old:1' })
  const families = async (input: object) =>
    (await world.call('ListTaskDefinitionFamilies', input)).families
  assert.equal(await families({}), ['api', 'web'])
  assert.equal(await families({ familyPrefix: 'web' }), ['web'])
  assert.equal(await families({ status: 'INACTIVE' }), ['web-old'])
  assert.equal(await families({ status: 'ALL' }), ['api', 'web', 'web-old'])
})

test('DeregisterTaskDefinition: needs a revision; an inactive one starts nothing', async () => {
  const world = new World()
  await world.furnish()
  assert.match(await world.fault('DeregisterTaskDefinition', { taskDefinition: 'web' }), /evision/)
  const { taskDefinition } = await world.call('DeregisterTaskDefinition', {
    taskDefinition: 'web:1',
  })
  assert.is(taskDefinition.status, 'INACTIVE')
  assert.type(taskDefinition.deregisteredAt, 'number')
  const run = (name: string) => world.fault('RunTask', { cluster: 'c', taskDefinition: name })
  assert.is(await run('web:1'), 'ClientException: TaskDefinition is inactive')
  assert.is(await run('web'), 'ClientException: TaskDefinition not found.')
})

test('DeleteTaskDefinitions: takes inactive ones, and they go when nothing runs of them', async () => {
  const world = new World()
  await world.furnish()
  await world.register('web')
  await world.start()
  const { tasks } = await world.call('RunTask', { cluster: 'c', taskDefinition: 'web:1' })
  await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:1' })
  const { taskDefinitions, failures } = await world.call('DeleteTaskDefinitions', {
    taskDefinitions: ['web:1', 'web:2', 'web:9'],
  })
  assert.equal(
    taskDefinitions.map(({ status }: { status: string }) => status),
    ['DELETE_IN_PROGRESS'],
  )
  assert.equal(
    failures.map(({ arn }: { arn: string }) => arn.slice(PREFIX.length)),
    ['web:2', 'web:9'],
  )
  await world.settle()
  sweep(world.rows, world.clock.now())
  assert.is(world.rows.taskDefinitions.size, 2, 'a task still runs of it')
  await world.call('StopTask', { cluster: 'c', task: tasks[0].taskArn })
  await world.settle()
  sweep(world.rows, world.clock.now())
  assert.is(world.rows.taskDefinitions.size, 1)
  await world.register('web')
  assert.ok(world.rows.taskDefinitions.get(`${PREFIX}web:3`), 'a revision is never given twice')
  await world.close()
})

test('RegisterTaskDefinition: a refused definition takes no revision', async () => {
  const world = new World()
  assert.match(
    await world.fault('RegisterTaskDefinition', { family: 'web', containerDefinitions: [] }),
    /^ClientException/,
  )
  await world.register('web')
  assert.ok(world.rows.taskDefinitions.get(`${PREFIX}web:1`))
})

test.run()
