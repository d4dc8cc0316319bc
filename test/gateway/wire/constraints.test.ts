import { Buffer } from 'node:buffer'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contract as ecs } from '../../../ecs/contract.gen.ts'
import { contract as elbv2 } from '../../../elbv2/contract.gen.ts'
import { AwsFault } from '../../../gateway/core/fault.ts'
import type { ServiceContract } from '../../../gateway/core/provider.ts'
import { createJsonCodec } from '../../../gateway/wire/awsjson.ts'
import { createQueryCodec } from '../../../gateway/wire/awsquery.ts'
import type { Codec } from '../../../gateway/wire/codec.ts'

const JSON_TYPE = 'application/x-amz-json-1.1'
const FORM = 'application/x-www-form-urlencoded'
const json = createJsonCodec({
  contract: ecs,
  validationCode: 'InvalidParameterException',
  missing: { 'DeleteCluster.cluster': ['ClientException', 'Cluster can not be blank.'] },
})
const query = createQueryCodec({ contract: elbv2, validationCode: 'ValidationError' })

/** Code and text of the fault; undefined where the input is taken. */
function refusal(codec: Codec, operation: string, body: string): string | undefined {
  try {
    codec.decode(Buffer.from(body), codec === query ? FORM : JSON_TYPE, operation)
    return undefined
  } catch (fault) {
    if (!(fault instanceof AwsFault)) throw fault
    assert.is(fault.status, 400)
    return `${fault.code}: ${fault.message}`
  }
}

function one(value: string, at: string, constraint: string): string {
  return `1 validation error detected: Value ${value} at '${at}' failed to satisfy constraint: Member must ${constraint}`
}

const TAG_PATTERN = '([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)'
const JSON_TABLE: readonly (readonly [string, string, string])[] = [
  ['DescribeTasks', '{}', one('null', 'tasks', 'not be null')],
  ['DescribeTasks', '{"tasks":null}', one('null', 'tasks', 'not be null')],
  ['DescribeTasks', '{"tasks":["a",null]}', one('null', 'tasks.2.member', 'not be null')],
  [
    'RunTask',
    '{"taskDefinition":"x","launchType":"FARGATEE"}',
    one(
      "'FARGATEE'",
      'launchType',
      'satisfy enum value set: [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES]',
    ),
  ],
  [
    'DescribeClusters',
    '{"include":["TAGS","X"]}',
    one(
      "'[TAGS, X]'",
      'include',
      'satisfy constraint: [Member must satisfy enum value set: [ATTACHMENTS, CONFIGURATIONS, SETTINGS, STATISTICS, TAGS]]',
    ),
  ],
  [
    'RunTask',
    '{"taskDefinition":"x","capacityProviderStrategy":[{"capacityProvider":"p","weight":1001}]}',
    one(
      "'1001'",
      'capacityProviderStrategy.1.member.weight',
      'have value less than or equal to 1000',
    ),
  ],
  [
    'RunTask',
    '{"taskDefinition":"x","capacityProviderStrategy":[{"capacityProvider":"p","base":-1}]}',
    one("'-1'", 'capacityProviderStrategy.1.member.base', 'have value greater than or equal to 0'),
  ],
  [
    'CreateCluster',
    '{"tags":[{"key":"","value":"x"}]}',
    one("''", 'tags.1.member.key', 'have length greater than or equal to 1'),
  ],
  [
    'CreateCluster',
    '{"tags":[{"key":"a"},{"key":"b!","value":"x"}]}',
    one("'b!'", 'tags.2.member.key', `satisfy regular expression pattern: ${TAG_PATTERN}`),
  ],
  [
    'CreateCluster',
    `{"tags":[{"key":"a","value":"${'v'.repeat(257)}"}]}`,
    one(`'${'v'.repeat(256)}…'`, 'tags.1.member.value', 'have length less than or equal to 256'),
  ],
  [
    'CreateCluster',
    `{"tags":[${Array.from({ length: 51 }, () => '{"key":"a"}').join()}]}`,
    one(
      `'[${Array.from({ length: 51 }, () => '{…}').join(', ')}]'`,
      'tags',
      'have length less than or equal to 50',
    ),
  ],
]

for (const [operation, body, text] of JSON_TABLE) {
  test(`json: ${operation} ${body.slice(0, 60)} is told as AWS tells it`, () => {
    assert.is(refusal(json, operation, body), `InvalidParameterException: ${text}`)
  })
}

test('json: several broken constraints are told at once, in their order', () => {
  const body = `{"launchType":"X","tags":[{"key":"${'!'.repeat(129)}"}]}`
  const key =
    "Value '" +
    '!'.repeat(129) +
    "' at 'tags.1.member.key' failed to satisfy constraint: Member must"
  assert.is(
    refusal(json, 'RunTask', body),
    'InvalidParameterException: 4 validation errors detected: ' +
      "Value 'X' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES]; " +
      `${key} have length less than or equal to 128; ` +
      `${key} satisfy regular expression pattern: ${TAG_PATTERN}; ` +
      "Value null at 'taskDefinition' failed to satisfy constraint: Member must not be null",
  )
})

