/** RegisterTaskDefinition's validation, pure: what AWS refuses, and what it makes of the rest. */
import { Buffer } from 'node:buffer'
import type { RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { checkCompatibilities } from './compatibility.ts'
import {
  checkContainers,
  checkEnvironments,
  checkFamily,
  checkRestartPolicies,
  checkRoles,
} from './containers.ts'
import { checkDependencies } from './dependencies.ts'
import { fill } from './fill.ts'
import { checkHealthChecks, checkLogs, checkTimeouts } from './health-and-logs.ts'
import { checkNetworkMode, checkPorts, checkProxy } from './network.ts'
import { checkContainerResources, checkTaskResources } from './resources.ts'
import { checkContainerSizes, checkTaskSize } from './sizes.ts'
import { checkVolumes } from './volumes.ts'

const MAX_DEFINITION_BYTES = 65_536

/** In order: the first rule that objects is the one the caller hears of. */
const RULES: readonly ((definition: TaskDefinitionBody) => void)[] = [
  checkFamily,
  checkContainers,
  checkRoles,
  checkTaskSize,
  checkNetworkMode,
  checkPorts,
  checkProxy,
  checkTaskResources,
  checkCompatibilities,
  checkContainerSizes,
  checkEnvironments,
  checkVolumes,
  checkHealthChecks,
  checkTimeouts,
  checkDependencies,
  checkLogs,
  checkContainerResources,
  checkRestartPolicies,
  checkBytes,
]

/**
 * The definition as DescribeTaskDefinition answers it, defaults filled in; its own output gives
 * itself again. Takes input that holds modelled members only. Faults: ClientException.
 */
export function normaliseTaskDefinition(input: RegisterTaskDefinitionRequest): TaskDefinitionBody {
  const definition = fill(input)
  for (const check of RULES) check(definition)
  return definition
}

function checkBytes(definition: TaskDefinitionBody): void {
  const bytes = Buffer.byteLength(JSON.stringify(definition))
  if (bytes > MAX_DEFINITION_BYTES) {
    throw clientException(
      `Actual length: '${bytes}'. Max allowed length is '${MAX_DEFINITION_BYTES}' bytes.`,
    )
  }
}
