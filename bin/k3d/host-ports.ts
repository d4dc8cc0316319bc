import { createServer } from 'node:net'
import type { Docker } from '../../cluster/k3d/docker.ts'
import { UserError } from '../output.ts'
import { portHolder } from '../port-holder.ts'

export interface WantedPort {
  readonly port: number
  /** What chose it, e.g. `--api-port`. */
  readonly flag: string
}

/** Refuses a port of this machine that somebody has: by its flag, and who that is. */
export async function refuseTakenPorts(
  wanted: readonly WantedPort[],
  host: string,
  docker: Docker,
): Promise<void> {
  for (const { port, flag } of wanted) {
    const trouble = await troubleWith(port, host)
    if (trouble === undefined) continue
    if (trouble === 'EACCES') {
      throw new UserError(
        `port ${port} of ${host} may not be used.`,
        'Ports below 1024 are for privileged programs.',
        `Choose a port above: ${flag} ${port + 4000}${flag === '--port' ? ':LISTENER' : ''}.`,
      )
    }
    const holder = await holderOf(port, docker)
    throw new UserError(
      `port ${port} of ${host} is taken.`,
      holder ? `${holder} listens there.` : 'Another program listens there.',
      `Stop that program, or choose another port with ${flag}.`,
    )
  }
}

/** Undefined where the port is free. */
export function troubleWith(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

/** A container by its name: of a port that Docker publishes the process only says `docker-proxy`. */
export async function holderOf(port: number, docker: Docker): Promise<string | undefined> {
  const [container] = await docker.publishersOf(port).catch(() => [])
  return container === undefined ? portHolder(port) : `The container ${container}`
}
