import type { Compatibility } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import { ECR, ec2, fargate, fargateWith, ROLE, rule, web } from '../definitions.ts'

const no = (what: string) => `Fargate compatible task definitions do not support ${what}`
const NETWORK = 'Fargate only supports network mode ‘awsvpc’.'
const awslogs = (options: Record<string, string> = {}) => ({
  logDriver: 'awslogs' as const,
  options: { 'awslogs-group': 'g', 'awslogs-region': 'us-east-1', ...options },
})
const PREFIX = { 'awslogs-stream-prefix': 'site' }

rule('fargateObjections of the task', [
  ['a small definition', fargate()],
  ['EC2 and Fargate', fargate({ requiresCompatibilities: ['EC2', 'FARGATE'] })],
  ['a bridge', fargate({ networkMode: 'bridge' }), NETWORK],
  ['no network mode', fargate({ networkMode: undefined }), NETWORK],
  ['host', fargate({ networkMode: 'host' }), NETWORK],
  [
    'placement constraints',
    fargate({ placementConstraints: [{ type: 'memberOf', expression: 'a' }] }),
    no('constraints'),
  ],
  ['ipcMode', fargate({ ipcMode: 'task' }), no('ipcMode')],
  ['pidMode task', fargate({ pidMode: 'task' })],
  [
    'pidMode host',
    fargate({ pidMode: 'host' }),
    "Tasks using the Fargate launch type do not support pidMode 'host'",
  ],
  ['a bind mount', fargate({ volumes: [{ name: 'a', host: {} }] })],
  [
    'a folder of the host',
    fargate({ volumes: [{ name: 'a', host: { sourcePath: '/a' } }] }),
    no('sourcePath'),
  ],
  [
    'a Docker volume',
    fargate({ volumes: [{ name: 'a', dockerVolumeConfiguration: {} }] }),
    no('dockerVolumeConfiguration'),
  ],
  [
    'ARM64',
    fargate({ runtimePlatform: { cpuArchitecture: 'ARM64', operatingSystemFamily: 'LINUX' } }),
  ],
  [
    'Windows of another time',
    fargate({
      cpu: '1024',
      memory: '2048',
      runtimePlatform: { operatingSystemFamily: 'WINDOWS_SERVER_2016_FULL' },
    }),
    'Fargate does not support the operating system family WINDOWS_SERVER_2016_FULL.',
  ],
  [
    'Windows on ARM64',
    fargate({
      cpu: '1024',
      memory: '2048',
      runtimePlatform: {
        operatingSystemFamily: 'WINDOWS_SERVER_2022_FULL',
        cpuArchitecture: 'ARM64',
      },
    }),
    'Fargate does not support Windows on ARM64.',
  ],
])

const tooLong = (word: string) =>
  `Tasks using the Fargate launch type must have a container ${word} timeout of less than 120 seconds.`

