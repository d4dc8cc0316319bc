/** A network load balancer's groups and targets, live as in a running KECS, and servers to be targets. */
import { Buffer } from 'node:buffer'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { LiveListener, LiveTarget } from '../../../../elbv2/data-plane/model.ts'
import { createFlows } from '../../../../elbv2/data-plane/nlb/flows.ts'
import { createLiveTargets } from '../../../../elbv2/data-plane/targets/live-targets.ts'
import { openElbv2Rows, type TargetGroupRow, targetKey } from '../../../../elbv2/rows.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { MemoryStore } from '../../../../gateway/core/memory-store.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { type ListenerParts, liveListener } from '../tls/tls-world.ts'
import { Watched } from '../watched.ts'

const SCOPE = { account: '000000000000', region: 'us-east-1' }

export class NlbWorld {
  readonly clock = new FakeClock(Date.now())
  readonly store = new MemoryStore({ freeze: true })
  readonly rows = openElbv2Rows(this.store)
  readonly log = silentLogger
  readonly watch = new Watched()
  readonly live = createLiveTargets({
    rows: this.rows,
    store: this.store,
    clock: this.clock,
    log: this.log,
    addressOf: (row) => row.id,
  })
  readonly flows = createFlows({ live: this.live, log: this.log })
  readonly #servers: (() => void)[] = []

  constructor() {
    this.live.start()
  }

  /** A group of healthy targets on loopback, by their ports. */
  group(name: string, ports: readonly number[], parts: Partial<TargetGroupRow> = {}): string {
    const arn = `arn:group/${name}`
    const row = {
      ...SCOPE,
      arn,
      name,
      targetType: 'ip',
      protocol: 'TCP',
      port: 80,
      ipAddressType: 'ipv4',
      attributes: {},
      tags: [],
      createdAtMs: 0,
      ...parts,
    } as unknown as TargetGroupRow
    this.store.transact(() => this.rows.targetGroups.put(arn, row))
    this.store.transact(() => {
      for (const port of ports) {
        const key = targetKey(arn, '127.0.0.1', port)
        this.rows.targets.put(key, {
          ...SCOPE,
          arn: key,
          targetGroupArn: arn,
          id: '127.0.0.1',
          port,
          registeredAtMs: 0,
        })
      }
    })
    for (const target of this.targets(arn)) this.live.setHealth(target, { state: 'healthy' })
    return arn
  }

  targets(arn: string): readonly LiveTarget[] {
    return this.live.group(arn)?.targets ?? []
  }

  only(arn: string): LiveTarget {
    const [target] = this.targets(arn)
    if (!target) throw new Error(`${arn} has no target`)
    return target
  }

  deregister(target: LiveTarget): void {
    const row = { ...target.row, drainingSinceMs: this.clock.now() }
    this.store.transact(() => this.rows.targets.put(target.key, row))
  }

  listener(
    groups: readonly { readonly arn: string; readonly weight: number }[],
    parts: ListenerParts = {},
  ): LiveListener {
    return liveListener({
      type: 'network',
      protocol: 'TCP',
      ...parts,
      rules: [
        {
          arn: 'rule',
          priority: 0,
          row: undefined,
          matches: () => true,
          rewrite: undefined,
          authenticate: [],
          final: { kind: 'forward', plan: { groups } },
        },
      ],
    })
  }

  to(arn: string, parts: ListenerParts = {}): LiveListener {
    return this.listener([{ arn, weight: 1 }], parts)
  }

  /** A target's port; connections that it has are destroyed in the end. */
  async serve(connected: (socket: Socket) => void): Promise<number> {
    return this.keep(
      createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('error', () => {})
        connected(socket)
      }),
    )
  }

  async keep(server: Server): Promise<number> {
    const open = new Set<Socket>()
    server.on('connection', (socket: Socket) => {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    })
    this.#servers.push(() => {
      server.close()
      for (const socket of open) socket.destroy()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  /** Where nobody listens. */
  async closedPort(): Promise<number> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  close(): void {
    this.flows.close()
    this.live.close()
    for (const stop of this.#servers) stop()
  }
}

/** Everything that comes until the other side ends, or the code of the error that comes instead. */
export function heardBy(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('end', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(`${error.code}`))
    socket.once('close', () => resolve('closed'))
  })
}

export async function until(is: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 10_000
  while (!is()) {
    if (Date.now() > giveUpAt) throw new Error('it did not become so in 10 s')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
