/** Processor and memory, of the task and of its containers. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { type Container, containersOf, isWindows, requires, within } from './model.ts'

const UNITS_PER_VCPU = 1024
const MIB_PER_GIB = 1024
const MIN_MEMORY_MIB = 4
const MIN_EC2_TASK_CPU = 128
const MAX_EC2_TASK_CPU = 196_608
const MIN_WINDOWS_FARGATE_CPU = 1024
const MAX_WINDOWS_FARGATE_CPU = 4096
/** Longer texts are no numbers; spares the patterns hostile input. */
const MAX_NUMBER_LENGTH = 24

const WHOLE = /^\d+$/
const VCPUS = /^(\d+(?:\.\d+)?|\.\d+)\s*vcpu$/i
const GIBS = /^(\d+(?:\.\d+)?|\.\d+)\s*gb$/i

/** CPU units of `1024`, `1 vCPU` or `.25 vcpu`; undefined where the text is none of these. */
export function parseCpuUnits(text: string): number | undefined {
  return parseAmount(text, VCPUS, UNITS_PER_VCPU)
}

/** MiB of `512`, `0.5GB` or `2 gb`; undefined where the text is none of these. */
export function parseMemoryMiB(text: string): number | undefined {
  return parseAmount(text, GIBS, MIB_PER_GIB)
}

function parseAmount(text: string, unit: RegExp, factor: number): number | undefined {
  if (text.length > MAX_NUMBER_LENGTH) return undefined
  const trimmed = text.trim()
  if (WHOLE.test(trimmed)) return Number(trimmed)
  const amount = unit.exec(trimmed)?.[1]
  return amount === undefined ? undefined : Math.round(Number(amount) * factor)
}

/** MiB that may go with so many CPU units on Fargate (AWS: task_definition_parameters, task size). */
const FARGATE_MEMORY_MIB: ReadonlyMap<number, readonly number[]> = new Map([
  [256, [512, 1024, 2048]],
  [512, steps(1024, 4096, 1024)],
  [1024, steps(2048, 8192, 1024)],
  [2048, steps(4096, 16_384, 1024)],
  [4096, steps(8192, 30_720, 1024)],
  [8192, steps(16_384, 61_440, 4096)],
  [16_384, steps(32_768, 122_880, 8192)],
  [32_768, [61_440, 122_880, 249_856]],
])

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: (to - from) / by + 1 }, (_, index) => from + index * by)
}

/** What Fargate objects to in a task's size, in AWS's words. */
export function* fargateSizeObjections(
  definition: Pick<TaskDefinitionBody, 'cpu' | 'memory' | 'runtimePlatform'>,
): Generator<string> {
  const { cpu, memory } = definition
  if (cpu === undefined) yield "Fargate requires that 'cpu' be defined at the task level."
  if (memory === undefined) yield "Fargate requires that 'memory' be defined at the task level."
  const cpuUnits = parseCpuUnits(cpu ?? '') ?? 0
  const memoryMiB = parseMemoryMiB(memory ?? '') ?? 0
  const fits = FARGATE_MEMORY_MIB.get(cpuUnits)?.includes(memoryMiB) ?? false
  const windowsFits = within(cpuUnits, MIN_WINDOWS_FARGATE_CPU, MAX_WINDOWS_FARGATE_CPU)
  if (!fits || (isWindows(definition) && !windowsFits)) {
    yield `No Fargate configuration exists for given values: ${cpu} CPU, ${memory} memory. See the Amazon ECS documentation for the valid values.`
  }
}

/** Faults: ClientException. */
export function checkTaskSize(definition: TaskDefinitionBody): void {
  const { cpu, memory } = definition
  const cpuUnits = cpu === undefined ? undefined : parseCpuUnits(cpu)
  const memoryMiB = memory === undefined ? undefined : parseMemoryMiB(memory)
  if (cpu !== undefined && !validTaskCpu(cpuUnits, requires(definition, 'FARGATE'))) {
    throw clientException("Invalid 'cpu' setting for task.")
  }
  if (memory !== undefined && (memoryMiB === undefined || memoryMiB < MIN_MEMORY_MIB)) {
    throw clientException("Invalid 'memory' setting for task.")
  }
}

function validTaskCpu(cpuUnits: number | undefined, fargate: boolean): boolean {
  if (cpuUnits === undefined) return false
  return fargate || within(cpuUnits, MIN_EC2_TASK_CPU, MAX_EC2_TASK_CPU)
}

/** Faults: ClientException. */
export function checkContainerSizes(definition: TaskDefinitionBody): void {
  const containers = containersOf(definition)
  for (const container of containers) checkContainerSize(container, definition)
  // Windows ignores what is set for the task.
  if (isWindows(definition) && !requires(definition, 'FARGATE')) return
  if (definition.cpu !== undefined) {
    const total = containers.reduce((sum, { cpu = 0 }) => sum + cpu, 0)
    if (total > Number(definition.cpu)) {
      throw clientException(
        "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
      )
    }
  }
  if (definition.memory === undefined) return
  const reserved = containers.reduce(
    (sum, { memory = 0, memoryReservation = memory }) => sum + memoryReservation,
    0,
  )
  if (reserved > Number(definition.memory)) {
    throw clientException(
      "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'.",
    )
  }
}

function checkContainerSize(container: Container, definition: TaskDefinitionBody): void {
  const { name, cpu = 0, memory, memoryReservation } = container
  if (cpu < 0) throw clientException(`Invalid 'cpu' setting for container '${name}'.`)
  if (memory === undefined && memoryReservation === undefined && definition.memory === undefined) {
    throw clientException(
      `Invalid setting for container '${name}'. At least one of 'memory' or 'memoryReservation' must be specified.`,
    )
  }
  for (const [setting, amount] of Object.entries({ memory, memoryReservation })) {
    if (amount === undefined) continue
    if (amount < MIN_MEMORY_MIB) {
      throw clientException(`Invalid '${setting}' setting for container '${name}'.`)
    }
    if (definition.memory !== undefined && amount > Number(definition.memory)) {
      throw clientException(
        `The '${setting}' setting for container '${name}' is greater than for the task.`,
      )
    }
  }
  if (memory !== undefined && memoryReservation !== undefined && memory < memoryReservation) {
    throw clientException(
      `Invalid setting for container '${name}'. 'memory' must be greater than or equal to 'memoryReservation'.`,
    )
  }
}
