/**
 * What a load balancer costs, against nginx, HAProxy and Caddy that are configured to do the same, and
 * against going to the target directly. CPU time is that of the load balancer (of the target, where it
 * is asked directly); rounds alternate.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { many } from './client.ts'
import type { Figure } from './figure.ts'
import { KECS, startKecs } from './kecs-balancer.ts'
import { LoadClient } from './load-client.ts'
import { type BenchProgram, freePorts, startProgram } from './processes.ts'
import { programOf, RIVALS, startRival } from './rivals.ts'
import {
  callFigures,
  compare,
  cpuRatio,
  type Route,
  type Tally,
  timeRatio,
  transferFigures,
} from './rounds.ts'
import { type Balancer, rulePath, type Site } from './sites.ts'

const ROUNDS = 5
const WIDTH = 8
const CALLS_A_ROUND = { kept: 2_000, fresh: 500 }
const TRANSFERS_A_ROUND = 2
const TRANSFER_BYTES = 100_000_000
/** Memory is looked at after each of the parts: it levels out, or it leaks. */
const LONG_RUN = { parts: 4, calls: 50_000 }
const MOST_TARGETS = 1_000
/** How many rules and targets load balancers have: the smallest first. */
const SHAPES = [
  { rules: 1, targets: 1 },
  { rules: 10, targets: 1 },
  { rules: 100, targets: 1 },
  { rules: 1, targets: 100 },
  { rules: 1, targets: MOST_TARGETS },
] as const
/** As many rules has what larger bodies go through. */
const MIDDLE = 10

interface SiteRoute extends Route {
  /** Undefined where the target is asked directly. */
  readonly asked: { readonly balancer: Balancer; readonly site: Site } | undefined
  /** Without the number of bytes in its end. */
  readonly path: string
}

interface Subjects {
  readonly target: BenchProgram
  readonly balancers: readonly Balancer[]
}

