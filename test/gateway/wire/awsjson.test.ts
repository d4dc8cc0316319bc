import * as sdk from '@aws-sdk/client-ecs'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contract } from '../../../ecs/contract.gen.ts'
import { AwsFault } from '../../../gateway/core/fault.ts'
import type { ServiceContract, Shape } from '../../../gateway/core/provider.ts'
import { createJsonCodec } from '../../../gateway/wire/awsjson.ts'
import { senderOf, withSeconds } from './loop.ts'
import { samplesOf } from './shape-arbitrary.ts'

const codec = createJsonCodec({ contract, validationCode: 'InvalidParameterException' })
const PROPERTY = { seed: 20260807, numRuns: 5 }
const text = fc.string({ unit: 'binary', maxLength: 10 })
// As whole milliseconds: finer ones the SDK's Date cannot hold.
const timestamp = fc.integer({ min: 0, max: 4_102_444_800_000 }).map((ms) => new Date(ms))
const filling = { contract: knownToSdk(), text, timestamp, empties: true }

/** The contract without the members that it has and the SDK's release has not yet. */
function knownToSdk(): ServiceContract {
  const schemas = sdk as unknown as Record<string, readonly unknown[] | undefined>
  const shapes = Object.entries(contract.shapes).map(([name, shape]): [string, Shape] => {
    const known = schemas[`${name}$`]?.[4] as readonly string[] | undefined
    if (!known || !shape.members) return [name, shape]
    const members = Object.entries(shape.members).filter(([member]) => known.includes(member))
    return [name, { ...shape, members: Object.fromEntries(members) }]
  })
  return { ...contract, shapes: Object.fromEntries(shapes) }
}

const send = senderOf(sdk, (settings) => new sdk.ECSClient(settings))

test('decode: takes what the SDK sends for every operation', async () => {
  for (const [operation, { input: shape = '' }] of Object.entries(contract.operations)) {
    const inputs = samplesOf(filling, shape)
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        let decoded: object = {}
        await send(operation, input, ({ headers, body }) => {
          assert.is(headers['x-amz-target'], `${contract.targetPrefix}.${operation}`)
          decoded = codec.decode(body, headers['content-type'], operation)
          return codec.encode(operation, {}, 'id')
        })
        assert.equal(decoded, onTheWire(operation, input as object, decoded), operation)
      }),
      PROPERTY,
    )
  }
})

/** The SDK makes up the tokens of idempotency that the caller leaves out. */
function onTheWire(operation: string, input: object, decoded: object): unknown {
  const token = (decoded as { clientToken?: string }).clientToken
  const made = token !== undefined && !('clientToken' in input)
  if (made) assert.ok(['RunTask', 'CreateGateway'].includes(operation))
  return withSeconds(made ? { ...input, clientToken: token } : input)
}

test('encode: the SDK reads what is written for every operation', async () => {
  for (const [operation, { output: shape = '' }] of Object.entries(contract.operations)) {
    const outputs = samplesOf(filling, shape)
    await fc.assert(
      fc.asyncProperty(outputs, async (output) => {
        const written = withSeconds(output) as object
        const read = await send(operation, {}, () => codec.encode(operation, written, 'id'))
        assert.equal(read, output, operation)
      }),
      PROPERTY,
    )
  }
})

test('encode: empty lists and false and 0 are answered, what is undefined is not', () => {
  const output = { tasks: [], failures: undefined, a: false, b: 0, c: '' }
  assert.is(codec.encode('DescribeTasks', output, 'id').body, '{"tasks":[],"a":false,"b":0,"c":""}')
})

test('fault: every exception of the contract is one to the SDK, with its members', async () => {
  const exceptions = Object.entries(contract.shapes).filter(([, shape]) => shape.exception)
  assert.ok(exceptions.length > 20)
  for (const [code, shape] of exceptions) {
    const names = Object.keys(shape.members ?? {}).filter((name) => name !== 'message')
    const members = Object.fromEntries(
      names.map((name) => [name, name === 'resourceIds' ? ['x'] : 'x']),
    )
    const thrown = await send('ListClusters', {}, () =>
      codec.fault(new AwsFault(code, 'no "such" <thing>', 400, members), 'id'),
    ).then(
      () => assert.unreachable(code),
      (error) => error,
    )
    assert.is(thrown.name, code)
    assert.is(thrown.message, 'no "such" <thing>')
    assert.is(thrown.$metadata.httpStatusCode, 400)
    for (const [name, value] of Object.entries(members)) assert.equal(thrown[name], value)
  }
})

test.run()
