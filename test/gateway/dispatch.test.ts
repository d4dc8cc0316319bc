import { Buffer } from 'node:buffer'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { contract as ecs } from '../../ecs/contract.gen.ts'
import { contract as elbv2 } from '../../elbv2/contract.gen.ts'
import { AwsFault, StoreFault } from '../../gateway/core/fault.ts'
import { createLogger, type Logger } from '../../gateway/core/log.ts'
import { createMemoryStore } from '../../gateway/core/memory-store.ts'
import type { Handler, Provider } from '../../gateway/core/provider.ts'
import type { Store } from '../../gateway/core/store.ts'
import { type Answer, type CallRecord, createDispatcher } from '../../gateway/dispatch.ts'
import { FakeClock } from '../fake-clock.ts'

interface Fixture {
  readonly calls: CallRecord[]
  /** Inputs as the handlers got them. */
  readonly inputs: unknown[]
  readonly logged: string[]
  json(operation: string | undefined, body: string | Buffer, contentType?: string): Promise<Answer>
  query(operation: string | undefined, body: string | Buffer): Promise<Answer>
}

const dispatch = suite<{ fixture: Fixture }>('dispatch')
const JSON_TYPE = 'application/x-amz-json-1.1'
const FORM = 'application/x-www-form-urlencoded'
const SCOPE = { account: '000000000000', region: 'us-east-1', requestId: 'the-id' }

function start(pending?: () => Promise<void> | undefined): Fixture {
  const calls: CallRecord[] = []
  const inputs: unknown[] = []
  const logged: string[] = []
  const clock = new FakeClock()
  const log: Logger = createLogger({
    level: 'debug',
    format: 'text',
    write: (line) => logged.push(line),
    now: () => 0,
  })
  const kept = (answer: object): Handler => {
    return (input) => {
      inputs.push(input)
      return answer
    }
  }
  const failing: Handler = () => {
    throw new AwsFault('ClientException', 'no', 400, { resourceIds: ['a'] })
  }
  const providers: Provider[] = [
    {
      name: 'ecs',
      contract: ecs,
      validationCode: 'InvalidParameterException',
      handlers: {
        RunTask: kept({ tasks: [] }),
        RegisterTaskDefinition: kept({}),
        CreateCluster: failing,
        ListTasks: async () => ({ taskArns: [] }),
        DeleteCluster: () => {
          throw new Error('secret')
        },
        DeleteService: () => {
          throw new StoreFault('the disk is full')
        },
      },
    },
    {
      name: 'elbv2',
      contract: elbv2,
      validationCode: 'ValidationError',
      handlers: { AddTags: kept({}), DeleteRule: failing },
    },
  ]
  const memory = createMemoryStore()
  const store: Store = {
    collection: (name, options) => memory.collection(name, options),
    transact: (work) => memory.transact(work),
    pending: pending ?? (() => undefined),
    durable: () => memory.durable(),
    onChange: (listener) => memory.onChange(listener),
  }
  const { call } = createDispatcher({
    providers,
    store,
    clock,
    log,
    onCall: (record) => calls.push(record),
  })
  const as = (provider: string, contentType: string) => {
    return (operation: string | undefined, body: string | Buffer, type = contentType) =>
      call({ ...SCOPE, provider, operation, contentType: type, body: Buffer.from(body) })
  }
  return { calls, inputs, logged, json: as('ecs', JSON_TYPE), query: as('elbv2', FORM) }
}

dispatch.before.each((context) => {
  context.fixture = start()
})

function typeOf(answer: Answer): string {
  assert.is(answer.contentType, JSON_TYPE)
  return JSON.parse(answer.body).__type
}

function codeOf(answer: Answer): string {
  assert.is(answer.contentType, 'text/xml')
  assert.match(answer.body, '<RequestId>the-id</RequestId></ErrorResponse>')
  return /<Code>(\w+)<\/Code>/.exec(answer.body)?.[1] ?? ''
}

for (const operation of ['Nothing', 'constructor', 'toString', '__proto__', 'hasOwnProperty', '']) {
  dispatch(`call: the operation "${operation}" is unknown in both protocols`, async (context) => {
    const { json, query, calls } = context.fixture
    const answer = await json(operation, '{}')
    assert.is(answer.status, 400)
    assert.is(typeOf(answer), 'UnknownOperationException')
    const told = await query(operation, '')
    assert.is(told.status, 400)
    assert.is(codeOf(told), operation === '' ? 'MissingAction' : 'InvalidAction')
    assert.equal(
      calls.map((record) => record.operation),
      ['unknown', 'unknown'],
    )
  })
}

dispatch('call: no operation at all', async ({ fixture }) => {
  assert.is(typeOf(await fixture.json(undefined, '{}')), 'UnknownOperationException')
  assert.is(codeOf(await fixture.query(undefined, '')), 'MissingAction')
})

