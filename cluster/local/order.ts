import type { ContainerSpec, DependencyCondition, TaskSpec } from '../runtime.ts'

/** What the order of containers needs to know of one of them. */
export interface Ordered {
  readonly name: string
  readonly progress: 'waiting' | 'starting' | 'running' | 'stopping' | 'stopped'
  /** Absent for a container that never started. */
  readonly startedAtMs?: number
  readonly exitCode?: number
  readonly health: 'unknown' | 'healthy' | 'unhealthy'
}

/** `never`: no later event can make it start. */
export type Readiness =
  | { readonly is: 'ready' }
  | { readonly is: 'waiting'; readonly deadlineMs?: number }
  | { readonly is: 'never'; readonly reason: string }

/** Why the containers of a task can never all start, or undefined: unknown names and cycles. */
export function orderProblem(spec: TaskSpec): string | undefined {
  const byName = new Map(spec.containers.map((container) => [container.name, container]))
  if (byName.size !== spec.containers.length) return 'two containers bear the same name'
  for (const { name, dependsOn } of spec.containers) {
    for (const { container } of dependsOn) {
      if (!byName.has(container)) return `container ${name} depends on unknown ${container}`
    }
  }
  const free = new Set<string>()
  for (let grown = true; grown; ) {
    grown = false
    for (const { name, dependsOn } of spec.containers) {
      if (free.has(name) || !dependsOn.every(({ container }) => free.has(container))) continue
      free.add(name)
      grown = true
    }
  }
  const stuck = spec.containers.find(({ name }) => !free.has(name))
  return stuck && `container ${stuck.name} depends on itself, by way of its dependencies`
}

/**
 * Whether a container may start now. As the ECS agent does, the time-out is the dependency's own and
 * counts from its start; a dependency that has ended cannot become HEALTHY any more.
 */
export function readinessOf(
  container: ContainerSpec,
  spec: TaskSpec,
  all: readonly Ordered[],
  nowMs: number,
): Readiness {
  let deadlineMs: number | undefined
  let waiting = false
  for (const { container: name, condition } of container.dependsOn) {
    const dependency = all.find((other) => other.name === name)
    if (!dependency || isMet(condition, dependency)) continue
    const graph = 'CannotStartContainerError: dependency graph:'
    const pair = `container ordering dependency [${name}] for target [${container.name}]`
    const flaw = flawOf(condition, dependency)
    if (flaw) return { is: 'never', reason: `${graph} failed to resolve ${pair} as ${flaw}` }
    waiting = true
    const dueMs = deadlineOf(name, condition, dependency, spec)
    if (dueMs === undefined) continue
    if (dueMs <= nowMs) return { is: 'never', reason: `${graph} ${pair} has timed out.` }
    deadlineMs = Math.min(dueMs, deadlineMs ?? dueMs)
  }
  if (!waiting) return { is: 'ready' }
  return deadlineMs === undefined ? { is: 'waiting' } : { is: 'waiting', deadlineMs }
}

/** Whether a container may be told to stop: those that depend on it stop first. */
export function mayStop(name: string, spec: TaskSpec, all: readonly Ordered[]): boolean {
  return spec.containers.every(
    (other) =>
      !other.dependsOn.some(({ container }) => container === name) ||
      all.find((each) => each.name === other.name)?.progress === 'stopped',
  )
}

function isMet(condition: DependencyCondition, dependency: Ordered): boolean {
  if (dependency.startedAtMs === undefined) return false
  const stopped = dependency.progress === 'stopped'
  if (condition === 'START') return true
  if (condition === 'COMPLETE') return stopped
  if (condition === 'SUCCESS') return stopped && dependency.exitCode === 0
  return !stopped && dependency.health === 'healthy'
}

function flawOf(condition: DependencyCondition, dependency: Ordered): string | undefined {
  if (dependency.progress !== 'stopped') return undefined
  if (dependency.startedAtMs === undefined) return 'dependency will never start.'
  if (condition === 'SUCCESS') return 'dependency did not exit successfully.'
  return condition === 'HEALTHY' ? 'dependency stopped before it was healthy.' : undefined
}

function deadlineOf(
  name: string,
  condition: DependencyCondition,
  dependency: Ordered,
  spec: TaskSpec,
): number | undefined {
  const timeoutMs = spec.containers.find((other) => other.name === name)?.startTimeoutMs
  if (condition === 'START' || timeoutMs === undefined) return undefined
  return dependency.startedAtMs === undefined ? undefined : dependency.startedAtMs + timeoutMs
}
