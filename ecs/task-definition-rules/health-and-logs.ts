/** Health checks, time-outs, log drivers and log routers. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { type Container, containersOf, within } from './model.ts'

/** Seconds, but for retries (AWS: API_HealthCheck). */
const HEALTH_RANGES = [
  ['interval', 5, 300],
  ['timeout', 2, 60],
  ['retries', 1, 10],
  ['startPeriod', 0, 300],
] as const
const MIN_START_TIMEOUT_S = 2
const AWSLOGS_OPTIONS = ['awslogs-region', 'awslogs-group'] as const

/** Faults: ClientException. */
export function checkHealthChecks(definition: TaskDefinitionBody): void {
  for (const { name, healthCheck } of containersOf(definition)) {
    if (!healthCheck) continue
    const [kind, ...rest] = healthCheck.command ?? []
    const known = kind === 'NONE' || ((kind === 'CMD' || kind === 'CMD-SHELL') && rest.length > 0)
    if (!known) {
      throw clientException(
        `Invalid 'command' setting for health check of container '${name}'. It must start with CMD or CMD-SHELL.`,
      )
    }
    for (const [setting, min, max] of HEALTH_RANGES) {
      const value = healthCheck[setting]
      if (value === undefined || within(value, min, max)) continue
      throw clientException(
        `Invalid '${setting}' setting for health check of container '${name}'. It must be between ${min} and ${max}.`,
      )
    }
  }
}

/** Bounds that hold everywhere; Fargate's own are lower. Faults: ClientException. */
export function checkTimeouts(definition: TaskDefinitionBody): void {
  for (const { name, startTimeout, stopTimeout } of containersOf(definition)) {
    if (startTimeout !== undefined && startTimeout < MIN_START_TIMEOUT_S) {
      throw clientException(`Invalid 'startTimeout' setting for container '${name}'.`)
    }
    if (stopTimeout !== undefined && stopTimeout < 0) {
      throw clientException(`Invalid 'stopTimeout' setting for container '${name}'.`)
    }
  }
}

/** Faults: ClientException. */
export function checkLogs(definition: TaskDefinitionBody): void {
  const containers = containersOf(definition)
  for (const container of containers) {
    checkAwslogs(container)
    checkRouterFile(container)
  }
  const routers = containers.filter(({ firelensConfiguration }) => firelensConfiguration)
  const routed = containers.some(
    ({ logConfiguration }) => logConfiguration?.logDriver === 'awsfirelens',
  )
  if (routed && routers.length === 0) {
    throw clientException(
      'When awsfirelens log driver is specified in log configuration, a firelens configuration object must be configured in one of the containers.',
    )
  }
  if (routers.length > 0 && !routed) {
    throw clientException(
      'When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver.',
    )
  }
  if (routers.length > 1) {
    throw clientException('Only one container can have a firelensConfiguration object.')
  }
}

function checkAwslogs({ logConfiguration }: Container): void {
  if (logConfiguration?.logDriver !== 'awslogs') return
  const missing = AWSLOGS_OPTIONS.filter((option) => !logConfiguration.options?.[option])
  if (missing.length > 0) {
    throw clientException(`Log driver awslogs requires options: ${missing.join(', ')}`)
  }
}

function checkRouterFile({ firelensConfiguration }: Container): void {
  const options = firelensConfiguration?.options ?? {}
  const file = options['config-file-value'] ?? ''
  if (options['config-file-type'] === 's3' && !file.startsWith('arn:')) {
    throw clientException('Invalid arn syntax')
  }
}
