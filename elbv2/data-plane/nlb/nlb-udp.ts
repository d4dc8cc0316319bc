/** Ports of network load balancers' UDP and TCP_UDP listeners. */
import { Buffer } from 'node:buffer'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIP, isIPv6 } from 'node:net'
import type { LiveBalancer, PortListeners } from '../model.ts'
import { plainAddress } from '../peer.ts'
import type { FlowTarget } from './flows.ts'
import { createTcpPort, type NlbOptions } from './nlb-tcp.ts'
import { type FlowEnds, proxyHeader } from './proxy-protocol.ts'
import type { OpenNumbered } from './tcp-server.ts'

/** AWS's time: a flow that passes nothing for so long is forgotten. */
export const UDP_IDLE_MS = 120_000
/** Flows of one port, each with a socket; beyond it the one that is quiet longest goes. */
export const MAX_FLOWS = 4_096
/** Bytes that may wait to be sent on one socket; datagrams beyond it are lost, as on any network. */
const MAX_QUEUED = 1024 * 1024

interface UdpFlow {
  readonly socket: Socket
  readonly chosen: FlowTarget
  readonly balancer: LiveBalancer
  readonly ends: FlowEnds
  lastMs: number
  end(): void
}

export function createUdpPort(options: NlbOptions): OpenNumbered {
  return async (host, listeners) => {
    const server = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.bind({ port: listeners.port, address: host, exclusive: true }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    const flows = new UdpFlows(server, listeners, options)
    return {
      port: server.address().port,
      // A flow has no end that could be waited for.
      close: () => flows.close(),
    }
  }
}

/** Both protocols under one number. */
export function createTcpUdpPort(options: NlbOptions): OpenNumbered {
  const openTcp = createTcpPort(options)
  const openUdp = createUdpPort(options)
  return async (host, listeners) => {
    const tcp = await openTcp(host, listeners)
    const { port } = tcp
    try {
      const udp = await openUdp(host, withPort(listeners, port))
      return {
        port,
        async close(graceMs) {
          await Promise.all([tcp.close(graceMs), udp.close(graceMs)])
        },
      }
    } catch (thrown) {
      await tcp.close(0)
      throw thrown
    }
  }
}

function withPort(listeners: PortListeners, port: number): PortListeners {
  return {
    port,
    current: () => listeners.current(),
    forHost: (host) => listeners.forHost(host),
  }
}

class UdpFlows {
  readonly #server: Socket
  readonly #listeners: PortListeners
  readonly #options: NlbOptions
  /** By the client's address and port; who was quiet longest first. */
  readonly #flows = new Map<string, UdpFlow>()

  constructor(server: Socket, listeners: PortListeners, options: NlbOptions) {
    this.#server = server
    this.#listeners = listeners
    this.#options = options
    server.on('message', (message, from) => this.#toTarget(message, from))
    server.on('error', (error) => options.log.warn('a UDP port fails', { why: error.message }))
  }

  close(): Promise<void> {
    for (const flow of [...this.#flows.values()]) flow.end()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #toTarget(message: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`
    const flow = this.#flows.get(key) ?? this.#begin(key, from)
    if (!flow) return
    this.#flows.delete(key)
    this.#flows.set(key, flow)
    flow.lastMs = this.#options.clock.now()
    this.#options.watch.passed(flow.balancer, message.length)
    const { group, target, host } = flow.chosen
    const header = group.settings.proxyProtocolV2 ? [proxyHeader(flow.ends)] : []
    sendTo(flow.socket, Buffer.concat([...header, message]), target.port, host)
  }

  #begin(key: string, from: RemoteInfo): UdpFlow | undefined {
    const { flows, watch, clock, log } = this.#options
    const [listener] = this.#listeners.current()
    const { address, port } = this.#server.address()
    const ends: FlowEnds = {
      protocol: 'udp',
      sourceIp: plainAddress(from.address),
      sourcePort: from.port,
      destinationIp: plainAddress(address),
      destinationPort: port,
    }
    const chosen = listener && flows.choose(listener, ends)
    if (!chosen) return undefined
    const { balancer } = listener
    if (this.#flows.size >= MAX_FLOWS) this.#flows.values().next().value?.end()
    const socket = createSocket(isIPv6(chosen.host) ? 'udp6' : 'udp4')
    const flow: UdpFlow = {
      socket,
      chosen,
      balancer,
      ends,
      lastMs: clock.now(),
      end: () => {
        if (this.#flows.get(key) === flow) this.#flows.delete(key)
        timer.cancel()
        finished()
        over()
        closeOnce(socket)
      },
    }
    const checkIdle = () => {
      const leftMs = flow.lastMs + UDP_IDLE_MS - clock.now()
      if (leftMs <= 0) flow.end()
      else timer = clock.after(leftMs, checkIdle)
    }
    let timer = clock.after(UDP_IDLE_MS, checkIdle)
    const finished = flows.begin(chosen.target, () => flow.end())
    const over = watch.began(balancer)
    // Nobody listens there: to a client that looks like loss, as with AWS.
    socket.on('error', (error) => log.debug('a UDP flow fails', { why: error.message }))
    socket.on('message', (message, sender) => {
      if (!isFrom(chosen, sender)) return
      flow.lastMs = clock.now()
      watch.passed(balancer, message.length)
      sendTo(this.#server, message, from.port, from.address)
    })
    this.#flows.set(key, flow)
    return flow
  }
}

/** Anybody may send to the socket of a flow. */
function isFrom({ target, host }: FlowTarget, sender: RemoteInfo): boolean {
  return sender.port === target.port && (isIP(host) === 0 || sender.address === host)
}

function sendTo(socket: Socket, message: Buffer, port: number, host: string): void {
  if (queuedBytes(socket) > MAX_QUEUED) return
  socket.send(message, port, host, () => {
    // Lost: nobody is told, as on any network.
  })
}

function queuedBytes(socket: Socket): number {
  try {
    return socket.getSendQueueSize()
  } catch {
    // Not bound yet, or not to be had on Deno: nothing is known to wait.
    return 0
  }
}

const closing = new WeakSet<Socket>()

function closeOnce(socket: Socket): void {
  if (closing.has(socket)) return
  closing.add(socket)
  socket.close()
}
