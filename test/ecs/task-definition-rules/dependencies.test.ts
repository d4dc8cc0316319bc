import type { ContainerDefinition, ContainerDependency } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import { rule, web, withContainers } from '../definitions.ts'

type Condition = ContainerDependency['condition']

const on = (containerName: string, condition: Condition = 'START') => [{ containerName, condition }]
const healthCheck = { command: ['CMD-SHELL', 'true'] }

function after(condition: Condition, dependency: Partial<ContainerDefinition>) {
  return withContainers(web({ dependsOn: on('db', condition) }), web({ name: 'db', ...dependency }))
}

const ESSENTIAL =
  'A dependency container with SUCCESS or COMPLETE condition cannot be an essential container'
const NO_CHECK = 'A dependency container with HEALTHY condition must have health check configured'

rule('checkDependencies', [
  ['START of an essential container', after('START', {})],
  ['COMPLETE of one that may end', after('COMPLETE', { essential: false })],
  ['COMPLETE of an essential container', after('COMPLETE', {}), ESSENTIAL],
  ['SUCCESS of an essential container', after('SUCCESS', {}), ESSENTIAL],
  ['HEALTHY with a check', after('HEALTHY', { healthCheck })],
  ['HEALTHY without a check', after('HEALTHY', {}), NO_CHECK],
  [
    'HEALTHY with the check turned off',
    after('HEALTHY', { healthCheck: { command: ['NONE'] } }),
    NO_CHECK,
  ],
  [
    'an unknown container',
    withContainers(web({ dependsOn: on('db') })),
    "Cannot depend on container + 'db' because it does not exist",
  ],
  [
    'itself',
    withContainers(web({ dependsOn: on('web') })),
    "Container 'web' cannot depend on itself.",
  ],
  [
    'a diamond',
    withContainers(
      web({ dependsOn: [...on('b'), ...on('c')] }),
      web({ name: 'b', dependsOn: on('d') }),
      web({ name: 'c', dependsOn: on('d') }),
      web({ name: 'd' }),
    ),
  ],
  [
    'a circle of two',
    withContainers(web({ dependsOn: on('b') }), web({ name: 'b', dependsOn: on('web') })),
    'Container dependencies form a cycle: web -> b -> web.',
  ],
  [
    'a circle behind a way in',
    withContainers(
      web({ dependsOn: on('b') }),
      web({ name: 'b', dependsOn: on('c') }),
      web({ name: 'c', dependsOn: on('b') }),
    ),
    'Container dependencies form a cycle: b -> c -> b.',
  ],
  [
    'a circle by a link and borrowed volumes',
    withContainers(
      web({ links: ['b:alias'] }),
      web({ name: 'b', volumesFrom: [{ sourceContainer: 'web' }] }),
    ),
    'Container dependencies form a cycle: web -> b -> web.',
  ],
  ['a link with an alias', withContainers(web({ links: ['b:db'] }), web({ name: 'b' }))],
  [
    'a link to nothing',
    withContainers(web({ links: ['b:db'] })),
    "Invalid 'links' setting. Unknown container: 'b'",
  ],
  [
    'volumes of another',
    withContainers(web({ volumesFrom: [{ sourceContainer: 'b' }] }), web({ name: 'b' })),
  ],
  [
    'volumes of nothing',
    withContainers(web({ volumesFrom: [{ sourceContainer: 'b' }] })),
    "Invalid 'volumesFrom' setting. Unknown container: 'b'",
  ],
])

test.run()
