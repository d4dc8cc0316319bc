import { Buffer } from 'node:buffer'
import * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contract } from '../../../elbv2/contract.gen.ts'
import { AwsFault } from '../../../gateway/core/fault.ts'
import type { ServiceContract } from '../../../gateway/core/provider.ts'
import { createQueryCodec } from '../../../gateway/wire/awsquery.ts'
import { senderOf, withSeconds } from './loop.ts'
import { samplesOf } from './shape-arbitrary.ts'

const codec = createQueryCodec({ contract, validationCode: 'ValidationError' })
const PROPERTY = { seed: 20260807, numRuns: 5 }
const FORM = 'application/x-www-form-urlencoded'
const epochMs = fc.integer({ min: 0, max: 4_102_444_800_000 })
const timestamp = epochMs.map((ms) => new Date(ms))

const send = senderOf(sdk, (settings) => new sdk.ElasticLoadBalancingV2Client(settings))

test('decode: takes what the SDK sends for every operation', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 10 })
  for (const [operation, { input: shape = '' }] of Object.entries(contract.operations)) {
    const inputs = samplesOf({ contract, text, timestamp, empties: false }, shape)
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        let decoded: unknown
        await send(operation, input, ({ headers, body }) => {
          assert.match(headers['content-type'] ?? '', FORM)
          decoded = codec.decode(body, headers['content-type'], operation)
          return codec.encode(operation, {}, 'id')
        })
        assert.equal(decoded, input, operation)
      }),
      PROPERTY,
    )
  }
})

