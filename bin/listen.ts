import { messageOf } from '../gateway/core/fault.ts'
import type { HttpServer } from '../gateway/server.ts'
import { UserError } from './output.ts'
import { portHolder } from './port-holder.ts'

/** Listens, or says in three lines why not, naming the flag that changes it. */
export async function listenOrExplain(
  server: HttpServer,
  port: number,
  host: string,
  flag: '--api-port' | '--admin-port',
): Promise<number> {
  try {
    return await server.listen(port, host)
  } catch (error) {
    throw explained(error, port, host, flag)
  }
}

function explained(error: unknown, port: number, host: string, flag: string): UserError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EADDRINUSE') {
    const holder = portHolder(port)
    return new UserError(
      `port ${port} of ${host} is taken.`,
      holder ? `${holder} listens there.` : 'Another program listens there.',
      `Stop that program, or choose another port: ${flag} ${port === 65_535 ? 0 : port + 1}.`,
    )
  }
  if (code === 'EACCES') {
    return new UserError(
      `port ${port} of ${host} may not be used.`,
      'Ports below 1024 are for privileged programs.',
      `Choose a port above: ${flag} ${port + 4000}.`,
    )
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new UserError(
      `${host} is no address to listen on.`,
      'No network interface of this machine has it.',
      'Leave --host away for 127.0.0.1, or give 0.0.0.0 for every interface.',
    )
  }
  return new UserError(
    `nothing can listen on port ${port} of ${host}.`,
    messageOf(error),
    `Choose another port or address: ${flag}, --host.`,
  )
}

/** A URL people can type: loopback is `localhost`, every interface is too. */
export function urlOf(host: string, port: number): string {
  const isLocal = ['127.0.0.1', '0.0.0.0', '::', '::1', 'localhost'].includes(host)
  const name = isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}
