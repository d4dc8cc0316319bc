/** Several ways to the same answer, compared within one run. */
import { type Figure, quantile } from './figure.ts'

/** A way to the target. */
export interface Route {
  readonly name: string
  readonly port: number
  /** Of the server that is talked to, in microseconds. */
  cpuUs(): number
}

export interface Tally<T extends Route = Route> {
  readonly route: T
  /** Of every call, in milliseconds. */
  readonly times: number[]
  readonly rounds: Round[]
}

interface Round {
  readonly calls: number
  readonly seconds: number
  readonly cpuUs: number
}

/**
 * The same rounds on every route in turn, after one that does not count: the machine's mood hits all
 * alike. A round answers how long each of its calls took.
 */
export async function compare<T extends Route>(
  routes: readonly T[],
  rounds: number,
  round: (route: T) => Promise<readonly number[]>,
): Promise<Tally<T>[]> {
  const tallies = routes.map((route) => ({ route, times: [] as number[], rounds: [] as Round[] }))
  for (const route of routes) await round(route)
  for (let index = 0; index < rounds; index++) {
    for (const { route, times, rounds: done } of tallies) {
      const cpuBefore = route.cpuUs()
      const begun = performance.now()
      const took = await round(route)
      const seconds = (performance.now() - begun) / 1_000
      times.push(...took)
      done.push({ calls: took.length, seconds, cpuUs: route.cpuUs() - cpuBefore })
    }
  }
  return tallies
}

export function* callFigures(what: string, tallies: readonly Tally[]): Iterable<Figure> {
  for (const { route, times, rounds } of tallies) {
    const name = `${what}, ${route.name}`
    yield { name, value: median(rounds, (each) => each.calls / each.seconds), unit: 'calls/s' }
    yield { name: `${name}, p50`, value: quantile(times, 0.5), unit: 'ms' }
    yield { name: `${name}, p99`, value: quantile(times, 0.99), unit: 'ms' }
    yield { name, value: median(rounds, cpuACall), unit: 'us CPU/call' }
  }
}

/** `megabytes`: how large each call was. */
export function* transferFigures(
  what: string,
  tallies: readonly Tally[],
  megabytes: number,
): Iterable<Figure> {
  for (const { route, rounds } of tallies) {
    const name = `${what}, ${route.name}`
    const rate = median(rounds, (each) => (each.calls * megabytes) / each.seconds)
    yield { name, value: rate, unit: 'MB/s' }
    yield { name, value: median(rounds, cpuACall) / 1_000, unit: 'ms CPU/transfer' }
  }
}

/** How much longer a call takes by the first way: the median of the rounds that stood side by side. */
export function timeRatio(what: string, tally: Tally, other: Tally): Figure {
  return ratio(`${what}: time`, tally, other, (each) => each.seconds / each.calls)
}

/** The same for CPU time of the servers. */
export function cpuRatio(what: string, tally: Tally, other: Tally): Figure {
  return ratio(`${what}: CPU`, tally, other, cpuACall)
}

function ratio(what: string, tally: Tally, other: Tally, of: (round: Round) => number): Figure {
  const pairs = tally.rounds.map((each, index) => of(each) / of(other.rounds[index] ?? each))
  const name = `${what}, ${tally.route.name} / ${other.route.name}`
  return { name, value: quantile(pairs, 0.5), unit: 'ratio' }
}

function cpuACall({ cpuUs, calls }: Round): number {
  return cpuUs / calls
}

function median(rounds: readonly Round[], of: (round: Round) => number): number {
  return quantile(rounds.map(of), 0.5)
}
