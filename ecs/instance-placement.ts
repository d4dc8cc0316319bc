/** Which container instance each task goes to. */
import type * as sdk from '@aws-sdk/client-ecs'
import type { EcsContext } from './context.ts'
import { nodeOf } from './instances.ts'
import type { ContainerInstanceRow, TaskDefinitionBody, TaskRow } from './rows.ts'
import { containersOf } from './task-definition-rules/model.ts'
import { parseCpuUnits, parseMemoryMiB } from './task-definition-rules/sizes.ts'

export interface PlacementRules {
  readonly constraints?: readonly sdk.PlacementConstraint[] | undefined
  readonly strategy?: readonly sdk.PlacementStrategy[] | undefined
}

/** What a task takes of its instance: CPU units, MiB, and ports such as `80/tcp`. */
export interface Needs {
  readonly cpuUnits: number
  readonly memoryMiB: number
  readonly ports: readonly string[]
  /** What it shares with other tasks may be on one machine alone, and the runtime knows which. */
  readonly sharesFiles: boolean
}

export interface Candidate {
  readonly row: ContainerInstanceRow
  /** Undefined: its machine refuses nothing for want of room. */
  readonly left: { cpuUnits: number; memoryMiB: number; readonly ports: Set<string> } | undefined
  /** Tasks of the same service, or of the same call. */
  tasks: number
}

export interface Placed {
  /** One for each task that has a place; undefined: whichever machine the runtime takes. */
  readonly instances: readonly (ContainerInstanceRow | undefined)[]
  /** Why others have none, by instance. */
  readonly failures: readonly { readonly arn: string; readonly reason: string }[]
}

const UNSATISFIED = 'DistinctInstance placement constraint unsatisfied.'

/**
 * Pure but for the candidates' counts, which go on. Without rules the runtime chooses where there is
 * a choice: it knows what else runs on its machines.
 */
export function placeTasks(
  candidates: readonly Candidate[],
  needs: Needs,
  count: number,
  { constraints = [], strategy = [] }: PlacementRules,
): Placed {
  const distinct = constraints.some(({ type }) => type === 'distinctInstance')
  const instances: (ContainerInstanceRow | undefined)[] = []
  const objection = (each: Candidate) =>
    shortage(each, needs) ?? (distinct && each.tasks > 0 ? UNSATISFIED : undefined)
  for (let index = 0; index < count; index++) {
    const fit = candidates.filter((each) => objection(each) === undefined)
    const [best] = fit.sort((left, right) => compare(left, right, strategy, candidates))
    if (!best) return { instances, failures: failuresOf(candidates, objection, count - index) }
    const preferred = strategy.some(isChoice) && !needs.sharesFiles
    const chosen = candidates.length === 1 || distinct || preferred
    instances.push(chosen ? best.row : undefined)
    best.tasks++
    if (!best.left) continue
    best.left.cpuUnits -= needs.cpuUnits
    best.left.memoryMiB -= needs.memoryMiB
    for (const port of needs.ports) best.left.ports.add(port)
  }
  return { instances, failures: [] }
}

function failuresOf(
  candidates: readonly Candidate[],
  objection: (candidate: Candidate) => string | undefined,
  missing: number,
): Placed['failures'] {
  const reasons = candidates.map((each) => ({ arn: each.row.arn, reason: objection(each) ?? '' }))
  const short = reasons.filter(({ reason }) => reason !== UNSATISFIED)
  if (short.length > 0) return short
  // One for each task, as AWS answers it.
  return Array.from({ length: missing }, () => reasons[0] ?? { arn: '', reason: UNSATISFIED })
}

function shortage({ left }: Candidate, needs: Needs): string | undefined {
  if (!left) return undefined
  if (needs.cpuUnits > left.cpuUnits) return 'RESOURCE:CPU'
  if (needs.memoryMiB > left.memoryMiB) return 'RESOURCE:MEMORY'
  return needs.ports.some((port) => left.ports.has(port)) ? 'RESOURCE:PORTS' : undefined
}

