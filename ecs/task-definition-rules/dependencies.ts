/** How containers refer to one another: order of start, links, volumes of a neighbour. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { type Container, containerNamed, containersOf } from './model.ts'

/** Faults: ClientException. */
export function checkDependencies(definition: TaskDefinitionBody): void {
  for (const container of containersOf(definition)) {
    for (const { containerName, condition } of container.dependsOn ?? []) {
      if (containerName === container.name) {
        throw clientException(`Container '${container.name}' cannot depend on itself.`)
      }
      const dependency = containerNamed(definition, containerName)
      if (!dependency) {
        // The stray plus sign is AWS's.
        throw clientException(
          `Cannot depend on container + '${containerName}' because it does not exist`,
        )
      }
      checkCondition(dependency, condition)
    }
    checkLinks(container, definition)
    checkVolumesFrom(container, definition)
  }
  const cycle = findCycle(containersOf(definition))
  if (cycle) {
    throw clientException(`Container dependencies form a cycle: ${cycle.join(' -> ')}.`)
  }
}

function checkCondition(dependency: Container, condition: string | undefined): void {
  const { essential, healthCheck } = dependency
  if ((condition === 'COMPLETE' || condition === 'SUCCESS') && essential) {
    throw clientException(
      'A dependency container with SUCCESS or COMPLETE condition cannot be an essential container',
    )
  }
  const checked = healthCheck !== undefined && healthCheck.command?.[0] !== 'NONE'
  if (condition === 'HEALTHY' && !checked) {
    throw clientException(
      'A dependency container with HEALTHY condition must have health check configured',
    )
  }
}

/** The container a link (`db` or `db:alias`) leads to. */
export function linkedContainer(link: string): string {
  return link.split(':', 1)[0] ?? ''
}

function checkLinks(container: Container, definition: TaskDefinitionBody): void {
  for (const link of container.links ?? []) {
    const name = linkedContainer(link)
    if (name === container.name || !containerNamed(definition, name)) {
      throw clientException(`Invalid 'links' setting. Unknown container: '${name}'`)
    }
  }
}

function checkVolumesFrom(container: Container, definition: TaskDefinitionBody): void {
  for (const { sourceContainer } of container.volumesFrom ?? []) {
    if (sourceContainer === container.name || !containerNamed(definition, sourceContainer)) {
      throw clientException(
        `Invalid 'volumesFrom' setting. Unknown container: '${sourceContainer}'`,
      )
    }
  }
}

/** Names of the containers this one starts after: by dependsOn, links and volumesFrom alike. */
export function startsAfter(container: Container): string[] {
  return [
    ...(container.dependsOn ?? []).map(({ containerName = '' }) => containerName),
    ...(container.links ?? []).map(linkedContainer),
    ...(container.volumesFrom ?? []).map(({ sourceContainer = '' }) => sourceContainer),
  ]
}

function findCycle(containers: readonly Container[]): string[] | undefined {
  const after = new Map(containers.map((each) => [each.name ?? '', startsAfter(each)]))
  const settled = new Set<string>()
  const visit = (name: string, path: string[]): string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (settled.has(name)) return undefined
    for (const next of after.get(name) ?? []) {
      const cycle = visit(next, [...path, name])
      if (cycle) return cycle
    }
    settled.add(name)
    return undefined
  }
  for (const name of after.keys()) {
    const cycle = visit(name, [])
    if (cycle) return cycle
  }
  return undefined
}