test('json: no fault grows with what is wrong', () => {
  const wrong = Array.from({ length: 10_000 }, () => '{"containerName":1e0}').join()
  const tags = Array.from({ length: 10_000 }, () => `{"key":"${'!'.repeat(80)}"}`).join()
  for (const body of [
    `{"tags":[${tags}]}`,
    `{"tags":[${wrong}]}`,
    `{"include":["${'x'.repeat(1e6)}"]}`,
  ]) {
    const operation = body.startsWith('{"i') ? 'DescribeClusters' : 'CreateCluster'
    assert.ok((refusal(json, operation, body) ?? '').length < 16_384)
  }
})

test('json: what the service tells in its own words it tells so', () => {
  assert.is(refusal(json, 'DeleteCluster', '{}'), 'ClientException: Cluster can not be blank.')
})

const LIST = 'Start of list found where not expected'
const STRUCTURE = 'Start of structure or map found where not expected.'
const TYPES: readonly (readonly [string, string])[] = [
  ['{"cluster":1}', 'NUMBER_VALUE cannot be converted to String'],
  ['{"cluster":true}', 'TRUE_VALUE cannot be converted to String'],
  ['{"cluster":["a"]}', LIST],
  ['{"cluster":{}}', STRUCTURE],
  ['{"count":"1"}', 'STRING_VALUE cannot be converted to Integer'],
  ['{"count":"NaN"}', 'STRING_VALUE cannot be converted to Integer'],
  ['{"count":1.5}', 'NUMBER_VALUE cannot be converted to Integer'],
  ['{"count":1e999}', 'NUMBER_VALUE cannot be converted to Integer'],
  ['{"count":2147483648}', 'NUMBER_VALUE cannot be converted to Integer'],
  ['{"count":-2147483649}', 'NUMBER_VALUE cannot be converted to Integer'],
  ['{"enableECSManagedTags":"true"}', 'STRING_VALUE cannot be converted to Boolean'],
  ['{"enableECSManagedTags":0}', 'NUMBER_VALUE cannot be converted to Boolean'],
  ['{"tags":{}}', STRUCTURE],
  ['{"tags":"x"}', 'STRING_VALUE cannot be converted to List'],
  ['{"tags":[[]]}', LIST],
  ['{"tags":["x"]}', 'STRING_VALUE cannot be converted to Structure'],
  ['{"overrides":[]}', LIST],
  ['{"overrides":false}', 'FALSE_VALUE cannot be converted to Structure'],
]

for (const [body, text] of TYPES) {
  test(`json: RunTask ${body} has a wrong type, whatever else is wrong`, () => {
    assert.is(refusal(json, 'RunTask', body), `SerializationException: ${text}`)
  })
}

test('json: maps and doubles and times of wrong types', () => {
  const definition = (labels: string) =>
    `{"family":"f","containerDefinitions":[{"dockerLabels":${labels}}]}`
  assert.is(
    refusal(json, 'RegisterTaskDefinition', definition('[]')),
    `SerializationException: ${LIST}`,
  )
  assert.is(
    refusal(json, 'RegisterTaskDefinition', definition('{"a":1}')),
    'SerializationException: NUMBER_VALUE cannot be converted to String',
  )
  assert.is(
    refusal(json, 'CreateTaskSet', '{"scale":{"value":1e999}}'),
    'SerializationException: NUMBER_VALUE cannot be converted to Double',
  )
  const started = (time: string) => `{"createdAt":{"after":${time}}}`
  for (const time of ['"yesterday"', '"1"', '"2020-13-01T00:00:00Z"', '1e999', 'true']) {
    assert.match(
      String(refusal(json, 'ListServiceDeployments', started(time))),
      /^SerializationException: (NUMBER|STRING|TRUE)_VALUE cannot be converted to Timestamp$/,
    )
  }
  for (const time of ['0', '1.5e9', '"2020-01-01T00:00:00.5Z"', '"2020-01-01T00:00:00+02:00"']) {
    assert.not.match(
      String(refusal(json, 'ListServiceDeployments', started(time))),
      'Serialization',
    )
  }
})

test('json: what is at its bounds is taken', () => {
  const tags = `[{"key":"${'k'.repeat(128)}","value":"${'v'.repeat(256)}"},{"key":"é 漢","value":""}]`
  const strategy =
    '[{"capacityProvider":"p","weight":1000,"base":0},{"capacityProvider":"p","weight":0,"base":100000}]'
  const body = `{"taskDefinition":"x","count":2147483647,"tags":${tags},"capacityProviderStrategy":${strategy}}`
  assert.is(refusal(json, 'RunTask', body), undefined)
})

