import type { Peer } from './model.ts'

interface Ends {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

/** The client's end of a connection; IPv4 as such even on a socket of both families. */
export function peerOf(socket: Ends, protocol: Peer['protocol'], tls?: Peer['tls']): Peer {
  const { remoteAddress = '0.0.0.0', remotePort = 0 } = socket
  const sourceIp = plainAddress(remoteAddress)
  return { sourceIp, sourcePort: remotePort, protocol, ...(tls && { tls }) }
}

/** IPv4 as such, even of a socket of both families. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
