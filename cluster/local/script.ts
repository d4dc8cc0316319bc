/**
 * What docker labels make a simulated container do. Every label is optional:
 *
 * - `kecs.simulate.pull` = `fail`, `fail:MESSAGE` or a duration: the pull fails, or takes so long
 * - `kecs.simulate.start` = `fail`, `fail:MESSAGE` or a duration: the start fails, or takes so long
 * - `kecs.simulate.exit-after` = duration: the container ends by itself so long after its start
 * - `kecs.simulate.exit-code` = 0 to 255: what it ends with; without `exit-after` it ends at once
 * - `kecs.simulate.exit-reason` = text: the container's `reason` when it ends by itself
 * - `kecs.simulate.health` = `healthy`, `unhealthy`, `healthy-after:DURATION`, `unhealthy-after:DURATION`
 * - `kecs.simulate.target-health` = as `health`: what load balancers find of its targets
 * - `kecs.simulate.stop-after` = duration: how long it takes to stop; `stopTimeout` cuts it short
 * - `kecs.simulate.stop-exit-code` = 0 to 255: what it ends with when it is stopped
 *
 * A duration is a number with `ms`, `s`, `m` or `h`. A label of this prefix that is unknown or has
 * another value makes the task fail to start, with a reason that names the label.
 */
export const SIMULATION_LABELS: readonly {
  readonly label: string
  readonly value: string
  readonly effect: string
}[] = [
  {
    label: 'kecs.simulate.pull',
    value: '`fail`, `fail:MESSAGE` or a duration',
    effect: 'the image pull fails (`CannotPullContainerError`), or takes so long',
  },
  {
    label: 'kecs.simulate.start',
    value: '`fail`, `fail:MESSAGE` or a duration',
    effect: 'the start fails (`CannotStartContainerError`), or takes so long',
  },
  {
    label: 'kecs.simulate.exit-after',
    value: 'a duration',
    effect: 'the container ends by itself so long after its start, with 0 unless `exit-code` says',
  },
  {
    label: 'kecs.simulate.exit-code',
    value: '0 to 255',
    effect: 'what the container ends with; without `exit-after` it ends at once',
  },
  {
    label: 'kecs.simulate.exit-reason',
    value: 'text',
    effect: 'the container’s `reason` when it ends by itself',
  },
  {
    label: 'kecs.simulate.health',
    value: '`healthy`, `unhealthy`, `healthy-after:DURATION` or `unhealthy-after:DURATION`',
    effect: 'the container’s health, at once or so long after its start',
  },
  {
    label: 'kecs.simulate.target-health',
    value: '`healthy`, `unhealthy`, `healthy-after:DURATION` or `unhealthy-after:DURATION`',
    effect:
      'what load balancers find of the container’s targets, at once or so long after its start',
  },
  {
    label: 'kecs.simulate.stop-after',
    value: 'a duration',
    effect: 'how long the container takes to stop; `stopTimeout` cuts it short',
  },
  {
    label: 'kecs.simulate.stop-exit-code',
    value: '0 to 255',
    effect: 'what the container ends with when it is stopped',
  },
]

export type Outcome =
  | { readonly fails: true; readonly message: string }
  | { readonly fails: false; readonly afterMs: number }

export interface ScriptedHealth {
  readonly is: 'healthy' | 'unhealthy'
  readonly afterMs: number
}

export interface Script {
  readonly pull?: Outcome
  readonly start?: Outcome
  readonly exitAfterMs?: number
  readonly exitCode?: number
  readonly exitReason?: string
  readonly health?: ScriptedHealth
  readonly targetHealth?: ScriptedHealth
  readonly stopAfterMs?: number
  readonly stopExitCode?: number
}

const PREFIX = 'kecs.simulate.'
const EXIT_AT_ONCE_MS = 100
// Node's timers wrap around at 2^31 ms, which is between 24 and 25 days.
const MAX_DURATION_MS = 24 * 24 * 3_600_000
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

class LabelProblem extends Error {}

/** A container's script, or the reason why its labels are none. */
export function scriptOf(labels: Readonly<Record<string, string>>): Script | string {
  const names = new Set(SIMULATION_LABELS.map(({ label }) => label))
  const unknown = Object.keys(labels).find((name) => name.startsWith(PREFIX) && !names.has(name))
  if (unknown !== undefined) return `label ${unknown} is unknown`
  const read = <T>(name: string, parse: (value: string) => T | undefined): T | undefined => {
    const value = labels[PREFIX + name]
    if (value === undefined) return undefined
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    const expected = SIMULATION_LABELS.find(({ label }) => label === PREFIX + name)?.value
    throw new LabelProblem(
      `label ${PREFIX + name} must be ${expected}, not ${JSON.stringify(value)}`,
    )
  }
  try {
    const exitCode = read('exit-code', exitCodeOf)
    const exitAfterMs = read('exit-after', durationOf)
    const whole = {
      pull: read('pull', outcomeOf),
      start: read('start', outcomeOf),
      exitAfterMs: exitAfterMs ?? (exitCode === undefined ? undefined : EXIT_AT_ONCE_MS),
      exitCode: exitCode ?? (exitAfterMs === undefined ? undefined : 0),
      exitReason: read('exit-reason', (text) => text),
      health: read('health', healthOf),
      targetHealth: read('target-health', healthOf),
      stopAfterMs: read('stop-after', durationOf),
      stopExitCode: read('stop-exit-code', exitCodeOf),
    }
    return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined))
  } catch (error) {
    if (error instanceof LabelProblem) return error.message
    throw error
  }
}

/** Milliseconds of `500ms`, `10s`, `1.5m` or `1h`; undefined for anything else. */
export function durationOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? []
  const factor = UNIT_MS[unit]
  if (factor === undefined) return undefined
  const durationMs = Math.round(Number(digits) * factor)
  return durationMs <= MAX_DURATION_MS ? durationMs : undefined
}

function exitCodeOf(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined
}

function outcomeOf(text: string): Outcome | undefined {
  if (text === 'fail') return { fails: true, message: 'scripted failure' }
  if (text.startsWith('fail:')) return { fails: true, message: text.slice('fail:'.length).trim() }
  const afterMs = durationOf(text)
  return afterMs === undefined ? undefined : { fails: false, afterMs }
}

function healthOf(text: string): ScriptedHealth | undefined {
  const [, is, after] = /^(healthy|unhealthy)(?:-after:(.*))?$/.exec(text) ?? []
  const afterMs = after === undefined ? 0 : durationOf(after)
  if ((is !== 'healthy' && is !== 'unhealthy') || afterMs === undefined) return undefined
  return { is, afterMs }
}