export async function* run(): AsyncIterable<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'kecs-bench-'))
  const running: { stop(): Promise<void> }[] = []
  try {
    const target = await startProgram('balancer-target', [String(MOST_TARGETS)])
    running.push(target)
    const balancers: Balancer[] = []
    for (const start of startersIn(folder)) {
      const balancer = await start(await freeSites(target.port))
      running.push(balancer)
      balancers.push(balancer)
    }
    yield* measure({ target, balancers })
  } finally {
    await Promise.all(running.map((each) => each.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}

function startersIn(folder: string): ((sites: readonly Site[]) => Promise<Balancer>)[] {
  const rivals = RIVALS.flatMap((rival) => {
    const program = programOf(rival)
    if (program) return (sites: readonly Site[]) => startRival(rival, program, sites, folder)
    console.error(`${rival.name} is not on the PATH and is left out`)
    return []
  })
  return [startKecs, ...rivals]
}

async function freeSites(targetPort: number): Promise<Site[]> {
  const ports = await freePorts(SHAPES.length)
  return SHAPES.map(({ rules, targets }, index) => {
    const name = targets > 1 ? count(targets, 'target') : count(rules, 'rule')
    return { name, port: ports[index] ?? 0, rules, targets, targetPort }
  })
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

async function* measure({ target, balancers }: Subjects): AsyncIterable<Figure> {
  const all = routesOf({ target, balancers })
  const byRules = all.filter(({ asked }) => asked === undefined || asked.site.targets === 1)
  const middle = byRules.filter(({ asked }) => asked === undefined || asked.site.rules === MIDDLE)
  yield* memory(balancers, 'when made ready')
  yield* calls(all, { bytes: 100, keepAlive: true })
  yield* calls(byRules, { bytes: 100, keepAlive: false })
  yield* calls(middle, { bytes: 10_000, keepAlive: true })
  yield* calls(middle, { bytes: 10_000, keepAlive: false })
  yield* transfers(middle, '100 MB down', (client, { path }) =>
    client.get(`${path}${TRANSFER_BYTES}`, TRANSFER_BYTES),
  )
  yield* transfers(middle, '100 MB up', (client, { path }) => client.put(path, TRANSFER_BYTES))
  for (const route of middle) if (route.asked?.balancer.name === KECS) yield* longRun(route)
}

function routesOf({ target, balancers }: Subjects): SiteRoute[] {
  const direct = { name: 'direct', port: target.port, path: '/', asked: undefined }
  const asked = balancers.flatMap((balancer) =>
    balancer.sites.map((site) => ({
      name: `${balancer.name} with ${site.name}`,
      port: site.port,
      path: rulePath(site.rules),
      asked: { balancer, site },
      cpuUs: () => balancer.cpuUs(),
    })),
  )
  return [{ ...direct, cpuUs: () => target.cpuUs() }, ...asked]
}

async function* calls(
  routes: readonly SiteRoute[],
  { bytes, keepAlive }: { bytes: number; keepAlive: boolean },
): AsyncIterable<Figure> {
  const times = keepAlive ? CALLS_A_ROUND.kept : CALLS_A_ROUND.fresh
  const tallies = await compare(routes, ROUNDS, (route) => ask(route, times, bytes, keepAlive))
  const size = bytes < 1_000 ? `${bytes} B` : `${bytes / 1_000} kB`
  const what = `${size}, ${keepAlive ? 'keep-alive' : 'a connection each'}`
  yield* callFigures(what, tallies)
  yield* ratios(what, tallies)
}

async function ask(
  { port, path }: SiteRoute,
  times: number,
  bytes: number,
  keepAlive: boolean,
): Promise<number[]> {
  const client = new LoadClient(port, { keepAlive })
  try {
    return await many(times, WIDTH, () => client.get(`${path}${bytes}`, bytes))
  } finally {
    client.close()
  }
}

async function* transfers(
  routes: readonly SiteRoute[],
  what: string,
  transfer: (client: LoadClient, route: SiteRoute) => Promise<void>,
): AsyncIterable<Figure> {
  const tallies = await compare(routes, ROUNDS, async (route) => {
    const client = new LoadClient(route.port)
    const times = await many(TRANSFERS_A_ROUND, 1, () => transfer(client, route))
    client.close()
    return times
  })
  yield* transferFigures(what, tallies, TRANSFER_BYTES / 1e6)
  yield* ratios(what, tallies)
}

/** KECS against the others site by site, and what larger sites cost a load balancer. */
function* ratios(what: string, tallies: readonly Tally<SiteRoute>[]): Iterable<Figure> {
  for (const tally of tallies) {
    const { asked } = tally.route
    if (asked?.balancer.name !== KECS) continue
    for (const other of tallies) {
      const rival = other.route.asked
      if (rival?.balancer === asked.balancer) continue
      if (!rival || rival.site.name === asked.site.name) yield timeRatio(what, tally, other)
      if (rival?.site.name === asked.site.name) yield cpuRatio(what, tally, other)
    }
  }
  for (const tally of tallies) {
    const { asked } = tally.route
    const first = tallies.find(({ route }) => route.asked?.balancer === asked?.balancer)
    if (asked && first && first !== tally) yield cpuRatio(what, tally, first)
  }
}

function* memory(balancers: readonly Balancer[], when: string): Iterable<Figure> {
  for (const { name, rssMb } of balancers) {
    yield { name: `memory of ${name} ${when}`, value: rssMb(), unit: 'MB' }
  }
}

async function* longRun(route: SiteRoute): AsyncIterable<Figure> {
  const balancers = route.asked ? [route.asked.balancer] : []
  yield* memory(balancers, 'before the long run')
  for (let part = 1; part <= LONG_RUN.parts; part++) {
    await ask(route, LONG_RUN.calls, 100, true)
    yield* memory(balancers, `after ${part * LONG_RUN.calls} more calls`)
  }
}
