/** What docker labels say of the targets of simulated tasks, which have no address to probe. */
import { scriptOf } from '../cluster/local/script.ts'
import type { EcsRows } from '../ecs/rows.ts'
import { CHECKING, FAILED, HEALTHY } from '../elbv2/data-plane/health/health-state.ts'
import type { TargetHealth } from '../elbv2/data-plane/model.ts'
import type { TargetRow } from '../elbv2/rows.ts'
import type { Clock } from '../gateway/core/clock.ts'

export interface ScriptedTargets {
  /** Undefined: no label says anything of it. */
  healthOf(target: TargetRow): TargetHealth | undefined
  /** When the health of the task's targets will be another; undefined: it never will. */
  changesAtMs(taskArn: string): number | undefined
}

export const noScripts: ScriptedTargets = {
  healthOf: () => undefined,
  changesAtMs: () => undefined,
}

const { reason, description } = FAILED
const UNHEALTHY: TargetHealth = { state: 'unhealthy', reason, description }

/** Reads the label `kecs.simulate.target-health` of a task's containers; times count from the task's start. */
export function createScriptedTargets(ecs: EcsRows, clock: Clock): ScriptedTargets {
  function scriptFor(taskArn: string) {
    const task = ecs.tasks.get(taskArn)
    const definition = task && ecs.taskDefinitions.get(task.taskDefinitionArn)
    for (const { dockerLabels = {} } of definition?.body.containerDefinitions ?? []) {
      const script = scriptOf(dockerLabels)
      if (typeof script === 'string' || !script.targetHealth) continue
      const { is, afterMs } = script.targetHealth
      return { is, atMs: (task?.startedAtMs ?? clock.now()) + afterMs }
    }
    return undefined
  }

  return {
    healthOf({ owner = '' }) {
      const script = scriptFor(owner)
      if (!script) return undefined
      if (clock.now() < script.atMs) return CHECKING
      return script.is === 'healthy' ? HEALTHY : UNHEALTHY
    },
    changesAtMs: (taskArn) => scriptFor(taskArn)?.atMs,
  }
}
