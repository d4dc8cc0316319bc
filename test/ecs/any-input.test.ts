import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contract } from '../../ecs/contract.gen.ts'
import { samplesOf } from '../gateway/wire/shape-arbitrary.ts'
import { World } from './world.ts'

/** Names that lead somewhere beside names that do not. */
const text = fc.oneof(
  fc.constantFrom(
    'default',
    'web',
    'web:1',
    'app',
    '0',
    '256',
    '1',
    'svc',
    ':',
    '/',
    'arn:aws:ecs:::',
  ),
  fc.constantFrom('__proto__', 'constructor', '\0', '\ud800', '-1', '1e9', 'NaN', '*', '', ' '),
  fc.constant('arn:aws:ecs:us-east-1:000000000000:cluster/default'),
  fc.constant('arn:aws:ecs:us-east-1:000000000000:service/default/svc'),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const timestamp = fc.integer({ min: 0, max: 2_000_000_000 })
const filling = { contract, text, timestamp, empties: true }

async function furnished(): Promise<World> {
  const world = new World()
  await world.send('CreateCluster', {})
  const containerDefinitions = [{ name: 'app', image: 'nginx', memory: 64 }]
  await world.send('RegisterTaskDefinition', { family: 'web', containerDefinitions })
  await world.send('CreateService', { serviceName: 'svc', taskDefinition: 'web', desiredCount: 1 })
  return world
}

for (const operation of Object.keys(new World().provider.handlers)) {
  test(`${operation}: whatever fits its shapes is answered or refused, never a bug`, async () => {
    const world = await furnished()
    const inputs = samplesOf(filling, contract.operations[operation]?.input ?? '')
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const { status, body } = await world.send(operation, input as object)
        assert.ok(status < 500 || status === 501, `${status} ${JSON.stringify(body)}`)
      }),
      { seed: 20260807, numRuns: 100 },
    )
  })
}

test.run()