rule('fargateObjections of a container', [
  [
    'an image of ECR with a role',
    fargate({ executionRoleArn: ROLE, containerDefinitions: [web({ image: ECR })] }),
  ],
  [
    'an image of ECR without one',
    fargateWith({ image: ECR }),
    'Fargate requires task definition to have execution role ARN to support ECR images.',
  ],
  ['an image of the public ECR', fargateWith({ image: 'public.ecr.aws/nginx/nginx:1' })],
  [
    'awslogs with a role and a prefix',
    fargate({
      executionRoleArn: ROLE,
      containerDefinitions: [web({ logConfiguration: awslogs(PREFIX) })],
    }),
  ],
  [
    'awslogs without a role',
    fargateWith({ logConfiguration: awslogs(PREFIX) }),
    'Fargate requires task definition to have execution role ARN to support log driver awslogs.',
  ],
  [
    'awslogs without a prefix',
    fargate({
      executionRoleArn: ROLE,
      containerDefinitions: [web({ logConfiguration: awslogs() })],
    }),
    'Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.',
  ],
  [
    'json-file',
    fargateWith({ logConfiguration: { logDriver: 'json-file' } }),
    'json-file is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]',
  ],
  ['privileged: false', fargateWith({ privileged: false })],
  [
    'privileged: true',
    fargateWith({ privileged: true }),
    "Fargate requires that the 'privileged' setting be 'false'.",
  ],
  [
    'security options',
    fargateWith({ dockerSecurityOptions: ['label:x'] }),
    no('dockerSecurityOptions'),
  ],
  [
    'devices',
    fargateWith({ linuxParameters: { devices: [{ hostPath: '/dev/fuse' }] } }),
    no('devices'),
  ],
  [
    'shared memory',
    fargateWith({ linuxParameters: { sharedMemorySize: 64 } }),
    no('sharedMemorySize'),
  ],
  ['swap', fargateWith({ linuxParameters: { maxSwap: 1 } }), no('maxSwap')],
  ['swappiness', fargateWith({ linuxParameters: { swappiness: 1 } }), no('swappiness')],
  [
    'SYS_PTRACE and an init process',
    fargateWith({
      linuxParameters: {
        initProcessEnabled: true,
        capabilities: { add: ['SYS_PTRACE'], drop: ['ALL'] },
      },
    }),
  ],
  [
    'another capability',
    fargateWith({ linuxParameters: { capabilities: { add: ['NET_ADMIN'] } } }),
    'NET_ADMIN is not allowed on Fargate.',
  ],
  [
    'a GPU',
    fargateWith({ resourceRequirements: [{ type: 'GPU', value: '1' }] }),
    'Tasks using the Fargate launch type do not support GPU resource requirements.',
  ],
  ['120 seconds to stop', fargateWith({ stopTimeout: 120, startTimeout: 120 })],
  ['121 seconds to stop', fargateWith({ stopTimeout: 121 }), tooLong('stop')],
  ['121 seconds to start', fargateWith({ startTimeout: 121 }), tooLong('start')],
  [
    'a router’s file in S3',
    fargate({
      containerDefinitions: [
        web({
          firelensConfiguration: {
            type: 'fluentbit',
            options: { 'config-file-type': 's3', 'config-file-value': 'arn:aws:s3:::b/f' },
          },
        }),
        web({ name: 'b', logConfiguration: { logDriver: 'awsfirelens' } }),
      ],
    }),
    "Fargate launch type does not support FirelensConfiguration config file from 's3'",
  ],
])

const fsxWindowsFileServerVolumeConfiguration = {
  fileSystemId: 'fs-1',
  rootDirectory: 'a',
  authorizationConfig: { credentialsParameter: 'a', domain: 'a' },
}
const fsx = [{ name: 'a', fsxWindowsFileServerVolumeConfiguration }]

const on = (compatibility: Compatibility, change: Parameters<typeof ec2>[0] = {}) =>
  ec2({ requiresCompatibilities: [compatibility], ...change })
const efs = [{ name: 'a', efsVolumeConfiguration: { fileSystemId: 'fs-1' } }]

rule('objections of other launch types', [
  ['EXTERNAL on a bridge', on('EXTERNAL')],
  [
    'EXTERNAL in awsvpc',
    on('EXTERNAL', { networkMode: 'awsvpc' }),
    'External compatible task definitions do not support networkMode awsvpc',
  ],
  [
    'EXTERNAL with EFS',
    on('EXTERNAL', { volumes: efs }),
    'External compatible task definitions do not support efsVolumeConfiguration',
  ],
  ['MANAGED_INSTANCES in awsvpc', on('MANAGED_INSTANCES', { networkMode: 'awsvpc' })],
  ['MANAGED_INSTANCES in host', on('MANAGED_INSTANCES', { networkMode: 'host' })],
  [
    'MANAGED_INSTANCES on a bridge',
    on('MANAGED_INSTANCES'),
    'Managed Instances only support network modes ‘awsvpc’ and ‘host’.',
  ],
  [
    'EXTERNAL with a disk configured at launch',
    on('EXTERNAL', { volumes: [{ name: 'a', configuredAtLaunch: true }] }),
    'External compatible task definitions do not support configuredAtLaunch',
  ],
  [
    'MANAGED_INSTANCES with Windows',
    on('MANAGED_INSTANCES', {
      networkMode: 'host',
      runtimePlatform: { operatingSystemFamily: 'WINDOWS_SERVER_2022_CORE' },
    }),
    'Managed Instances compatible task definitions do not support Windows',
  ],
  [
    'MANAGED_INSTANCES with FSx',
    on('MANAGED_INSTANCES', { networkMode: 'host', volumes: fsx }),
    'Managed Instances compatible task definitions do not support fsxWindowsFileServerVolumeConfiguration',
  ],
  ['FARGATE with FSx', fargate({ volumes: fsx }), no('fsxWindowsFileServerVolumeConfiguration')],
  ['EC2 with FSx', on('EC2', { volumes: fsx })],
  [
    'EC2 with everything that Fargate refuses',
    on('EC2', { containerDefinitions: [web({ privileged: true })] }),
  ],
])

test.run()
