/** From rows to what the runtime is given. */
import type { TaskSpec } from '../cluster/runtime.ts'
import type { EcsContext } from './context.ts'
import { toTaskSpec } from './launch.ts'
import type { TaskDefinitionRow, TaskRow } from './rows.ts'
import type { TaskFacts } from './task-state.ts'

const facts = new WeakMap<TaskDefinitionRow, TaskFacts>()

/** The task as a runtime is given it; the same rows give the same specification. */
export function specOf(
  task: TaskRow,
  definition: TaskDefinitionRow,
  { rows, taskEnvironment }: Pick<EcsContext, 'rows' | 'taskEnvironment'>,
): TaskSpec {
  const instance = rows.containerInstances.get(task.containerInstanceArn ?? '')
  const cluster = task.clusterArn.slice(task.clusterArn.lastIndexOf('/') + 1)
  const service = task.serviceArn?.slice(task.serviceArn.lastIndexOf('/') + 1)
  return toTaskSpec({
    taskId: task.id,
    namespace: `${task.account}/${task.region}/${cluster}`,
    labels: {
      'kecs.dev/cluster': cluster,
      'kecs.dev/family': definition.family,
      'kecs.dev/revision': String(definition.revision),
      ...(service !== undefined && { 'kecs.dev/service': service }),
    },
    definition: definition.body,
    overrides: task.overrides,
    node: instance?.node,
    environment: taskEnvironment?.(task),
  })
}

/** Which containers of the definition decide about a task's health; worked out once a definition. */
export function factsOf(definition: TaskDefinitionRow): TaskFacts {
  const known = facts.get(definition)
  if (known) return known
  const containers = definition.body.containerDefinitions ?? []
  const names = (keep: (container: (typeof containers)[number]) => boolean) =>
    new Set(containers.filter(keep).map(({ name = '' }) => name))
  const made: TaskFacts = {
    essential: names(({ essential }) => essential !== false),
    checked: names(({ healthCheck }) => {
      return healthCheck !== undefined && healthCheck.command?.[0] !== 'NONE'
    }),
  }
  facts.set(definition, made)
  return made
}
