/** What AWS derives from a task definition: launch types that can run it, abilities it needs. */
import type { Attribute } from '@aws-sdk/client-ecs'
import type { TaskDefinitionBody } from './rows.ts'
import {
  COMPATIBILITIES,
  type LaunchCompatibility,
  objectionOf,
} from './task-definition-rules/compatibility.ts'
import { type Container, containersOf, has, isEcrImage } from './task-definition-rules/model.ts'

const AGENT = 'com.amazonaws.ecs.capability.'
const ABILITY = 'ecs.capability.'

/** Lowest version of Docker's API that has each log driver (AWS: API_LogConfiguration). */
const LOG_DRIVER_API: Readonly<Record<string, string>> = {
  'json-file': '1.18',
  syslog: '1.18',
  journald: '1.19',
  gelf: '1.19',
  fluentd: '1.19',
  awslogs: '1.19',
  splunk: '1.22',
}

/** The launch types that can run a definition, whichever it requires, in AWS's order. */
export function compatibilitiesOf(definition: TaskDefinitionBody): LaunchCompatibility[] {
  return COMPATIBILITIES.filter((each) => objectionOf(each, definition) === undefined)
}

/** Attributes a container instance must have to run a task of a definition, each of them once. */
export function requiresAttributesOf(definition: TaskDefinitionBody): Attribute[] {
  const names = new Set<string>()
  for (const container of containersOf(definition)) {
    for (const name of containerAttributes(container, definition)) names.add(name)
  }
  for (const name of taskAttributes(definition)) names.add(name)
  return [...names].map((name) => ({ name }))
}

function* containerAttributes(
  container: Container,
  { executionRoleArn }: TaskDefinitionBody,
): Generator<string> {
  yield* logAttributes(container, executionRoleArn)
  if (isEcrImage(container.image)) {
    yield `${AGENT}ecr-auth`
    yield dockerApi('1.19')
    if (executionRoleArn) yield `${ABILITY}execution-role-ecr-pull`
  }
  if (container.repositoryCredentials) {
    yield `${ABILITY}private-registry-authentication.secretsmanager`
  }
  if (has(container.environmentFiles)) yield `${ABILITY}env-files.s3`
  for (const { valueFrom = '' } of container.secrets ?? []) {
    yield `${ABILITY}secrets.${secretStore(valueFrom)}.environment-variables`
  }
  if (container.healthCheck) {
    yield dockerApi('1.24')
    yield `${ABILITY}container-health-check`
  }
  if (has(container.dependsOn)) yield `${ABILITY}container-ordering`
  yield* dockerAttributes(container)
}

function* logAttributes(
  { logConfiguration, firelensConfiguration }: Container,
  executionRoleArn: string | undefined,
): Generator<string> {
  const { logDriver, options = {}, secretOptions = [] } = logConfiguration ?? {}
  if (logDriver) yield `${AGENT}logging-driver.${logDriver}`
  const version = LOG_DRIVER_API[logDriver ?? '']
  if (version) yield dockerApi(version)
  if (logDriver === 'awslogs' && executionRoleArn) yield `${ABILITY}execution-role-awslogs`
  if (options.mode || options['max-buffer-size']) yield dockerApi('1.28')
  if (options['awslogs-create-group']) yield dockerApi('1.29')
  for (const { valueFrom = '' } of secretOptions) {
    yield `${ABILITY}secrets.${secretStore(valueFrom)}.bootstrap.log-driver`
  }
  if (!firelensConfiguration) return
  yield `${ABILITY}firelens.${firelensConfiguration.type}`
  const file = firelensConfiguration.options?.['config-file-type']
  if (file) yield `${ABILITY}firelens.options.config.${file}`
}

function* dockerAttributes(container: Container): Generator<string> {
  const { linuxParameters, portMappings = [] } = container
  if (container.privileged) yield `${AGENT}privileged-container`
  if (container.readonlyRootFilesystem) yield dockerApi('1.17')
  if (has(container.ulimits) || Object.keys(container.dockerLabels ?? {}).length > 0) {
    yield dockerApi('1.18')
  }
  if (container.memoryReservation !== undefined) yield dockerApi('1.21')
  if (linuxParameters?.initProcessEnabled) yield dockerApi('1.25')
  for (const option of container.dockerSecurityOptions ?? []) {
    yield `${AGENT}${option.startsWith('apparmor') ? 'apparmor' : 'selinux'}`
  }
  if (has(container.credentialSpecs)) yield `${ABILITY}gmsa`
  if (portMappings.some(({ containerPortRange }) => containerPortRange)) {
    yield `${ABILITY}network.container-port-range`
  }
}

function* taskAttributes(definition: TaskDefinitionBody): Generator<string> {
  if (definition.taskRoleArn) {
    const host = definition.networkMode === 'host' ? '-network-host' : ''
    yield `${AGENT}task-iam-role${host}`
  }
  if (definition.ephemeralStorage) yield `${ABILITY}extensible-ephemeral-storage`
  if (definition.networkMode === 'awsvpc') {
    yield dockerApi('1.18')
    yield `${ABILITY}task-eni`
  }
  if (definition.pidMode || definition.ipcMode) yield `${ABILITY}pid-ipc-namespace-sharing`
  if (definition.proxyConfiguration) yield `${ABILITY}aws-appmesh`
  for (const volume of definition.volumes ?? []) {
    const { efsVolumeConfiguration: efs, dockerVolumeConfiguration: docker } = volume
    if (efs) {
      yield dockerApi('1.25')
      const secured = efs.transitEncryption === 'ENABLED' || efs.authorizationConfig !== undefined
      yield `${ABILITY}${secured ? 'efsAuth' : 'efs'}`
    }
    if (docker) {
      yield dockerApi('1.25')
      yield `${ABILITY}docker-plugin.${docker.driver ?? 'local'}`
    }
    if (volume.fsxWindowsFileServerVolumeConfiguration) yield `${ABILITY}fsxWindowsFileServer`
  }
}

function dockerApi(version: string): string {
  return `${AGENT}docker-remote-api.${version}`
}

/** A name without an ARN is a parameter's. */
function secretStore(valueFrom: string): 'asm' | 'ssm' {
  return /^arn:[a-z-]+:secretsmanager:/.test(valueFrom) ? 'asm' : 'ssm'
}
