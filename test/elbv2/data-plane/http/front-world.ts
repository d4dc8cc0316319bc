import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import { createHttpFront } from '../../../../elbv2/data-plane/http/front.ts'
import type { FrontParts } from '../../../../elbv2/data-plane/http/front-parts.ts'
import type {
  HttpFront,
  LiveListener,
  LiveTarget,
  RequestRecord,
} from '../../../../elbv2/data-plane/model.ts'
import { peerOf } from '../../../../elbv2/data-plane/peer.ts'
import { createRoutingTable } from '../../../../elbv2/data-plane/table.ts'
import { createBalancer } from '../../../../elbv2/data-plane/targets/balance.ts'
import { createStickiness } from '../../../../elbv2/data-plane/targets/stickiness.ts'
import {
  type Attributes,
  type ListenerRow,
  type LoadBalancerRow,
  type RuleRow,
  targetKey,
} from '../../../../elbv2/rows.ts'
import { type Clock, systemClock } from '../../../../gateway/core/clock.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { createProxy } from '../../../../gateway/proxy.ts'
import { createProxyHttp2 } from '../../../../gateway/proxy-http2.ts'
import { createHttpServer } from '../../../../gateway/server.ts'
import { RawConnection } from '../../../raw-http.ts'
import { LiveWorld } from '../live-world.ts'
import { Watched } from '../watched.ts'

const SCOPE = { account: '000000000000', region: 'us-east-1' }
const ELB = 'arn:aws:elasticloadbalancing:us-east-1:000000000000'

/** Load balancers with real rows, rules, targets and sockets; what it opens is gone after `close`. */
export class FrontWorld extends LiveWorld {
  readonly records: RequestRecord[] = []
  /** Of ports that are given it. */
  readonly watch = new Watched()
  readonly connections: RawConnection[] = []
  readonly #closers: (() => unknown)[] = []
  readonly #waiting: (() => void)[] = []
  #made = 0
  readonly tables = createRoutingTable({
    rows: this.rows,
    dnsSuffix: 'elb.localhost',
    log: silentLogger,
  })
  authenticate: FrontParts['authenticator']['authenticate'] = () =>
    Promise.reject(new Error('nobody asked'))
  lambda: FrontParts['lambda']['forward'] = () => Promise.reject(new Error('nobody asked'))
  /** Of the front alone: a test that turns time gives its own. */
  readonly frontClock: Clock

  constructor(frontClock: Clock = systemClock) {
    super()
    this.frontClock = frontClock
    this.live.start()
    this.store.onChange((changes) => this.tables.update(changes))
  }

  readonly proxy = createProxy({ clock: systemClock })

