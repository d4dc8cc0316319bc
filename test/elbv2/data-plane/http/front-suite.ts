import type { RequestListener } from 'node:http'
import { suite } from 'uvu'
import type { Clock } from '../../../../gateway/core/clock.ts'
import {
  httpTarget,
  type OnData,
  type RawTarget,
  rawTarget,
} from '../../../gateway/support-proxy.ts'
import { FrontWorld, forwardTo } from './front-world.ts'

/** A suite of tests of the front; what they start is gone after each. */
export function frontSuite(name: string) {
  const test = suite(name)
  const worlds: FrontWorld[] = []
  const closers: (() => Promise<void>)[] = []
  test.after.each(async () => {
    for (const world of worlds.splice(0)) await world.close()
    for (const close of closers.splice(0)) await close()
  })

  function newWorld(clock?: Clock): FrontWorld {
    const world = new FrontWorld(clock)
    worlds.push(world)
    return world
  }

  async function raw(onData?: OnData): Promise<RawTarget> {
    const target = await rawTarget(onData)
    closers.push(() => target.close())
    return target
  }

  async function http(listener: RequestListener) {
    const target = await httpTarget(listener)
    closers.push(() => target.close())
    return target
  }

  /** A balancer whose one listener forwards to one target on this port; its own port and its world. */
  async function inFrontOf(targetPort: number, options: InFrontOptions = {}) {
    const world = newWorld(options.clock)
    const balancer = world.balancer('my-alb', options.attributes)
    const group = world.putGroup('g', options.group)
    const target = world.targetAt(group, targetPort)
    const listener = world.listener(balancer, forwardTo(group), options.listener)
    const port = await world.serve(listener)
    return { world, port, target, group, listener, balancer }
  }

  return { test, newWorld, raw, http, inFrontOf, closers }
}

type Parameter<M extends 'balancer' | 'putGroup' | 'listener', N extends number> = Parameters<
  FrontWorld[M]
>[N]

export interface InFrontOptions {
  readonly clock?: Clock
  readonly attributes?: Parameter<'balancer', 1>
  readonly group?: Parameter<'putGroup', 1>
  readonly listener?: Parameter<'listener', 2>
}

/** A request that asks for its connection to be closed. */
export function get(path = '/', ...headers: readonly string[]): string {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: my-alb', 'Connection: close', ...headers]
  return `${lines.join('\r\n')}\r\n\r\n`
}