const ARN = 'LoadBalancerArn=a'
const QUERY_TABLE: readonly (readonly [string, string, string])[] = [
  ['DeleteLoadBalancer', '', one('null', 'loadBalancerArn', 'not be null')],
  [
    'AddTags',
    'ResourceArns.member.1=a&Tags.member.1.Value=x',
    one('null', 'tags.1.member.key', 'not be null'),
  ],
  [
    'AddTags',
    'ResourceArns.member.1=a&Tags=',
    one("'[]'", 'tags', 'have length greater than or equal to 1'),
  ],
  [
    'CreateTargetGroup',
    'Name=x&HealthCheckIntervalSeconds=600',
    one("'600'", 'healthCheckIntervalSeconds', 'have value less than or equal to 300'),
  ],
  [
    'CreateTargetGroup',
    'Name=x&Port=0',
    one("'0'", 'port', 'have value greater than or equal to 1'),
  ],
  [
    'CreateLoadBalancer',
    'Name=x&Scheme=public',
    one("'public'", 'scheme', 'satisfy enum value set: [internet-facing, internal]'),
  ],
  [
    'CreateTrustStore',
    'Name=-x&CaCertificatesBundleS3Bucket=b&CaCertificatesBundleS3Key=k',
    one("'-x'", 'name', 'satisfy regular expression pattern: ^([a-zA-Z0-9]+-)*[a-zA-Z0-9]+$'),
  ],
  [
    'CreateListener',
    `${ARN}&DefaultActions.member.1.Type=fixed-response&DefaultActions.member.1.FixedResponseConfig.StatusCode=600`,
    one(
      "'600'",
      'defaultActions.1.member.fixedResponseConfig.statusCode',
      'satisfy regular expression pattern: ^(2|4|5)\\d\\d$',
    ),
  ],
]

for (const [operation, body, text] of QUERY_TABLE) {
  test(`query: ${operation} ${body.slice(0, 60)} is told as AWS tells it`, () => {
    assert.is(refusal(query, operation, body), `ValidationError: ${text}`)
  })
}

test('query: several broken constraints are told at once', () => {
  assert.is(
    refusal(query, 'CreateTargetGroup', 'Port=70000&TargetType=x'),
    "ValidationError: 3 validation errors detected: Value '70000' at 'port' failed to satisfy constraint: Member must have value less than or equal to 65535; " +
      "Value 'x' at 'targetType' failed to satisfy constraint: Member must satisfy enum value set: [instance, ip, lambda, alb]; " +
      "Value null at 'name' failed to satisfy constraint: Member must not be null",
  )
})

test('query: wrong types are malformed input', () => {
  assert.is(
    refusal(query, 'CreateTargetGroup', 'Name=x&Port=http'),
    "MalformedInput: Unable to parse 'http' as integer.",
  )
  assert.is(
    refusal(query, 'CreateTargetGroup', 'Name=x&Port=2147483648'),
    "MalformedInput: Unable to parse '2147483648' as integer.",
  )
  assert.is(
    refusal(query, 'CreateTargetGroup', 'Name=x&HealthCheckEnabled=maybe'),
    "MalformedInput: Unable to parse 'maybe' as boolean.",
  )
})

test('pattern: a text that is far too long costs no match', () => {
  const name = `${'a-'.repeat(500_000)}!`
  const body = `Name=${name}&CaCertificatesBundleS3Bucket=b&CaCertificatesBundleS3Key=k`
  assert.match(
    refusal(query, 'CreateTrustStore', body) ?? '',
    /^ValidationError: 1 validation error detected: .* have length less than or equal to 32$/,
  )
})

test('contract: every pattern is one that this runtime understands', () => {
  for (const contract of [ecs, elbv2] as ServiceContract[]) {
    for (const [name, shape] of Object.entries(contract.shapes)) {
      if (shape.pattern === undefined) continue
      const only: ServiceContract = {
        ...contract,
        operations: { Put: { input: 'Put' } },
        shapes: { Put: { type: 'structure', members: { it: { shape: name } } }, [name]: shape },
      }
      const codec = createJsonCodec({ contract: only, validationCode: 'X' })
      assert.match(
        String(refusal(codec, 'Put', '{"it":"\\u0000"}')),
        'regular expression pattern',
        name,
      )
    }
  }
})

const DEEP: ServiceContract = {
  ...ecs,
  operations: { Put: { input: 'Tree' } },
  shapes: {
    Tree: { type: 'structure', members: { tree: { shape: 'Tree' }, any: { shape: 'Any' } } },
    Any: { type: 'structure', members: {} },
  },
}

test('depth: shapes that hold themselves and documents nest so far and no further', () => {
  const codec = createJsonCodec({ contract: DEEP, validationCode: 'X' })
  const tree = (levels: number) => `${'{"tree":'.repeat(levels)}{}${'}'.repeat(levels)}`
  const document = (levels: number) => `{"any":${'['.repeat(levels)}${']'.repeat(levels)}}`
  for (const body of [tree(60), document(60)]) assert.is(refusal(codec, 'Put', body), undefined)
  for (const body of [tree(70), document(70), tree(10_000), document(10_000)]) {
    assert.match(String(refusal(codec, 'Put', body)), /^SerializationException: .*64 levels/)
  }
})

test.run()
