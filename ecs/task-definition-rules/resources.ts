/** Devices, limits, storage, placement: what a task asks of its machine. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { type Container, containersOf, requires, within } from './model.ts'

const MIN_EPHEMERAL_GIB = 21
const MAX_EPHEMERAL_GIB = 200
const MAX_PLACEMENT_CONSTRAINTS = 10
const MAX_SWAPPINESS = 100
const UNLIMITED = -1

/** Faults: ClientException. */
export function checkContainerResources(definition: TaskDefinitionBody): void {
  for (const container of containersOf(definition)) {
    checkUlimits(container)
    checkLinuxParameters(container)
    checkRequirements(container)
  }
}

function checkUlimits({ ulimits = [] }: Container): void {
  for (const { name, softLimit = 0, hardLimit = 0 } of ulimits) {
    if (hardLimit !== UNLIMITED && (softLimit > hardLimit || softLimit === UNLIMITED)) {
      throw clientException(`Soft limit exceeds hard limit for ulimit ${name}`)
    }
  }
}

function checkLinuxParameters({ name, linuxParameters }: Container): void {
  const { maxSwap, swappiness, sharedMemorySize, tmpfs = [], devices = [] } = linuxParameters ?? {}
  const refuse = (setting: string) =>
    clientException(`Invalid '${setting}' setting for container '${name}'.`)
  if (maxSwap !== undefined && maxSwap < 0) throw refuse('maxSwap')
  if (swappiness !== undefined && !within(swappiness, 0, MAX_SWAPPINESS)) {
    throw refuse('swappiness')
  }
  if (sharedMemorySize !== undefined && sharedMemorySize < 1) throw refuse('sharedMemorySize')
  for (const { containerPath, size = 0 } of tmpfs) {
    if (!containerPath || size < 1) throw refuse('tmpfs')
  }
  if (devices.some(({ hostPath }) => !hostPath)) throw refuse('devices')
}

function checkRequirements({ name, resourceRequirements = [] }: Container): void {
  for (const { type, value } of resourceRequirements) {
    const gpuCount = Number(value)
    if (type === 'GPU' && !within(gpuCount, 1, Number.MAX_SAFE_INTEGER)) {
      throw clientException(`Invalid 'GPU' resource requirement for container '${name}'.`)
    }
    if (type === 'InferenceAccelerator') {
      throw clientException(
        `Invalid 'InferenceAccelerator' resource requirement for container '${name}'. Unknown device name: '${value}'`,
      )
    }
  }
}

/** Faults: ClientException. */
export function checkTaskResources(definition: TaskDefinitionBody): void {
  if (definition.inferenceAccelerators?.length) {
    // Elastic Inference is no more; AWS refuses what asks for it.
    throw clientException("Unsupported field 'inferenceAccelerators'")
  }
  const sizeGiB = definition.ephemeralStorage?.sizeInGiB
  if (definition.ephemeralStorage && !requires(definition, 'FARGATE')) {
    throw clientException('Tasks using the EC2 launch type do not support EphemeralStorage.')
  }
  if (sizeGiB !== undefined) checkEphemeralGiB(sizeGiB)
  const constraints = definition.placementConstraints ?? []
  if (constraints.length > MAX_PLACEMENT_CONSTRAINTS) {
    throw clientException(
      `Task definition can have at most ${MAX_PLACEMENT_CONSTRAINTS} placement constraints.`,
    )
  }
  if (constraints.some(({ type, expression }) => type !== 'memberOf' || !expression)) {
    throw clientException('Placement constraints must be of type memberOf and have an expression.')
  }
}

/** Faults: ClientException. */
export function checkEphemeralGiB(sizeGiB: number): void {
  if (sizeGiB < MIN_EPHEMERAL_GIB) {
    throw clientException(`EphemeralStorage size should be at least ${MIN_EPHEMERAL_GIB}`)
  }
  if (sizeGiB > MAX_EPHEMERAL_GIB) {
    throw clientException(`EphemeralStorage size should be at most ${MAX_EPHEMERAL_GIB}`)
  }
}
