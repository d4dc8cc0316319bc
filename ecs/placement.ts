import type { CapacityProviderStrategyItem } from './rows.ts'

/**
 * The capacity provider of each of `count` tasks: bases first, then by weight, as ECS spreads them.
 * Empty for an empty strategy. `taken` are tasks that run already, by provider.
 */
export function spread(
  strategy: readonly CapacityProviderStrategyItem[],
  count: number,
  taken: ReadonlyMap<string, number> = new Map(),
): string[] {
  if (strategy.length === 0) return []
  const counts = new Map(taken)
  const places: string[] = []
  for (let index = 0; index < count; index++) {
    const name = nextProvider(strategy, counts)
    counts.set(name, (counts.get(name) ?? 0) + 1)
    places.push(name)
  }
  return places
}

function nextProvider(
  strategy: readonly CapacityProviderStrategyItem[],
  counts: ReadonlyMap<string, number>,
): string {
  const below = strategy.find(
    (item) => (counts.get(item.capacityProvider ?? '') ?? 0) < (item.base ?? 0),
  )
  if (below) return below.capacityProvider ?? ''
  // Of those with a weight, the one that is furthest below its share.
  let best: CapacityProviderStrategyItem | undefined
  let bestLoad = Number.POSITIVE_INFINITY
  for (const item of strategy) {
    const weight = item.weight ?? 0
    if (weight === 0) continue
    const load = ((counts.get(item.capacityProvider ?? '') ?? 0) - (item.base ?? 0) + 1) / weight
    if (load < bestLoad) {
      best = item
      bestLoad = load
    }
  }
  return best?.capacityProvider ?? strategy[0]?.capacityProvider ?? ''
}
