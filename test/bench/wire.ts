/** The codecs alone: CPU time of one decode or encode, and what JSON itself takes of it. */
import { Buffer } from 'node:buffer'
import process from 'node:process'
import { contract as ecs } from '../../ecs/contract.gen.ts'
import { contract as elbv2 } from '../../elbv2/contract.gen.ts'
import { createJsonCodec } from '../../gateway/wire/awsjson.ts'
import { createQueryCodec } from '../../gateway/wire/awsquery.ts'
import type { Figure } from './figure.ts'

const RUNS = 20_000
const WARM_UP = 5_000
const JSON_TYPE = 'application/x-amz-json-1.1'
const FORM = 'application/x-www-form-urlencoded'
const ARN = 'arn:aws:ecs:us-east-1:000000000000'

const json = createJsonCodec({ contract: ecs, validationCode: 'InvalidParameterException' })
const query = createQueryCodec({ contract: elbv2, validationCode: 'ValidationError' })

export async function* run(): AsyncIterable<Figure> {
  yield* decoding('RunTask', RUN_TASK)
  yield* decoding('RegisterTaskDefinition', REGISTER)
  yield* encoding('DescribeTasks of 10', DESCRIBE_TASKS, () =>
    json.encode('DescribeTasks', DESCRIBE_TASKS, 'id'),
  )
  yield* encoding('DescribeLoadBalancers of 10', DESCRIBE_LOAD_BALANCERS, () =>
    query.encode('DescribeLoadBalancers', DESCRIBE_LOAD_BALANCERS, 'id'),
  )
  const form = Buffer.from(CREATE_TARGET_GROUP)
  const us = cpuUs(() => query.decode(form, FORM, 'CreateTargetGroup'))
  yield { name: 'decode CreateTargetGroup', value: us, unit: 'us CPU/call' }
}

function* decoding(operation: string, input: object): Iterable<Figure> {
  const body = Buffer.from(JSON.stringify(input))
  const bare = cpuUs(() => JSON.parse(body.toString()))
  const us = cpuUs(() => json.decode(body, JSON_TYPE, operation))
  yield { name: `decode ${operation}`, value: us, unit: 'us CPU/call' }
  yield { name: `decode ${operation} to JSON.parse`, value: us / bare, unit: 'ratio' }
}

function* encoding(name: string, output: object, encode: () => unknown): Iterable<Figure> {
  const bare = cpuUs(() => JSON.stringify(output))
  const us = cpuUs(encode)
  yield { name: `encode ${name}`, value: us, unit: 'us CPU/call' }
  yield { name: `encode ${name} to JSON.stringify`, value: us / bare, unit: 'ratio' }
}

function cpuUs(work: () => unknown): number {
  for (let i = 0; i < WARM_UP; i++) work()
  const before = process.cpuUsage()
  for (let i = 0; i < RUNS; i++) work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / RUNS
}

function ten<T>(make: (index: number) => T): T[] {
  return Array.from({ length: 10 }, (_, index) => make(index))
}

const RUN_TASK = {
  cluster: 'default',
  taskDefinition: 'web:1',
  count: 2,
  launchType: 'FARGATE',
  networkConfiguration: {
    awsvpcConfiguration: { subnets: ['subnet-1', 'subnet-2'], securityGroups: ['sg-1'] },
  },
  overrides: {
    containerOverrides: [{ name: 'app', environment: [{ name: 'A', value: '1' }], command: ['x'] }],
  },
  tags: [{ key: 'team', value: 'web' }],
}

const REGISTER = {
  family: 'web',
  networkMode: 'awsvpc',
  cpu: '256',
  memory: '512',
  requiresCompatibilities: ['FARGATE'],
  containerDefinitions: ['app', 'sidecar'].map((name) => ({
    name,
    image: 'nginx:latest',
    essential: true,
    portMappings: [{ containerPort: 80, protocol: 'tcp' }],
    environment: ten((index) => ({ name: `NAME_${index}`, value: `value ${index}` })),
    dockerLabels: { 'com.example.a': 'a', 'com.example.b': 'b' },
    logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-group': '/ecs/web' } },
    healthCheck: { command: ['CMD-SHELL', 'curl -f localhost'], interval: 30, retries: 3 },
  })),
  tags: [{ key: 'team', value: 'web' }],
}

const DESCRIBE_TASKS = {
  tasks: ten((index) => ({
    taskArn: `${ARN}:task/default/${index}`,
    clusterArn: `${ARN}:cluster/default`,
    taskDefinitionArn: `${ARN}:task-definition/web:1`,
    lastStatus: 'RUNNING',
    desiredStatus: 'RUNNING',
    createdAt: 1767225600.123,
    startedAt: 1767225602.456,
    launchType: 'FARGATE',
    attributes: [{ name: 'ecs.cpu-architecture', value: 'x86_64' }],
    containers: [{ name: 'app', image: 'nginx', lastStatus: 'RUNNING', networkInterfaces: [] }],
    overrides: { containerOverrides: [{ name: 'app' }], inferenceAcceleratorOverrides: [] },
    tags: [],
    version: 3,
  })),
  failures: [],
}

const DESCRIBE_LOAD_BALANCERS = {
  LoadBalancers: ten((index) => ({
    LoadBalancerArn: `arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/${index}`,
    DNSName: `web-${index}.us-east-1.elb.localhost`,
    CreatedTime: 1767225600.123,
    LoadBalancerName: `web-${index}`,
    Scheme: 'internet-facing',
    VpcId: 'vpc-1',
    State: { Code: 'active' },
    Type: 'application',
    AvailabilityZones: ['a', 'b'].map((zone) => ({
      ZoneName: `us-east-1${zone}`,
      SubnetId: `subnet-${zone}`,
    })),
    SecurityGroups: ['sg-1'],
    IpAddressType: 'ipv4',
  })),
}

const CREATE_TARGET_GROUP =
  'Action=CreateTargetGroup&Version=2015-12-01&Name=web&Protocol=HTTP&Port=80&VpcId=vpc-1' +
  '&HealthCheckIntervalSeconds=30&HealthCheckPath=%2Fhealth&Matcher.HttpCode=200' +
  '&TargetType=ip&Tags.member.1.Key=team&Tags.member.1.Value=web'
