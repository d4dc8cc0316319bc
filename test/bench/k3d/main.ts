/**
 * `npm run bench:k3d [PART …]`: a JSON line a figure, on a k3d cluster of its own that is deleted at
 * the end, however that comes. What is compared alternates within the run. Images and nodes are those
 * of start-v2 (KECS_IMAGE, KECS_K3S_IMAGE, K3D_IMAGE); tasks run KECS_TEST_IMAGE.
 */
import process from 'node:process'
import { lackOfTools } from '../../k8s/k3d.ts'
import type { Figure } from '../figure.ts'
import { calls } from './calls.ts'
import { scale } from './scale.ts'
import { start, withLocalStack } from './start.ts'
import { starts } from './tasks.ts'
import { openWorld, type World, withInstance } from './world.ts'

type Part = (world: World) => AsyncIterable<Figure>

/** Those that are run when none is named. */
const USUAL: Readonly<Record<string, Part>> = {
  tasks: starts,
  scale: (world) => scale(world, 50),
  calls,
}
const PARTS: Readonly<Record<string, Part>> = {
  ...USUAL,
  // Hundreds of stopped tasks, whose pods stay as long as ECS tells of them: what does that cost?
  growth: async function* growth(world) {
    for (let round = 0; round < 8; round++) yield* scale(world, 60)
    yield* starts(world)
  },
}

async function tell(bench: string, figures: AsyncIterable<Figure>): Promise<void> {
  for await (const { name, value, unit } of figures) {
    const rounded = Number(value.toPrecision(4))
    console.log(JSON.stringify({ bench: `k3d ${bench}`, name, value: rounded, unit }))
  }
}

async function measure(wanted: readonly string[]): Promise<void> {
  if (wanted.includes('start')) await tell('start', start())
  const parts = wanted.filter((name) => name in PARTS)
  if (parts.length + Number(wanted.includes('localstack')) === 0) return
  await withInstance(async (instance) => {
    const world = await openWorld(instance)
    try {
      for (const name of parts) await tell(name, (PARTS[name] as Part)(world))
    } finally {
      world.close()
    }
    if (wanted.includes('localstack')) await tell('localstack', withLocalStack(instance))
  })
}

const asked = process.argv.slice(2)
const usual = [
  'start',
  ...Object.keys(USUAL),
  ...(process.env.KECS_LOCALSTACK_IMAGE ? ['localstack'] : []),
]
const reason = await lackOfTools()
if (reason !== undefined) console.log(`skipped: ${reason}`)
else await measure(asked.length > 0 ? asked : usual)
process.exit(0)
