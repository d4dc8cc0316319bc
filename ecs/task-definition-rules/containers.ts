/** What a container must be called, run and be given. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { type Container, containersOf, firstRepeated, has, within } from './model.ts'

const NAME = /^[a-zA-Z0-9_-]+$/
const IMAGE = /^[a-zA-Z0-9_:./#@-]+$/
const ROLE_ARN = /^arn:[a-z-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/
const ROLE_NAME = /^[\w+=,.@/-]+$/
const SECRET_ARN = /^arn:[a-z-]+:(secretsmanager|ssm):/
const PARAMETER_NAME = /^[a-zA-Z0-9_.\-/]{1,2048}$/
const S3_ARN = /^arn:[a-z-]+:s3:::[^/]+\/.+$/

const MAX_NAME_LENGTH = 255
const MAX_CONTAINERS = 10
const MAX_ENVIRONMENT_FILES = 10
const MIN_RESTART_PERIOD_S = 60
const MAX_RESTART_PERIOD_S = 1800
const MAX_IGNORED_EXIT_CODES = 50

/** Faults: ClientException. */
export function checkFamily({ family }: TaskDefinitionBody): void {
  if (!family) throw clientException('Family can not be blank.')
  if (family.length > MAX_NAME_LENGTH) {
    throw clientException(`Family should not be longer than ${MAX_NAME_LENGTH} characters.`)
  }
  if (!NAME.test(family)) throw clientException('Family contains invalid characters.')
}

/** Faults: ClientException. */
export function checkRoles({ taskRoleArn, executionRoleArn }: TaskDefinitionBody): void {
  for (const role of [taskRoleArn, executionRoleArn]) {
    if (role === undefined) continue
    const form = role.startsWith('arn:') ? ROLE_ARN : ROLE_NAME
    if (!form.test(role)) throw clientException('Role is not valid')
  }
}

/** Faults: ClientException. */
export function checkContainers(definition: TaskDefinitionBody): void {
  const containers = containersOf(definition)
  if (containers.length === 0) throw clientException('Container list cannot be empty.')
  if (containers.length > MAX_CONTAINERS) throw clientException('Too many containers.')
  for (const container of containers) {
    checkText('Container.name', container.name, NAME)
    checkText('Container.image', container.image, IMAGE)
  }
  const repeated = firstRepeated(containers.map(({ name = '' }) => name))
  if (repeated !== undefined) {
    throw clientException(
      `Container names must be unique within a task definition: '${repeated}' is used more than once.`,
    )
  }
  if (!containers.some(({ essential }) => essential)) {
    throw clientException("Task definition doesn't have any essential container.")
  }
}

function checkText(member: string, text: string | undefined, pattern: RegExp): void {
  if (!text) throw clientException(`${member} should not be null or empty.`)
  if (text.length > MAX_NAME_LENGTH) {
    throw clientException(`${member} should not be longer than ${MAX_NAME_LENGTH} characters.`)
  }
  if (!pattern.test(text)) throw clientException(`${member} contains invalid characters.`)
}

/** Variables, files of variables, secrets and credentials. Faults: ClientException. */
export function checkEnvironments(definition: TaskDefinitionBody): void {
  for (const container of containersOf(definition)) {
    checkEnvironmentFiles(container)
    checkSecrets(container, definition.executionRoleArn)
    if (container.repositoryCredentials && !definition.executionRoleArn) {
      throw clientException(
        'Private repository authentication requires that the task definition specify a value for executionRoleArn.',
      )
    }
  }
}

function checkEnvironmentFiles({ environmentFiles = [] }: Container): void {
  if (environmentFiles.length > MAX_ENVIRONMENT_FILES) {
    throw clientException(
      'The maximum number of environment files was exceeded. Specify ten or less and try again.',
    )
  }
  for (const { value = '' } of environmentFiles) {
    if (!S3_ARN.test(value)) throw clientException('Invalid arn syntax')
  }
}

function checkSecrets(container: Container, executionRoleArn: string | undefined): void {
  const { secrets = [], environment = [], logConfiguration } = container
  const logSecrets = logConfiguration?.secretOptions ?? []
  if ((has(secrets) || has(logSecrets)) && !executionRoleArn) {
    throw clientException(
      "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
    )
  }
  const taken = new Set(environment.map(({ name }) => name))
  for (const { name = '' } of secrets) {
    if (taken.has(name)) {
      throw clientException(
        `The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '${name}'.`,
      )
    }
    taken.add(name)
  }
  for (const { name, valueFrom = '' } of [...secrets, ...logSecrets]) {
    if (SECRET_ARN.test(valueFrom) || PARAMETER_NAME.test(valueFrom)) continue
    throw clientException(
      `The Systems Manager parameter name specified for secret ${name} is invalid. The parameter name can be up to 2048 characters and include the following letters and symbols: a-zA-Z0-9_.-,`,
    )
  }
}

/** Faults: ClientException. */
export function checkRestartPolicies(definition: TaskDefinitionBody): void {
  for (const { name, restartPolicy } of containersOf(definition)) {
    const { restartAttemptPeriod: period, ignoredExitCodes = [] } = restartPolicy ?? {}
    if (period !== undefined && !within(period, MIN_RESTART_PERIOD_S, MAX_RESTART_PERIOD_S)) {
      throw clientException(
        `The 'restartAttemptPeriod' setting for container '${name}' must be between ${MIN_RESTART_PERIOD_S} and ${MAX_RESTART_PERIOD_S}.`,
      )
    }
    if (ignoredExitCodes.length > MAX_IGNORED_EXIT_CODES) {
      throw clientException(
        `The 'ignoredExitCodes' setting for container '${name}' can have at most ${MAX_IGNORED_EXIT_CODES} exit codes.`,
      )
    }
  }
}
