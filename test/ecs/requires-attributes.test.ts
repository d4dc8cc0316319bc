import type { RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compatibilitiesOf, requiresAttributesOf } from '../../ecs/requires-attributes.ts'
import { normaliseTaskDefinition } from '../../ecs/task-definition-rules/normalise.ts'
import { ECR, ec2, fargate, ROLE, web, withContainers } from './definitions.ts'

const AGENT = 'com.amazonaws.ecs.capability.'
const API = `${AGENT}docker-remote-api.`
const ABILITY = 'ecs.capability.'

const attributes: readonly (readonly [string, RegisterTaskDefinitionRequest, string[]])[] = [
  ['the least', ec2(), []],
  ['sizes of the task', ec2({ cpu: '1024', memory: '1024' }), []],
  ['Fargate’s least', fargate(), [`${API}1.18`, `${ABILITY}task-eni`]],
  [
    'a task like most on Fargate',
    fargate({
      taskRoleArn: ROLE,
      executionRoleArn: ROLE,
      containerDefinitions: [
        web({
          image: ECR,
          logConfiguration: {
            logDriver: 'awslogs',
            options: {
              'awslogs-group': 'g',
              'awslogs-region': 'r',
              'awslogs-stream-prefix': 'p',
              'awslogs-create-group': 'true',
            },
          },
          healthCheck: { command: ['CMD-SHELL', 'true'] },
        }),
      ],
    }),
    [
      `${AGENT}logging-driver.awslogs`,
      `${API}1.19`,
      `${ABILITY}execution-role-awslogs`,
      `${API}1.29`,
      `${AGENT}ecr-auth`,
      `${ABILITY}execution-role-ecr-pull`,
      `${API}1.24`,
      `${ABILITY}container-health-check`,
      `${AGENT}task-iam-role`,
      `${API}1.18`,
      `${ABILITY}task-eni`,
    ],
  ],
  [
    'a role on the host’s network',
    ec2({ networkMode: 'host', taskRoleArn: ROLE }),
    [`${AGENT}task-iam-role-network-host`],
  ],
  [
    'secrets of both stores, twice',
    ec2({
      executionRoleArn: ROLE,
      containerDefinitions: [
        web({
          secrets: [
            { name: 'A', valueFrom: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:a' },
            { name: 'B', valueFrom: 'b' },
            { name: 'C', valueFrom: 'arn:aws:ssm:us-east-1:123456789012:parameter/c' },
          ],
        }),
      ],
    }),
    [`${ABILITY}secrets.asm.environment-variables`, `${ABILITY}secrets.ssm.environment-variables`],
  ],
  [
    'a secret of a log driver',
    ec2({
      executionRoleArn: ROLE,
      containerDefinitions: [
        web({
          logConfiguration: { logDriver: 'splunk', secretOptions: [{ name: 't', valueFrom: 't' }] },
        }),
      ],
    }),
    [`${AGENT}logging-driver.splunk`, `${API}1.22`, `${ABILITY}secrets.ssm.bootstrap.log-driver`],
  ],
  [
    'what Docker has to know',
    withContainers(
      web({
        privileged: true,
        readonlyRootFilesystem: true,
        memoryReservation: 64,
        dockerLabels: { a: 'b' },
        dockerSecurityOptions: ['label:type:x', 'apparmor:x'],
        linuxParameters: { initProcessEnabled: true },
        portMappings: [{ containerPortRange: '80-81' }],
      }),
    ),
    [
      `${AGENT}privileged-container`,
      `${API}1.17`,
      `${API}1.18`,
      `${API}1.21`,
      `${API}1.25`,
      `${AGENT}selinux`,
      `${AGENT}apparmor`,
      `${ABILITY}network.container-port-range`,
    ],
  ],
  [
    'an order of start',
    withContainers(
      web({ dependsOn: [{ containerName: 'b', condition: 'START' }] }),
      web({ name: 'b' }),
    ),
    [`${ABILITY}container-ordering`],
  ],
  [
    'a log router',
    withContainers(
      web({ logConfiguration: { logDriver: 'awsfirelens' } }),
      web({
        name: 'b',
        firelensConfiguration: { type: 'fluentbit', options: { 'config-file-type': 'file' } },
      }),
    ),
    [
      `${AGENT}logging-driver.awsfirelens`,
      `${ABILITY}firelens.fluentbit`,
      `${ABILITY}firelens.options.config.file`,
    ],
  ],
  [
    'volumes and shared namespaces',
    ec2({
      pidMode: 'task',
      volumes: [
        { name: 'a', efsVolumeConfiguration: { fileSystemId: 'f' } },
        { name: 'b', efsVolumeConfiguration: { fileSystemId: 'f', transitEncryption: 'ENABLED' } },
        { name: 'c', dockerVolumeConfiguration: { driver: 'rexray' } },
      ],
    }),
    [
      `${ABILITY}pid-ipc-namespace-sharing`,
      `${API}1.25`,
      `${ABILITY}efs`,
      `${ABILITY}efsAuth`,
      `${ABILITY}docker-plugin.rexray`,
    ],
  ],
  [
    'an image of ECR without a role',
    withContainers(web({ image: ECR })),
    [`${AGENT}ecr-auth`, `${API}1.19`],
  ],
  [
    'credentials, files and a driver that does not block',
    ec2({
      executionRoleArn: ROLE,
      containerDefinitions: [
        web({
          repositoryCredentials: { credentialsParameter: 'a' },
          environmentFiles: [{ type: 's3', value: 'arn:aws:s3:::bucket/a.env' }],
          credentialSpecs: ['credentialspec:a'],
          logConfiguration: { logDriver: 'json-file', options: { mode: 'non-blocking' } },
        }),
      ],
    }),
    [
      `${AGENT}logging-driver.json-file`,
      `${API}1.18`,
      `${API}1.28`,
      `${ABILITY}private-registry-authentication.secretsmanager`,
      `${ABILITY}env-files.s3`,
      `${ABILITY}gmsa`,
    ],
  ],
  [
    'a proxy and a Windows file server',
    ec2({
      networkMode: 'awsvpc',
      proxyConfiguration: {
        containerName: 'web',
        properties: ['ProxyIngressPort', 'ProxyEgressPort', 'AppPorts', 'EgressIgnoredIPs'].map(
          (name) => ({ name, value: '1' }),
        ),
      },
      volumes: [
        {
          name: 'a',
          fsxWindowsFileServerVolumeConfiguration: {
            fileSystemId: 'f',
            rootDirectory: 'a',
            authorizationConfig: { credentialsParameter: 'a', domain: 'a' },
          },
        },
      ],
    }),
    [`${API}1.18`, `${ABILITY}task-eni`, `${ABILITY}aws-appmesh`, `${ABILITY}fsxWindowsFileServer`],
  ],
  [
    'a Docker volume',
    ec2({ volumes: [{ name: 'a', dockerVolumeConfiguration: {} }] }),
    [`${API}1.25`, `${ABILITY}docker-plugin.local`],
  ],
  [
    'more ephemeral storage',
    fargate({ ephemeralStorage: { sizeInGiB: 30 } }),
    [`${ABILITY}extensible-ephemeral-storage`, `${API}1.18`, `${ABILITY}task-eni`],
  ],
]

for (const [what, input, names] of attributes) {
  test(`requiresAttributesOf: ${what}`, () => {
    assert.equal(
      requiresAttributesOf(normaliseTaskDefinition(input)),
      names.map((name) => ({ name })),
    )
  })
}

const compatibilities: readonly (readonly [string, RegisterTaskDefinitionRequest, string[]])[] = [
  ['a bridge', ec2(), ['EXTERNAL', 'EC2']],
  ['the host’s network', ec2({ networkMode: 'host' }), ['EXTERNAL', 'EC2', 'MANAGED_INSTANCES']],
  ['awsvpc without sizes', ec2({ networkMode: 'awsvpc' }), ['EC2', 'MANAGED_INSTANCES']],
  ['Fargate', fargate(), ['EC2', 'MANAGED_INSTANCES', 'FARGATE']],
  [
    'what could run on Fargate, too',
    fargate({ requiresCompatibilities: ['EC2'] }),
    ['EC2', 'MANAGED_INSTANCES', 'FARGATE'],
  ],
  [
    'what says nothing',
    fargate({ requiresCompatibilities: undefined }),
    ['EC2', 'MANAGED_INSTANCES', 'FARGATE'],
  ],
  [
    'what Fargate refuses',
    fargate({ requiresCompatibilities: undefined, pidMode: 'host' }),
    ['EC2', 'MANAGED_INSTANCES'],
  ],
]

for (const [what, input, expected] of compatibilities) {
  test(`compatibilitiesOf: ${what}`, () => {
    assert.equal(compatibilitiesOf(normaliseTaskDefinition(input)), expected)
  })
}

test.run()