dispatch('call: an operation of AWS without a handler is named, with 501', async ({ fixture }) => {
  const answer = await fixture.json('CreateCapacityProvider', '{"name":"x"}')
  assert.is(answer.status, 501)
  assert.is(typeOf(answer), 'UnsupportedFeatureException')
  assert.match(answer.body, 'CreateCapacityProvider of ecs')
  const told = await fixture.query('DescribeRules', '')
  assert.is(told.status, 501)
  assert.is(codeOf(told), 'UnsupportedOperation')
  assert.is(fixture.calls[1]?.operation, 'DescribeRules')
})

const NO_INPUT: readonly (readonly [string, string | Buffer])[] = [
  ['no body', ''],
  ['half an object', '{"taskDefinition":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['a text', '"x"'],
  ['a number', '1'],
  ['a form', 'Action=RunTask'],
  ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{}')])],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ['UTF-16', Buffer.from('{}', 'utf16le')],
  ['a raw NUL in a text', '{"taskDefinition":"a\0b"}'],
  ['NaN', '{"count":NaN}'],
  ['a comment', '{/**/}'],
  ['half a megabyte of brackets', '['.repeat(500_000)],
  ['half a megabyte of braces', '{"a":'.repeat(100_000)],
  ['gzip', Buffer.from([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0])],
]

for (const [what, body] of NO_INPUT) {
  dispatch(`call: ${what} is no JSON input`, async ({ fixture }) => {
    const answer = await fixture.json('RunTask', body)
    assert.is(answer.status, 400)
    assert.is(typeOf(answer), 'SerializationException')
    assert.is(fixture.calls[0]?.outcome, 'SerializationException')
    assert.equal(fixture.inputs, [])
  })
}

for (const type of ['application/json', 'application/x-amz-json-1.0', FORM, '', 'text/xml; x']) {
  dispatch(`call: a JSON body as "${type}" is not looked at`, async ({ fixture }) => {
    const answer = await fixture.json('RunTask', '{"taskDefinition":"x"}', type)
    assert.is(answer.status, 400)
    assert.is(typeOf(answer), 'UnknownOperationException')
    assert.equal(fixture.inputs, [])
  })
}

dispatch('call: the content type may have parameters and any case', async ({ fixture }) => {
  const type = 'Application/X-Amz-JSON-1.1; charset=UTF-8'
  assert.is((await fixture.json('RunTask', '{"taskDefinition":"x"}', type)).status, 200)
})

dispatch('call: of what is twice in an object the last counts', async ({ fixture }) => {
  await fixture.json('RunTask', '{"taskDefinition":"a","taskDefinition":"b"}')
  assert.equal(fixture.inputs, [{ taskDefinition: 'b' }])
})

dispatch('call: unknown members go no further, however deep they nest', async ({ fixture }) => {
  const deep = `${'{"a":['.repeat(10_000)}${']}'.repeat(10_000)}`
  const body = `{"taskDefinition":"x","count":-0,"constructor":{"prototype":1},"deep":${deep}}`
  assert.is((await fixture.json('RunTask', body)).status, 200)
  assert.equal(fixture.inputs, [{ taskDefinition: 'x', count: -0 }])
})

dispatch('call: a structure too deep for its shape is a wrong type', async ({ fixture }) => {
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
  for (const member of ['tags', 'count', 'overrides', 'taskDefinition']) {
    const answer = await fixture.json('RunTask', `{"${member}":${deep}}`)
    assert.is(answer.status, 400)
    assert.is(typeOf(answer), 'SerializationException')
  }
})

dispatch('call: __proto__ is a name like others and reaches no prototype', async ({ fixture }) => {
  const definition =
    '{"__proto__":{"image":"x"},"name":"a","dockerLabels":{"__proto__":"p","constructor":"c"}}'
  const body = `{"__proto__":{"polluted":1},"family":"f","containerDefinitions":[${definition}]}`
  assert.is((await fixture.json('RegisterTaskDefinition', body)).status, 200)
  const input = fixture.inputs[0] as { containerDefinitions: { dockerLabels: object }[] }
  assert.is(Object.getPrototypeOf(input), Object.prototype)
  const container = input.containerDefinitions[0]
  assert.equal(Object.keys(container ?? {}), ['name', 'dockerLabels'])
  assert.equal(Object.entries(container?.dockerLabels ?? {}), [
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ])
  assert.is(({} as { polluted?: unknown }).polluted, undefined)
})

dispatch('call: a __proto__ alone does not stand for what is required', async ({ fixture }) => {
  const answer = await fixture.json('RunTask', '{"__proto__":{"taskDefinition":"x"}}')
  assert.is(typeOf(answer), 'InvalidParameterException')
})

dispatch('call: lone surrogates and NUL come through JSON as they are', async ({ fixture }) => {
  await fixture.json('RunTask', '{"taskDefinition":"\\ud800\\u0000"}')
  assert.equal(fixture.inputs, [{ taskDefinition: '\ud800\0' }])
})

const HOSTILE_FORMS: readonly (readonly [string, string])[] = [
  ['nothing at all', 'ValidationError'],
  ['&&&=&=', 'ValidationError'],
  [`${'x&'.repeat(100_000)}`, 'MalformedInput'],
  ['ResourceArns.member.1=a&Tags.member.999999999.Key=', 'ValidationError'],
  ['ResourceArns.member.1=a&Tags.member.-1.Key=a', 'ValidationError'],
  ['ResourceArns.member.1=a&Tags=x', 'ValidationError'],
  ['ResourceArns.member.1=a&Tags.member.1=x', 'ValidationError'],
  ['ResourceArns.member.1=a&__proto__.Tags.member.1.Key=x', 'ValidationError'],
  ['ResourceArns.member.1=a&constructor.prototype.Tags=x', 'ValidationError'],
  [`${'Tags.member.'.repeat(50_000)}=x`, 'MalformedInput'],
  ['Tags.member.1.Key=%80', 'MalformedInput'],
  ['ResourceArns.member.1=a&Tags.member.1.Key=%00', 'ValidationError'],
  ['{"ResourceArns":["a"]}', 'ValidationError'],
]

for (const [form, code] of HOSTILE_FORMS) {
  dispatch(`call: the form ${form.slice(0, 60)} is a ${code}`, async ({ fixture }) => {
    const answer = await fixture.query('AddTags', form)
    assert.is(answer.status, 400)
    assert.is(codeOf(answer), code)
    assert.ok(answer.body.length < 16_384)
    assert.equal(fixture.inputs, [])
    assert.is(({} as { Tags?: unknown }).Tags, undefined)
  })
}

dispatch('call: numbers in names of a form say the order only', async ({ fixture }) => {
  const form =
    'ResourceArns.member.1=a&Tags.member.999999999.Key=z&Tags.member.0.Key=y&Tags.member.0.Value=1'
  assert.is((await fixture.query('AddTags', form)).status, 200)
  assert.equal(fixture.inputs, [
    { ResourceArns: ['a'], Tags: [{ Key: 'y', Value: '1' }, { Key: 'z' }] },
  ])
})

dispatch('call: a scalar beside what nests under its name does not count', async ({ fixture }) => {
  const form =
    'ResourceArns=x&ResourceArns.member.1=a&ResourceArns.member.1.b=c&Tags.member.1.Key=k'
  assert.is((await fixture.query('AddTags', form)).status, 200)
  assert.equal(fixture.inputs, [{ ResourceArns: ['a'], Tags: [{ Key: 'k' }] }])
})

dispatch('call: a fault of a handler has its members and its status', async ({ fixture }) => {
  const answer = await fixture.json('CreateCluster', '{}')
  assert.is(answer.status, 400)
  assert.equal(JSON.parse(answer.body), {
    __type: 'ClientException',
    message: 'no',
    resourceIds: ['a'],
  })
  assert.is(codeOf(await fixture.query('DeleteRule', 'RuleArn=x')), 'ClientException')
  assert.equal(fixture.logged, [])
})

dispatch('call: a bug is logged with its id and kept from the caller', async ({ fixture }) => {
  const answer = await fixture.json('DeleteCluster', '{"cluster":"x"}')
  assert.is(answer.status, 500)
  assert.is(typeOf(answer), 'ServerException')
  assert.match(answer.body, 'the-id')
  assert.not.match(answer.body, 'secret')
  assert.match(fixture.logged[0] ?? '', /bug: secret .*the-id/)
  assert.is(fixture.calls[0]?.outcome, 'ServerException')
})

dispatch('call: what the disk would not take is told to the caller', async ({ fixture }) => {
  const answer = await fixture.json('DeleteService', '{"service":"x"}')
  assert.is(answer.status, 500)
  assert.match(answer.body, 'the disk is full')
})

dispatch('call: an answer waits for the disk, and fails with it', async () => {
  let settle = (_fault?: Error) => {}
  const pending = () =>
    new Promise<void>((resolve, reject) => {
      settle = (fault) => (fault ? reject(fault) : resolve())
    })
  const { json, calls } = start(pending)
  const slow = json('RunTask', '{"taskDefinition":"x"}')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(calls, [])
  settle()
  assert.is((await slow).status, 200)
  const failed = json('RunTask', '{"taskDefinition":"x"}')
  await new Promise((resolve) => setImmediate(resolve))
  settle(new StoreFault('the disk is full'))
  assert.is((await failed).status, 500)
})

dispatch('call: a handler may take its time', async ({ fixture }) => {
  const answer = await fixture.json('ListTasks', '{}')
  assert.equal(answer, { status: 200, contentType: JSON_TYPE, body: '{"taskArns":[]}' })
})

dispatch('call: a fault of the body is told in the caller’s protocol', async () => {
  const { call } = createDispatcher({
    providers: [
      { name: 'elbv2', contract: elbv2, validationCode: 'ValidationError', handlers: {} },
    ],
    store: createMemoryStore(),
    clock: new FakeClock(),
    log: createLogger({ level: 'error', format: 'text', write: () => {}, now: () => 0 }),
    onCall: () => {},
  })
  const body = new AwsFault('RequestEntityTooLargeException', 'too large', 413)
  const answer = await call({
    ...SCOPE,
    provider: 'elbv2',
    operation: 'AddTags',
    contentType: FORM,
    body,
  })
  assert.is(answer.status, 413)
  assert.is(codeOf(answer), 'RequestEntityTooLargeException')
})

dispatch.run()