function isChoice({ type }: sdk.PlacementStrategy): boolean {
  return type === 'spread' || type === 'binpack'
}

/** The first strategy that tells two instances apart decides. */
function compare(
  left: Candidate,
  right: Candidate,
  strategy: readonly sdk.PlacementStrategy[],
  all: readonly Candidate[],
): number {
  for (const { type, field = '' } of strategy) {
    const difference =
      type === 'binpack'
        ? remaining(left, field) - remaining(right, field)
        : type === 'spread'
          ? tasksAt(left, field, all) - tasksAt(right, field, all)
          : 0
    if (difference !== 0) return difference
  }
  return left.tasks - right.tasks
}

function remaining({ left, row }: Candidate, field: string): number {
  const { cpuUnits, memoryMiB } = left ?? row
  return field.toLowerCase() === 'cpu' ? cpuUnits : memoryMiB
}

/** Tasks on all instances that have the same value of the attribute. */
function tasksAt(candidate: Candidate, field: string, all: readonly Candidate[]): number {
  const attribute = /^attribute:(.+)$/.exec(field)?.[1]
  if (attribute === undefined) return candidate.tasks
  const attributeOf = ({ row }: Candidate) =>
    row.attributes.find(({ name }) => name === attribute)?.value
  const same = all.filter((each) => attributeOf(each) === attributeOf(candidate))
  return same.reduce((sum, { tasks }) => sum + tasks, 0)
}

/** Instances with what is left of each; `serviceArn`: whose tasks are counted. */
export function candidatesOf(
  context: EcsContext,
  instances: readonly ContainerInstanceRow[],
  serviceArn?: string,
): Candidate[] {
  const { rows } = context
  return instances.map((row) => {
    const tasks = [...rows.tasks.by('instanceLive', row.arn)]
    const mine = tasks.filter((task) => serviceArn !== undefined && task.serviceArn === serviceArn)
    const bounded = nodeOf(context, row)?.bounded === true
    return { row, tasks: mine.length, left: bounded ? leftOf(context, row, tasks) : undefined }
  })
}

function leftOf(
  { rows }: EcsContext,
  row: ContainerInstanceRow,
  tasks: readonly TaskRow[],
): NonNullable<Candidate['left']> {
  const left = { cpuUnits: row.cpuUnits, memoryMiB: row.memoryMiB, ports: new Set<string>() }
  for (const task of tasks) {
    const definition = rows.taskDefinitions.get(task.taskDefinitionArn)
    if (!definition) continue
    const { cpuUnits, memoryMiB, ports } = needsOf(definition.body, task.overrides)
    left.cpuUnits -= cpuUnits
    left.memoryMiB -= memoryMiB
    for (const port of ports) left.ports.add(port)
  }
  return left
}

export function needsOf(definition: TaskDefinitionBody, overrides: sdk.TaskOverride = {}): Needs {
  const containers = containersOf(definition)
  const sum = (of: (container: (typeof containers)[number]) => number | undefined) =>
    containers.reduce((total, container) => total + (of(container) ?? 0), 0)
  const { cpu = definition.cpu, memory = definition.memory } = overrides
  return {
    cpuUnits: parseCpuUnits(cpu ?? '') ?? sum((each) => each.cpu),
    memoryMiB: parseMemoryMiB(memory ?? '') ?? sum((each) => each.memoryReservation ?? each.memory),
    ports: portsOf(definition),
    sharesFiles: (definition.volumes ?? []).some((each) => each.efsVolumeConfiguration),
  }
}

function portsOf(definition: TaskDefinitionBody): string[] {
  const { networkMode = 'bridge' } = definition
  if (networkMode !== 'bridge' && networkMode !== 'host') return []
  const mappings = containersOf(definition).flatMap(({ portMappings = [] }) => portMappings)
  return mappings.flatMap(({ hostPort = 0, containerPort = 0, protocol = 'tcp' }) => {
    const port = networkMode === 'host' ? containerPort : hostPort
    return port > 0 ? [`${port}/${protocol}`] : []
  })
}
