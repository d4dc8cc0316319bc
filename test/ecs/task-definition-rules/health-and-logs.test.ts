import type { HealthCheck, LogConfiguration } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normaliseTaskDefinition } from '../../../ecs/task-definition-rules/normalise.ts'
import { rule, web, withContainers } from '../definitions.ts'

const command = ['CMD-SHELL', 'curl -f http://localhost || exit 1']
const checked = (change: Partial<HealthCheck>) =>
  withContainers(web({ healthCheck: { command, ...change } }))
const range = (setting: string, min: number, max: number) =>
  `Invalid '${setting}' setting for health check of container 'web'. It must be between ${min} and ${max}.`
const START =
  "Invalid 'command' setting for health check of container 'web'. It must start with CMD or CMD-SHELL."

rule('checkHealthChecks', [
  ['a shell line', checked({})],
  ['a program', checked({ command: ['CMD', 'true'] })],
  ['none', checked({ command: ['NONE'] })],
  ['another start', checked({ command: ['curl', 'localhost'] }), START],
  ['an empty command', checked({ command: [] }), START],
  ['CMD alone', checked({ command: ['CMD'] }), START],
  ['the least of all', checked({ interval: 5, timeout: 2, retries: 1, startPeriod: 0 })],
  ['the most of all', checked({ interval: 300, timeout: 60, retries: 10, startPeriod: 300 })],
  ['an interval of 4', checked({ interval: 4 }), range('interval', 5, 300)],
  ['an interval of 301', checked({ interval: 301 }), range('interval', 5, 300)],
  ['a time-out of 1', checked({ timeout: 1 }), range('timeout', 2, 60)],
  ['a time-out of 61', checked({ timeout: 61 }), range('timeout', 2, 60)],
  ['no retries', checked({ retries: 0 }), range('retries', 1, 10)],
  ['eleven retries', checked({ retries: 11 }), range('retries', 1, 10)],
  ['a start period of 301', checked({ startPeriod: 301 }), range('startPeriod', 0, 300)],
])

test('normaliseTaskDefinition: a health check has its defaults filled in', () => {
  const [container] = normaliseTaskDefinition(checked({ timeout: 10 })).containerDefinitions ?? []
  assert.equal(container?.healthCheck, { interval: 30, timeout: 10, retries: 3, command })
})

rule('checkTimeouts', [
  ['two seconds to start', withContainers(web({ startTimeout: 2 }))],
  [
    'one second to start',
    withContainers(web({ startTimeout: 1 })),
    "Invalid 'startTimeout' setting for container 'web'.",
  ],
  ['an hour to stop on EC2', withContainers(web({ stopTimeout: 3600 }))],
  [
    'less than nothing to stop',
    withContainers(web({ stopTimeout: -1 })),
    "Invalid 'stopTimeout' setting for container 'web'.",
  ],
])

const logs = (logConfiguration: LogConfiguration) => withContainers(web({ logConfiguration }))
const routed = web({ logConfiguration: { logDriver: 'awsfirelens' } })
const router = (name = 'router', options = {}) =>
  web({ name, firelensConfiguration: { type: 'fluentbit', options } })
const options = { 'awslogs-group': 'site', 'awslogs-region': 'us-east-1' }

rule('checkLogs', [
  ['a driver of Docker’s', logs({ logDriver: 'json-file' })],
  ['awslogs with group and region', logs({ logDriver: 'awslogs', options })],
  [
    'awslogs without options',
    logs({ logDriver: 'awslogs' }),
    'Log driver awslogs requires options: awslogs-region, awslogs-group',
  ],
  [
    'awslogs without a group',
    logs({ logDriver: 'awslogs', options: { 'awslogs-region': 'us-east-1' } }),
    'Log driver awslogs requires options: awslogs-group',
  ],
  ['a router and who writes to it', withContainers(routed, router())],
  [
    'awsfirelens without a router',
    withContainers(routed),
    'When awsfirelens log driver is specified in log configuration, a firelens configuration object must be configured in one of the containers.',
  ],
  [
    'a router that nobody writes to',
    withContainers(router()),
    'When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver.',
  ],
  [
    'two routers',
    withContainers(routed, router(), router('b')),
    'Only one container can have a firelensConfiguration object.',
  ],
  [
    'a router’s file that is no S3 object',
    withContainers(routed, router('r', { 'config-file-type': 's3', 'config-file-value': 'a' })),
    'Invalid arn syntax',
  ],
])

test('normaliseTaskDefinition: a log router runs as root', () => {
  const { containerDefinitions } = normaliseTaskDefinition(withContainers(routed, router()))
  assert.equal(
    containerDefinitions?.map(({ user }) => user),
    [undefined, '0'],
  )
})

test.run()
