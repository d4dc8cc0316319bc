/** Task definitions as a caller might write them: the contract's types, any values, mostly wrong. */
import type { Compatibility, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import fc from 'fast-check'

const NAMES = ['web', 'db', 'log', '', 'a b', '__proto__', 'constructor']
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('web', 'db', 'log') },
  fc.constantFrom(...NAMES),
  fc.string(),
)
const text = fc.oneof(
  name,
  fc.constantFrom('arn:aws:s3:::b/k', '1 vCPU', '0.5GB', '256', '512', '8-9', '/data'),
)
const int = fc.oneof(
  fc.integer({ min: -2, max: 600 }),
  fc.constantFrom(80, 128, 1024, 65_535, 2 ** 31 - 1),
)
const pairs = fc.array(fc.record({ name: text, value: text }, { requiredKeys: [] }), {
  maxLength: 3,
})
const map = fc.dictionary(text, text, { maxKeys: 3 })

function part<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) {
  return fc.record(model, { requiredKeys: [] })
}
function list<T>(of: fc.Arbitrary<T>) {
  return fc.array(of, { maxLength: 3 })
}
function one<const T extends string>(...values: T[]) {
  return fc.constantFrom(...values)
}

const secret = fc.record({ name: text, valueFrom: text })

const container = part({
  name,
  image: text,
  cpu: int,
  memory: int,
  memoryReservation: int,
  essential: fc.boolean(),
  links: list(text),
  portMappings: list(
    part({
      containerPort: int,
      hostPort: int,
      protocol: one('tcp', 'udp'),
      name: text,
      containerPortRange: text,
    }),
  ),
  environment: pairs,
  environmentFiles: list(fc.record({ value: text, type: one('s3') })),
  secrets: list(secret),
  mountPoints: list(part({ sourceVolume: name, containerPath: text, readOnly: fc.boolean() })),
  volumesFrom: list(part({ sourceContainer: name, readOnly: fc.boolean() })),
  dependsOn: list(
    fc.record({ containerName: name, condition: one('START', 'COMPLETE', 'SUCCESS', 'HEALTHY') }),
  ),
  startTimeout: int,
  stopTimeout: int,
  privileged: fc.boolean(),
  hostname: text,
  dockerLabels: map,
  ulimits: list(fc.record({ name: one('nofile', 'core'), softLimit: int, hardLimit: int })),
  logConfiguration: fc.record(
    {
      logDriver: one('awslogs', 'json-file', 'awsfirelens'),
      options: map,
      secretOptions: list(secret),
    },
    { requiredKeys: ['logDriver'] },
  ),
  healthCheck: fc.record(
    { command: list(one('CMD', 'CMD-SHELL', 'NONE', 'true')), interval: int, retries: int },
    { requiredKeys: ['command'] },
  ),
  firelensConfiguration: fc.record({ type: one('fluentd', 'fluentbit'), options: map }),
  linuxParameters: part({
    maxSwap: int,
    swappiness: int,
    capabilities: part({ add: list(text), drop: list(text) }),
    tmpfs: list(fc.record({ containerPath: text, size: int })),
  }),
  resourceRequirements: list(fc.record({ type: one('GPU', 'InferenceAccelerator'), value: text })),
  repositoryCredentials: fc.record({ credentialsParameter: text }),
})

const volume = part({
  name,
  host: part({ sourcePath: text }),
  dockerVolumeConfiguration: part({ scope: one('task', 'shared'), autoprovision: fc.boolean() }),
  efsVolumeConfiguration: fc.record(
    {
      fileSystemId: text,
      rootDirectory: text,
      transitEncryption: one('ENABLED', 'DISABLED'),
      authorizationConfig: part({ accessPointId: text, iam: one('ENABLED', 'DISABLED') }),
    },
    { requiredKeys: ['fileSystemId'] },
  ),
  configuredAtLaunch: fc.boolean(),
})

export const anyDefinition: fc.Arbitrary<RegisterTaskDefinitionRequest> = fc.record(
  {
    family: text,
    containerDefinitions: list(container),
    taskRoleArn: text,
    executionRoleArn: text,
    networkMode: one('bridge', 'host', 'awsvpc', 'none'),
    volumes: list(volume),
    placementConstraints: list(part({ type: one('memberOf'), expression: text })),
    requiresCompatibilities: list(one('EC2', 'FARGATE', 'EXTERNAL', 'MANAGED_INSTANCES')),
    cpu: text,
    memory: text,
    pidMode: one('host', 'task'),
    ipcMode: one('host', 'task', 'none'),
    proxyConfiguration: fc.record({ containerName: name, properties: pairs }),
    ephemeralStorage: fc.record({ sizeInGiB: int }),
    runtimePlatform: part({
      cpuArchitecture: one('X86_64', 'ARM64'),
      operatingSystemFamily: one('LINUX', 'WINDOWS_SERVER_2022_CORE', 'WINDOWS_SERVER_2016_FULL'),
    }),
    tags: list(fc.record({ key: text, value: text })),
  },
  { requiredKeys: ['family', 'containerDefinitions'] },
)

const REQUIRED: readonly (Compatibility[] | undefined)[] = [undefined, ['EC2'], ['FARGATE']]

/** Wrong in few places only, so that a fair share passes every rule. */
export const likelyDefinition: fc.Arbitrary<RegisterTaskDefinitionRequest> = fc
  .record({
    networkMode: one('bridge', 'host', 'awsvpc'),
    requiresCompatibilities: fc.constantFrom(...REQUIRED),
    cpu: fc.constantFrom(undefined, '256', '.5 vCPU', '1024'),
    memory: fc.constantFrom('1024', '2GB', '2048'),
    ports: fc.uniqueArray(fc.integer({ min: 1, max: 9000 }), { maxLength: 3 }),
    second: container,
    plain: fc.boolean(),
    volumes: list(volume),
    bare: fc.boolean(),
  })
  .map(({ ports, second, plain, bare, volumes, ...rest }) => ({
    ...rest,
    family: 'site',
    executionRoleArn: 'execution',
    volumes: bare ? undefined : volumes,
    containerDefinitions: [
      {
        name: 'web',
        image: 'nginx',
        portMappings: ports.map((containerPort) => ({ containerPort })),
      },
      ...(plain ? [] : [{ image: 'redis', ...second, name: 'db' }]),
    ],
  }))
