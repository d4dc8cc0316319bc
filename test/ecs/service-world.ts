import { type Answer, World } from './world.ts'

export const BREAKER = { deploymentCircuitBreaker: { enable: true, rollback: true } }

export async function furnished(): Promise<World> {
  const world = new World()
  await world.furnish()
  await world.register('web')
  await world.start()
  return world
}

export async function create(world: World, input: object = {}): Promise<Answer> {
  const { service } = await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web:1',
    desiredCount: 3,
    ...input,
  })
  return service
}

export const update = async (world: World, input: object) =>
  (await world.call('UpdateService', { cluster: 'c', service: 's', ...input })).service

export function messages(service: Answer): string[] {
  return service.events.map(({ message }: { message: string }) =>
    message.replace(/\(task \w+\)/g, '(task)').replace(/ecs-svc\/\d+/g, 'ecs-svc/N'),
  )
}

/** Crashes whatever runs of the definition until the service is quiet. */
export async function crashAll(world: World, definition: string): Promise<void> {
  for (let round = 0; round < 60; round++) {
    await world.settle(100)
    for (const { id, phase } of world.runtime.states()) {
      const revision = `${world.runtime.spec(id).labels['kecs.dev/family']}:${world.runtime.spec(id).labels['kecs.dev/revision']}`
      if (phase === 'running' && revision === definition) world.runtime.crash(id)
    }
    await world.idle()
    if ((await world.service()).deployments[0].rolloutState !== 'IN_PROGRESS') return
    if (!(await world.service()).taskDefinition.endsWith(definition)) return
  }
}
