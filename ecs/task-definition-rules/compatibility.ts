/** Which launch types can run a definition, and what the others object to, in AWS's words. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { type Container, containersOf, has, isEcrImage, isWindows, requires } from './model.ts'
import { fargateSizeObjections } from './sizes.ts'

const FARGATE_LOG_DRIVERS: readonly string[] = ['awslogs', 'splunk', 'awsfirelens']
const FARGATE_CAPABILITIES: readonly string[] = ['SYS_PTRACE', 'CAP_SYS_PTRACE']
const FARGATE_WINDOWS = /^WINDOWS_SERVER_20(19|22|25)_(CORE|FULL)$/
const MAX_FARGATE_TIMEOUT_S = 120

export type LaunchCompatibility = 'EXTERNAL' | 'EC2' | 'MANAGED_INSTANCES' | 'FARGATE'

type Objections = (definition: TaskDefinitionBody) => Iterable<string>

const OBJECTIONS = new Map<LaunchCompatibility, Objections>([
  ['EXTERNAL', externalObjections],
  ['EC2', () => []],
  ['MANAGED_INSTANCES', managedInstancesObjections],
  ['FARGATE', fargateObjections],
])

/** In the order in which AWS lists them. */
export const COMPATIBILITIES: readonly LaunchCompatibility[] = [...OBJECTIONS.keys()]

/** The first objection of a launch type that the definition itself requires. Faults: ClientException. */
export function checkCompatibilities(definition: TaskDefinitionBody): void {
  for (const compatibility of COMPATIBILITIES) {
    if (!requires(definition, compatibility)) continue
    const objection = objectionOf(compatibility, definition)
    if (objection !== undefined) throw clientException(objection)
  }
}

/** What a launch type objects to first, in AWS's words; undefined where it can run the definition. */
export function objectionOf(
  compatibility: LaunchCompatibility,
  definition: TaskDefinitionBody,
): string | undefined {
  for (const objection of OBJECTIONS.get(compatibility)?.(definition) ?? []) return objection
  return undefined
}

function* externalObjections(definition: TaskDefinitionBody): Generator<string> {
  const unsupported = 'External compatible task definitions do not support'
  if (definition.networkMode === 'awsvpc') yield `${unsupported} networkMode awsvpc`
  for (const volume of definition.volumes ?? []) {
    if (volume.efsVolumeConfiguration) yield `${unsupported} efsVolumeConfiguration`
    if (volume.configuredAtLaunch) yield `${unsupported} configuredAtLaunch`
  }
}

function* managedInstancesObjections(definition: TaskDefinitionBody): Generator<string> {
  const mode = definition.networkMode
  if (mode !== 'awsvpc' && mode !== 'host') {
    yield 'Managed Instances only support network modes ‘awsvpc’ and ‘host’.'
  }
  const unsupported = 'Managed Instances compatible task definitions do not support'
  if (isWindows(definition)) yield `${unsupported} Windows`
  for (const volume of definition.volumes ?? []) {
    if (volume.fsxWindowsFileServerVolumeConfiguration) {
      yield `${unsupported} fsxWindowsFileServerVolumeConfiguration`
    }
  }
}

function* fargateObjections(definition: TaskDefinitionBody): Generator<string> {
  if (definition.networkMode !== 'awsvpc') {
    yield 'Fargate only supports network mode ‘awsvpc’.'
  }
  yield* fargateSizeObjections(definition)
  const { executionRoleArn, runtimePlatform } = definition
  for (const container of containersOf(definition)) {
    if (!executionRoleArn && isEcrImage(container.image)) {
      yield 'Fargate requires task definition to have execution role ARN to support ECR images.'
    }
    yield* fargateLogObjections(container, executionRoleArn)
    yield* fargateContainerObjections(container)
  }
  const family = runtimePlatform?.operatingSystemFamily
  if (family && family !== 'LINUX' && !FARGATE_WINDOWS.test(family)) {
    yield `Fargate does not support the operating system family ${family}.`
  }
  if (isWindows(definition) && runtimePlatform?.cpuArchitecture === 'ARM64') {
    yield 'Fargate does not support Windows on ARM64.'
  }
  yield* fargateTaskObjections(definition)
}

function* fargateTaskObjections(definition: TaskDefinitionBody): Generator<string> {
  const unsupported = 'Fargate compatible task definitions do not support'
  if (has(definition.placementConstraints)) yield `${unsupported} constraints`
  if (definition.ipcMode) yield `${unsupported} ipcMode`
  if (definition.pidMode === 'host') {
    yield "Tasks using the Fargate launch type do not support pidMode 'host'"
  }
  for (const volume of definition.volumes ?? []) {
    if (volume.host?.sourcePath) yield `${unsupported} sourcePath`
    if (volume.dockerVolumeConfiguration) yield `${unsupported} dockerVolumeConfiguration`
    if (volume.fsxWindowsFileServerVolumeConfiguration) {
      yield `${unsupported} fsxWindowsFileServerVolumeConfiguration`
    }
  }
}

function* fargateLogObjections(
  container: Container,
  executionRoleArn: string | undefined,
): Generator<string> {
  const { logDriver, options } = container.logConfiguration ?? {}
  if (logDriver && !FARGATE_LOG_DRIVERS.includes(logDriver)) {
    const valid = FARGATE_LOG_DRIVERS.join(', ')
    yield `${logDriver} is not a valid log driver. Must be one of [${valid}]`
  }
  if (logDriver === 'awslogs' && !executionRoleArn) {
    yield 'Fargate requires task definition to have execution role ARN to support log driver awslogs.'
  }
  if (logDriver === 'awslogs' && !options?.['awslogs-stream-prefix']) {
    yield 'Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.'
  }
  if (container.firelensConfiguration?.options?.['config-file-type'] === 's3') {
    yield "Fargate launch type does not support FirelensConfiguration config file from 's3'"
  }
}

function* fargateContainerObjections(container: Container): Generator<string> {
  const unsupported = 'Fargate compatible task definitions do not support'
  const linux = container.linuxParameters ?? {}
  if (container.privileged) yield "Fargate requires that the 'privileged' setting be 'false'."
  if (has(container.dockerSecurityOptions)) yield `${unsupported} dockerSecurityOptions`
  if (has(linux.devices)) yield `${unsupported} devices`
  for (const setting of ['sharedMemorySize', 'maxSwap', 'swappiness'] as const) {
    if (linux[setting] !== undefined) yield `${unsupported} ${setting}`
  }
  for (const capability of linux.capabilities?.add ?? []) {
    if (!FARGATE_CAPABILITIES.includes(capability)) yield `${capability} is not allowed on Fargate.`
  }
  if (container.resourceRequirements?.some(({ type }) => type === 'GPU')) {
    yield 'Tasks using the Fargate launch type do not support GPU resource requirements.'
  }
  for (const [word, seconds = 0] of [
    ['start', container.startTimeout],
    ['stop', container.stopTimeout],
  ] as const) {
    if (seconds > MAX_FARGATE_TIMEOUT_S) {
      yield `Tasks using the Fargate launch type must have a container ${word} timeout of less than ${MAX_FARGATE_TIMEOUT_S} seconds.`
    }
  }
}