/** What XML 1.0 can carry; the SDK's parser takes white space alone for nothing. */
const xmlChar = fc.oneof(
  fc.constantFrom(...'<>&"\'\t\n\r ;'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
)
const xmlText = fc.oneof(
  fc.constant(''),
  fc.string({ unit: xmlChar, maxLength: 10 }).map((some) => `${some}]]>${some}`),
)

test('encode: the SDK reads what is written for every operation', async () => {
  for (const [operation, { output: shape = '' }] of Object.entries(contract.operations)) {
    const outputs = samplesOf({ contract, text: xmlText, timestamp, empties: false }, shape)
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

const FLAT: ServiceContract = {
  protocol: 'query',
  apiVersion: '2015-12-01',
  signingName: 'x',
  xmlNamespace: 'http://x/',
  operations: { Put: { input: 'Put', output: 'Put', resultWrapper: 'PutResult' } },
  shapes: {
    Put: {
      type: 'structure',
      members: {
        Names: { shape: 'Names', flattened: true },
        Ports: { shape: 'Ports' },
        Rows: { shape: 'Rows' },
        Labels: { shape: 'Labels' },
        Flat: { shape: 'Labels', flattened: true },
        At: { shape: 'At' },
        Share: { shape: 'Share' },
        Wide: { shape: 'Wide' },
        Yes: { shape: 'Yes' },
        Renamed: { shape: 'Text', locationName: 'other' },
      },
    },
    Names: { type: 'list', member: { shape: 'Text' } },
    Ports: { type: 'list', member: { shape: 'Wide', locationName: 'port' } },
    Rows: { type: 'list', member: { shape: 'Names' } },
    Labels: {
      type: 'map',
      key: { shape: 'Text', locationName: 'Name' },
      value: { shape: 'Text', locationName: 'Value' },
    },
    At: { type: 'timestamp' },
    Share: { type: 'double' },
    Wide: { type: 'long' },
    Yes: { type: 'boolean' },
    Text: { type: 'string' },
  },
}
const flat = createQueryCodec({ contract: FLAT, validationCode: 'ValidationError' })

function decoded(form: string): unknown {
  return flat.decode(Buffer.from(form), FORM, 'Put')
}

function faultOf(form: string): AwsFault {
  try {
    decoded(form)
  } catch (fault) {
    if (fault instanceof AwsFault) return fault
    throw fault
  }
  return assert.unreachable(form) as never
}

test('decode: lists wrapped, flattened, renamed and in one another', () => {
  assert.equal(decoded('Names.1=a&Names.2=b'), { Names: ['a', 'b'] })
  assert.equal(decoded('Ports.port.1=1&Ports.port.2=2'), { Ports: [1, 2] })
  assert.equal(
    decoded('Rows.member.2.member.1=c&Rows.member.1.member.1=a&Rows.member.1.member.2=b'),
    {
      Rows: [['a', 'b'], ['c']],
    },
  )
  assert.equal(decoded('other=x&Renamed=y'), { Renamed: 'x' })
})

test('decode: a list that is there and empty is empty', () => {
  assert.equal(decoded('Names=&Ports='), { Names: [], Ports: [] })
  assert.equal(decoded(''), {})
})

test('decode: items come in the order of their numbers, of which gaps are closed', () => {
  assert.equal(decoded('Names.10=c&Names.9=b&Names.1=a'), { Names: ['a', 'b', 'c'] })
  assert.equal(decoded('Ports.port.999999999=7&Ports.port.3=1'), { Ports: [1, 7] })
})

test('decode: maps wrapped and flattened, with any key', () => {
  const labels = {
    Labels: Object.fromEntries([
      ['__proto__', 'x'],
      ['b', ''],
    ]),
  }
  assert.equal(
    decoded(
      'Labels.entry.1.Name=__proto__&Labels.entry.1.Value=x&Labels.entry.2.Name=b&Labels.entry.2.Value=',
    ),
    labels,
  )
  assert.equal(decoded('Flat.1.Name=a&Flat.1.Value=1'), { Flat: { a: '1' } })
  assert.is(({} as { x?: unknown }).x, undefined)
})

test('decode: escapes, plus signs and any Unicode', () => {
  assert.equal(decoded('other=a+b%2Bc%26%3D%0A%00%F0%9F%98%80'), { Renamed: 'a b+c&=\n\0😀' })
  assert.equal(decoded('other=ü&&'), { Renamed: 'ü' })
  assert.equal(decoded('other=a=b'), { Renamed: 'a=b' })
})

test('decode: numbers, booleans and times', () => {
  assert.equal(decoded('Wide=-9007199254740991&Share=-1.5e3&Yes=false'), {
    Wide: -9007199254740991,
    Share: -1500,
    Yes: false,
  })
  assert.equal(decoded('At=2015-12-01T00:00:00.25Z'), { At: 1448928000.25 })
})

for (const form of [
  ...['', 'x', '1.5', '0x10', '1e3', ' 1', '9007199254740993', '99999999999999999999', 'NaN'].map(
    (text) => `Wide=${text}`,
  ),
  ...['', 'x', 'NaN', 'Infinity', '1e999', '0x10', ' 1'].map((text) => `Share=${text}`),
  ...['', 'True', '1', 'yes'].map((text) => `Yes=${text}`),
  ...['', '1', 'yesterday', '2015-13-01T00:00:00Z', '1448928000'].map((text) => `At=${text}`),
  'other=%ff',
  'other=%E0%A4%A',
  'other=%',
  `${'a.'.repeat(40)}b=1`,
]) {
  test(`decode: ${form.slice(0, 40)} is malformed`, () => {
    const fault = faultOf(form)
    assert.is(fault.code, 'MalformedInput')
    assert.is(fault.status, 400)
    assert.ok(fault.message.length < 400)
  })
}

test('decode: bytes that are no UTF-8 are malformed', () => {
  const body = Buffer.concat([Buffer.from('other='), Buffer.from([0xff])])
  assert.throws(
    () => flat.decode(body, FORM, 'Put'),
    (fault: AwsFault) => fault.code === 'MalformedInput',
  )
})

test('decode: more fields than a call can mean are malformed, whatever they are', () => {
  const pairs = Array.from({ length: 100_000 }, (_, index) => `N.${index}=`)
  assert.is(faultOf(pairs.join('&')).code, 'MalformedInput')
  assert.is(faultOf('&'.repeat(100_000)).code, 'MalformedInput')
})

test('decode: what does not fit the shape is left out', () => {
  assert.equal(decoded('Names.member.1=a&Names.-1=b&Names.x=c&Names.1e1=d'), { Names: [] })
  assert.equal(decoded('Names.0=a&other=b&other.deeper=c&toString=1&__proto__.x=1'), {
    Names: ['a'],
    Renamed: 'b',
  })
  assert.is(({} as { x?: unknown }).x, undefined)
})

test('encode: an answer is wrapped, namespaced and named', () => {
  const { body, contentType } = flat.encode(
    'Put',
    { Names: ['a', 'b'], Ports: [], Rows: [['x']], Flat: { k: 'v' } },
    'id<',
  )
  assert.is(contentType, 'text/xml')
  assert.is(
    body,
    '<PutResponse xmlns="http://x/"><PutResult><Names>a</Names><Names>b</Names><Ports></Ports>' +
      '<Rows><member><member>x</member></member></Rows><Flat><Name>k</Name><Value>v</Value></Flat>' +
      '</PutResult><ResponseMetadata><RequestId>id&lt;</RequestId></ResponseMetadata></PutResponse>',
  )
})

test('encode: times in UTC, whole and broken numbers, wrapped maps', () => {
  const output = {
    At: 1448928000.25,
    Share: 0.5,
    Wide: 7,
    Yes: false,
    Labels: { a: '1' },
    Renamed: undefined,
  }
  assert.match(
    flat.encode('Put', output, 'id').body,
    '<Labels><entry><Name>a</Name><Value>1</Value></entry></Labels><At>2015-12-01T00:00:00.250Z</At>' +
      '<Share>0.5</Share><Wide>7</Wide><Yes>false</Yes></PutResult>',
  )
})

test('encode: what XML cannot carry becomes U+FFFD, the rest is escaped', () => {
  const text = 'a\0b\u001f\ufffe\ud800z\r\n\t"<&>😀'
  assert.match(
    flat.encode('Put', { Renamed: text }, 'id').body,
    '<other>a\ufffdb\ufffd\ufffd\ufffdz&#xD;\n\t&quot;&lt;&amp;&gt;😀</other>',
  )
})

test('fault: every exception of the contract is one to the SDK', async () => {
  const exceptions = Object.entries(contract.shapes).filter(([, shape]) => shape.error)
  assert.ok(exceptions.length > 50)
  for (const [name, { error }] of exceptions) {
    const { code = '', httpStatusCode = 0 } = error ?? {}
    const thrown = await send('DescribeLoadBalancers', {}, () =>
      codec.fault(new AwsFault(code, 'no "such" <thing>', httpStatusCode), 'id'),
    ).then(
      () => assert.unreachable(name),
      (error) => error,
    )
    assert.is(thrown.name, name)
    assert.is(thrown.message, 'no "such" <thing>')
    assert.is(thrown.$metadata.httpStatusCode, httpStatusCode)
    assert.is(thrown.$fault, httpStatusCode < 500 ? 'client' : 'server')
  }
})

test('fault: ours are told from the caller’s', () => {
  const { status, body } = codec.fault(new AwsFault('ServerException', 'x', 500), 'id')
  assert.is(status, 500)
  assert.match(body, '<Type>Receiver</Type><Code>ServerException</Code><Message>x</Message>')
  assert.match(codec.fault(new AwsFault('X', 'x'), 'id').body, '<Type>Sender</Type>')
})

test.run()
