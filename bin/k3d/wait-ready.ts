import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kubectl, NOT_READY, type PodState } from '../../cluster/k3d/kubectl.ts'
import { ProgramFault } from '../../cluster/k3d/program.ts'
import { messageOf } from '../../gateway/core/fault.ts'
import { UserError } from '../output.ts'
import type { Progress, Say } from '../progress.ts'
import type { Deadline } from './deadline.ts'

export const NAMESPACE = 'kecs-system'
const POLL_MS = 500
/** A pod of the revision before may still be there for a moment. */
const HOPELESS_POLLS = 5
const ANSWER_MS = 3_000
const EVENTS = 12
const LOG_LINES = 20

export interface Waiting {
  readonly kubectl: Kubectl
  readonly kubeconfig: string
  readonly apiPort: number
  readonly adminPort: number
  readonly signal: AbortSignal
}

/** A wait that ended badly, with the component that is to blame where one is. */
class NotReady extends Error {
  readonly pod: PodState | undefined
  constructor(why: string, pod: PodState | undefined) {
    super(why)
    this.pod = pod
  }
}

/** Waits until all of kecs answers on the ports of this machine; else tells what is known of why. */
export async function waitUntilReady(
  waiting: Waiting,
  progress: Progress,
  deadline: Deadline,
): Promise<void> {
  try {
    await progress.step('wait until it is ready', (say) => poll(waiting, say, deadline))
  } catch (error) {
    if (!(error instanceof NotReady)) throw error
    await tellMore(waiting.kubectl, error.pod, progress)
    const object = error.pod ? `pod ${error.pod.name}` : 'pods'
    throw new UserError(
      error.pod ? `${error.pod.app} did not become ready.` : 'kecs did not become ready.',
      error.message,
      `kubectl --kubeconfig ${waiting.kubeconfig} -n ${NAMESPACE} describe ${object}; once the ` +
        'reason is gone, start it again: what is there is kept.',
    )
  }
}

async function poll(waiting: Waiting, say: Say, deadline: Deadline): Promise<void> {
  let last = 'it did not say why'
  let hopelessPolls = 0
  for (;;) {
    const trouble = await look(waiting)
    if (trouble === undefined) return
    hopelessPolls = trouble.pod?.isHopeless ? hopelessPolls + 1 : 0
    if (hopelessPolls >= HOPELESS_POLLS) throw trouble
    last = trouble.message
    say(last)
    await sleep(POLL_MS, undefined, { signal: waiting.signal })
    try {
      deadline.remaining()
    } catch (error) {
      throw new NotReady(`${messageOf(error)} ${last}.`, trouble.pod)
    }
  }
}

/** What is not as it should be, the first of it. */
async function look({ kubectl, apiPort, adminPort }: Waiting): Promise<NotReady | undefined> {
  try {
    const unfinished = await kubectl.unfinished(NAMESPACE)
    if (unfinished.length > 0) {
      const pods = await kubectl.pods(NAMESPACE)
      const bad = pods.filter((pod) => !pod.isReady)
      const pod = bad.find((each) => each.isHopeless) ?? bad.find((each) => each.reason !== '')
      const why = pod
        ? `${pod.app}: ${await reasonOf(kubectl, pod)}`
        : `${unfinished.join(', ')}: pods are on their way`
      return new NotReady(why, pod)
    }
  } catch (error) {
    // The API server of a cluster that has just been started comes and goes.
    if (!(error instanceof ProgramFault) || error.trouble !== 'failed') throw error
    return new NotReady(`the API server: ${error.output.split('\n').at(-1)}`, undefined)
  }
  for (const [port, path] of [
    [adminPort, '/health'],
    [apiPort, '/ready'],
  ] as const) {
    const answer = await statusOf(port, path)
    if (answer !== 200) return new NotReady(`port ${port}, ${path}: ${answer}`, undefined)
  }
  return undefined
}

async function reasonOf(kubectl: Kubectl, { name, reason }: PodState): Promise<string> {
  if (reason !== NOT_READY) return reason
  return (await kubectl.probeFailure(NAMESPACE, name)) ?? reason
}

/** The status of an answer, or why there was none. */
export function statusOf(port: number, path: string): Promise<number | string> {
  return new Promise((resolve) => {
    const req = request({ host: '127.0.0.1', port, path, agent: false }, (res) => {
      res.resume()
      resolve(res.statusCode ?? 0)
    })
    const timer = setTimeout(() => req.destroy(new Error('no answer')), ANSWER_MS)
    req.on('error', (error) => resolve(messageOf(error)))
    req.on('close', () => {
      clearTimeout(timer)
      resolve('it closed the connection')
    })
    req.end()
  })
}

/** The last events, and the log of what failed; neither may hide the failure itself. */
async function tellMore(
  kubectl: Kubectl,
  pod: PodState | undefined,
  progress: Progress,
): Promise<void> {
  try {
    const events = await kubectl.events(NAMESPACE, EVENTS)
    progress.quote(`The last events in ${NAMESPACE}:`, events.join('\n'))
    const app = pod?.app ?? 'kecs-controlplane'
    const log = await kubectl.logs(NAMESPACE, app, LOG_LINES)
    progress.quote(`The end of the log of ${app}:`, log.trim() || '(it has written nothing)')
  } catch (error) {
    progress.quote('More could not be learnt:', messageOf(error))
  }
}
