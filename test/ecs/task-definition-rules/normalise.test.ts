import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { toTaskSpec } from '../../../ecs/launch.ts'
import { compatibilitiesOf, requiresAttributesOf } from '../../../ecs/requires-attributes.ts'
import { normaliseTaskDefinition } from '../../../ecs/task-definition-rules/normalise.ts'
import { AwsFault } from '../../../gateway/core/fault.ts'
import { anyDefinition, likelyDefinition } from '../definition-arbitrary.ts'
import { ec2, fargate, faultOf, rule, web } from '../definitions.ts'

const SEED = 20_141_113

test('normaliseTaskDefinition: the least a caller may write, and what AWS makes of it', () => {
  assert.equal(normaliseTaskDefinition(ec2()), {
    family: 'site',
    containerDefinitions: [
      {
        name: 'web',
        image: 'nginx:1.27',
        cpu: 0,
        memory: 128,
        portMappings: [],
        essential: true,
        environment: [],
        mountPoints: [],
        volumesFrom: [],
        systemControls: [],
      },
    ],
    volumes: [],
    placementConstraints: [],
  })
})

test('normaliseTaskDefinition: what was written stays, tags apart, and the input is not changed', () => {
  const input = fargate({
    tags: [{ key: 'a', value: 'b' }],
    runtimePlatform: { cpuArchitecture: 'ARM64' },
    containerDefinitions: [web({ command: ['a'], secrets: [], dockerLabels: { a: 'b' } })],
  })
  const before = structuredClone(input)
  const definition = normaliseTaskDefinition(input)
  assert.equal(input, before)
  assert.is('tags' in definition, false)
  assert.equal(definition.runtimePlatform, { cpuArchitecture: 'ARM64' })
  assert.equal(definition.requiresCompatibilities, ['FARGATE'])
  assert.equal(definition.containerDefinitions?.[0]?.secrets, [])
  assert.equal(definition.containerDefinitions?.[0]?.dockerLabels, { a: 'b' })
})

const variable = (length: number) =>
  ec2({ containerDefinitions: [web({ environment: [{ name: 'A', value: 'x'.repeat(length) }] })] })
const rest = 65_536 - JSON.stringify(normaliseTaskDefinition(variable(0))).length

rule('checkBytes', [
  ['64 KiB', variable(rest)],
  [
    '64 KiB and a byte',
    variable(rest + 1),
    "Actual length: '65537'. Max allowed length is '65536' bytes.",
  ],
])

test('normaliseTaskDefinition: of two faults the earlier rule speaks', () => {
  const fault = faultOf(() =>
    normaliseTaskDefinition(ec2({ family: '', containerDefinitions: [] })),
  )
  assert.is(fault.message, 'Family can not be blank.')
})

test('normaliseTaskDefinition: whatever is written, it answers or throws a ClientException', () => {
  fc.assert(
    fc.property(anyDefinition, (definition) => {
      try {
        normaliseTaskDefinition(definition)
      } catch (thrown) {
        if (!(thrown instanceof AwsFault)) throw thrown
        assert.is(thrown.code, 'ClientException')
        assert.match(thrown.message, /\S/)
      }
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

test('normaliseTaskDefinition: its own output gives itself again, and every derivation stands it', () => {
  let accepted = 0
  fc.assert(
    fc.property(likelyDefinition, (input) => {
      let definition: ReturnType<typeof normaliseTaskDefinition>
      try {
        definition = normaliseTaskDefinition(input)
      } catch (thrown) {
        if (thrown instanceof AwsFault) return
        throw thrown
      }
      accepted++
      assert.equal(normaliseTaskDefinition(definition as typeof input), definition)
      const compatibilities: string[] = compatibilitiesOf(definition)
      for (const required of definition.requiresCompatibilities ?? []) {
        assert.ok(compatibilities.includes(required))
      }
      const names = requiresAttributesOf(definition).map(({ name }) => name)
      assert.is(new Set(names).size, names.length)
      const spec = toTaskSpec({ taskId: 't', namespace: 'n', labels: {}, definition })
      assert.is(spec.containers.length, definition.containerDefinitions?.length)
      assert.equal(JSON.parse(JSON.stringify(spec)).id, 't')
    }),
    { seed: SEED, numRuns: 2000 },
  )
  assert.ok(accepted > 200, `only ${accepted} definitions were accepted`)
})

test.run()
