import process from 'node:process'
import { createDocker, type Docker } from '../../cluster/k3d/docker.ts'
import { createK3d, type K3d } from '../../cluster/k3d/k3d.ts'
import { createKubectl, type Kubectl } from '../../cluster/k3d/kubectl.ts'
import { ownSurroundings, ProgramFault } from '../../cluster/k3d/program.ts'
import { EXIT, UserError } from '../output.ts'

/** The programs that make clusters, all ended by one signal. */
export interface Tools {
  readonly docker: Docker
  readonly k3d: K3d
  kubectl(kubeconfig: string): Kubectl
}

export const INSTALL: Readonly<Record<string, string>> = {
  docker: 'Install Docker (https://docs.docker.com/get-docker/) and start it.',
  k3d: 'Install k3d 5.4 or newer: https://k3d.io/#installation',
  kubectl: 'Install kubectl: https://kubernetes.io/docs/tasks/tools/',
}

/** Exit code of a shell for a program that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130

/** Runs `work` with the programs; Ctrl-C ends them, and what they report becomes a UserError. */
export async function withTools<T>(
  next: string,
  work: (tools: Tools, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController()
  const onSignal = () => abort.abort()
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const surroundings = ownSurroundings(abort.signal)
  const tools: Tools = {
    docker: createDocker(surroundings),
    k3d: createK3d(surroundings),
    kubectl: (kubeconfig) => createKubectl(kubeconfig, surroundings),
  }
  try {
    return await work(tools, abort.signal)
  } catch (error) {
    if (abort.signal.aborted) throw interrupted(next)
    throw error instanceof ProgramFault ? explainProgram(error, next) : error
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

function interrupted(next: string): UserError {
  return new UserError(
    'it was interrupted.',
    'What was made so far is still there.',
    next,
    EXIT_INTERRUPTED,
  )
}

/** What a helper program reported: what, why and what to try. */
export function explainProgram(fault: ProgramFault, next: string): UserError {
  const { program, trouble, output } = fault
  if (trouble === 'missing') {
    const why = `kecs makes clusters by it, and it is not on the PATH.`
    return new UserError(`${program} was not found.`, why, INSTALL[program] ?? next)
  }
  const said = lastWords(output)
  const what = lowerFirst(fault.message)
  if (/permission denied.*docker|docker.*permission denied/is.test(output)) {
    const remedy =
      'Add yourself to the group docker (sudo usermod -aG docker "$USER") and log in again.'
    return new UserError('Docker may not be used by you.', said, remedy)
  }
  if (/cannot connect to the docker daemon|is the docker daemon running/i.test(output)) {
    return new UserError('Docker does not answer.', said, 'Start Docker, then do the same again.')
  }
  if (program === 'docker' && fault.args[0] === 'pull' && trouble === 'failed') {
    return new UserError(
      `the image ${fault.args.at(-1)} is not here and cannot be pulled.`,
      said,
      'See that its name is right and its registry can be reached, or build it under that name.',
    )
  }
  return new UserError(what, said, next, EXIT.failed)
}

const SAID_LINES = 3

/** The lines that tell most: the last ones that k3d and others mark as errors, else the last. */
function lastWords(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  const bad = lines.filter((line) => /^(FATA|ERRO|ERROR|error)/i.test(line))
  const chosen = (bad.length ? bad : lines).slice(-SAID_LINES)
  return chosen.length ? chosen.join(' / ') : 'It did not say why.'
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
