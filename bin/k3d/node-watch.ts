/** k3d waits for a node until its time-out, also where the node has given up long before. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Watch } from '../../cluster/k3d/k3d.ts'
import { UserError } from '../output.ts'
import type { Say } from '../progress.ts'
import { INOTIFY_REMEDY } from './inotify.ts'
import type { Tools } from './tools.ts'

const LOOK_EVERY_MS = 3_000
const LINES = 200
/** The kubelet ends by it, and k3s with the kubelet. */
const NO_INOTIFY = /Failed to start cAdvisor.*inotify_init: too many open files/

/** Runs k3d until it is done, or the log of the first node says that it never will be. */
export async function whileNodeLives(
  name: string,
  { docker }: Tools,
  say: Say,
  work: (watch: Watch) => Promise<void>,
): Promise<void> {
  const off = new AbortController()
  let trouble: UserError | undefined
  async function look(): Promise<void> {
    while (!off.signal.aborted) {
      await sleep(LOOK_EVERY_MS, undefined, { signal: off.signal })
      // There may be no container yet.
      const lines = await docker.logs(`k3d-${name}-server-0`, LINES).catch(() => [])
      if (!lines.some((line) => NO_INOTIFY.test(line)) || off.signal.aborted) continue
      trouble = outOfInotify(name)
      off.abort()
    }
  }
  look().catch(() => {})
  try {
    await work({ onLine: (line) => say(k3dSaid(line)), signal: off.signal })
  } catch (error) {
    throw trouble ?? error
  } finally {
    off.abort()
  }
}

function outOfInotify(name: string): UserError {
  return new UserError(
    `the node of ${name} cannot start: too many open files.`,
    'Linux allows a user only so many inotify instances, each node of a cluster takes some, and all are taken.',
    `${INOTIFY_REMEDY} Or stop other clusters. Then start it again.`,
  )
}

/** A line of k3d without its level and its count of seconds. */
export function k3dSaid(line: string): string {
  return line.replace(/^[A-Z]{4}\[\d+\]\s*/, '')
}