  front(parts: Partial<FrontParts> = {}): HttpFront {
    const clock = this.frontClock
    const proxy = createProxy({ clock })
    const proxyHttp2 = createProxyHttp2({ clock })
    this.onClose(() => proxy.close())
    this.onClose(() => proxyHttp2.close())
    const stickiness = createStickiness({ key: Buffer.alloc(32, 1), clock })
    return createHttpFront({
      balancer: createBalancer({ clock, random: Math.random, stickiness }),
      live: this.live,
      authenticator: {
        authenticate: (...args) => this.authenticate(...args),
        callback: () => Promise.reject(new Error('nobody asked')),
      },
      lambda: { forward: (...args) => this.lambda(...args) },
      proxy,
      proxyHttp2,
      clock,
      ids: systemIds,
      log: silentLogger,
      onRequest: (record) => {
        this.records.push(record)
        for (const look of this.#waiting.splice(0)) look()
      },
      ...parts,
    })
  }

  /** The record of the nth request (from 1), once it is over. */
  async record(nth = 1): Promise<RequestRecord> {
    for (;;) {
      const record = this.records[nth - 1]
      if (record) return record
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  onClose(closer: () => unknown): void {
    this.#closers.push(closer)
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy()
    for (const closer of this.#closers.splice(0).reverse()) await closer()
    this.live.close()
  }

  balancer(name = 'my-alb', attributes: Attributes = {}, row: Partial<LoadBalancerRow> = {}) {
    const arn = `${ELB}:loadbalancer/app/${name}/1`
    this.rows.loadBalancers.put(arn, {
      ...SCOPE,
      arn,
      name,
      type: 'application',
      scheme: 'internet-facing',
      dnsLabel: `${name}-1234567890.us-east-1`,
      vpcId: 'vpc-1',
      state: 'active',
      availabilityZones: [],
      securityGroups: [],
      ipAddressType: 'ipv4',
      attributes,
      tags: [],
      createdAtMs: this.clock.now(),
      ...row,
    })
    return arn
  }

  /** A listener with one default action; its ARN. */
  listener(
    loadBalancerArn: string,
    action: sdk.Action,
    row: Partial<ListenerRow> = {},
    more: readonly sdk.Action[] = [],
  ): string {
    const arn = `${loadBalancerArn.replace(':loadbalancer/', ':listener/')}/${++this.#made}`
    this.rows.listeners.put(arn, {
      ...SCOPE,
      arn,
      loadBalancerArn,
      port: 80,
      protocol: 'HTTP',
      certificateArns: [],
      defaultActions: [...more, action].map((each, at) => ({ ...each, Order: at + 1 })),
      defaultRule: { arn: `${arn.replace(':listener/', ':listener-rule/')}/0`, tags: [] },
      attributes: {},
      tags: [],
      createdAtMs: this.clock.now() + this.#made,
      ...row,
    })
    return arn
  }

  rule(listenerArn: string, priority: number, row: Partial<RuleRow>): void {
    const arn = `${listenerArn.replace(':listener/', ':listener-rule/')}/${priority}`
    this.rows.rules.put(arn, {
      ...SCOPE,
      arn,
      listenerArn,
      priority,
      conditions: [],
      actions: [],
      transforms: [],
      tags: [],
      createdAtMs: this.clock.now(),
      ...row,
    })
  }

  /** A healthy target on loopback. */
  targetAt(groupArn: string, port: number, id = '127.0.0.1'): LiveTarget {
    this.register(groupArn, [id], { port })
    const target = this.target(targetKey(groupArn, id, port))
    this.live.setHealth(target, { state: 'healthy' })
    return target
  }

  /** The listener as traffic sees it at this moment. */
  liveListener(arn: string): LiveListener {
    for (const { listeners } of this.tables.current().byArn.values()) {
      const found = listeners.find(({ row }) => row.arn === arn)
      if (found) return found
    }
    throw new Error(`there is no ${arn}`)
  }

  /** An HTTP server of the gateway's with nothing behind it but the front. */
  async serve(listenerArn: string, front = this.front()): Promise<number> {
    const server = createHttpServer(
      {
        web: (req: IncomingMessage, res: ServerResponse) =>
          front.web(this.liveListener(listenerArn), peerOf(req.socket, 'http'), req, res),
        upgrade: (req, socket, head) =>
          front.upgrade(
            this.liveListener(listenerArn),
            peerOf(req.socket, 'http'),
            req,
            socket,
            head,
          ),
      },
      { log: silentLogger, ids: systemIds },
    )
    this.onClose(() => server.close(0))
    return server.listen(0, '127.0.0.1')
  }

  connect(port: number): RawConnection {
    const connection = new RawConnection(port)
    this.connections.push(connection)
    return connection
  }

  /** Everything that a connection hears that says this and is then closed by the other side. */
  async ask(port: number, text: string): Promise<string> {
    const connection = this.connect(port)
    connection.say(text)
    return connection.toTheEnd()
  }
}

export function forwardTo(...groupArns: readonly string[]): sdk.Action {
  return {
    Type: 'forward',
    ForwardConfig: {
      TargetGroups: groupArns.map((TargetGroupArn) => ({ TargetGroupArn, Weight: 1 })),
    },
  }
}

export function fixed(StatusCode: string, MessageBody = ''): sdk.Action {
  return {
    Type: 'fixed-response',
    FixedResponseConfig: { StatusCode, MessageBody, ContentType: 'text/plain' },
  }
}
