import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normaliseTaskDefinition } from '../../ecs/task-definition-rules/normalise.ts'
import { unhonoured } from '../../ecs/unhonoured.ts'
import { ec2, ROLE, web } from './definitions.ts'

test('unhonoured: files, secrets and remote volumes are named', () => {
  const environmentFiles = [{ type: 's3' as const, value: 'arn:aws:s3:::bucket/a.env' }]
  const definition = normaliseTaskDefinition(
    ec2({
      executionRoleArn: ROLE,
      volumes: [
        { name: 'efs', efsVolumeConfiguration: { fileSystemId: 'f' } },
        { name: 'files', dockerVolumeConfiguration: { scope: 'shared' } },
        { name: 'own' },
      ],
      containerDefinitions: [
        web({ secrets: [{ name: 'A', valueFrom: 'a' }] }),
        web({ name: 'b', environmentFiles }),
        web({ name: 'c' }),
      ],
    }),
  )
  assert.equal(unhonoured(definition, { containerOverrides: [{ name: 'c', environmentFiles }] }), [
    'Secrets of container web are not resolved.',
    'Environment files of container b are not read.',
    'Environment files of container c are not read.',
    'Volume files is an empty folder that goes with the task.',
  ])
  assert.equal(unhonoured(normaliseTaskDefinition(ec2())), [])
})

test('unhonoured: settings that no runtime is told of, and no word on those that one may be', () => {
  const container = web({
    dockerSecurityOptions: ['no-new-privileges'],
    resourceRequirements: [{ type: 'GPU', value: '1' }],
    linuxParameters: { devices: [{ hostPath: '/dev/a' }], swappiness: 0, initProcessEnabled: true },
    ulimits: [{ name: 'nofile', softLimit: 1, hardLimit: 2 }],
  })
  const definition = normaliseTaskDefinition(
    ec2({ pidMode: 'host', containerDefinitions: [container] }),
  )
  assert.equal(unhonoured(definition), [
    'Devices of container web are not honoured.',
    'Swap settings of container web are not honoured.',
    'Resource requirements of container web are not honoured.',
    'Security options of container web are not honoured.',
    'pidMode is not honoured.',
  ])
})

test('unhonoured: expressions of placement, whoever says them', () => {
  const memberOf = { type: 'memberOf' as const, expression: 'attribute:a == b' }
  const told = ['Placement constraints of type memberOf are not looked at.']
  const definition = normaliseTaskDefinition(ec2({ placementConstraints: [memberOf] }))
  assert.equal(unhonoured(definition), told)
  assert.equal(unhonoured(normaliseTaskDefinition(ec2()), {}, [memberOf]), told)
  const distinct = [{ type: 'distinctInstance' as const }]
  assert.equal(unhonoured(normaliseTaskDefinition(ec2()), {}, distinct), [])
})

test('unhonoured: an access point is said to be a folder', () => {
  const authorizationConfig = { accessPointId: 'fsap-1' }
  const efsVolumeConfiguration = {
    ...{ fileSystemId: 'fs-1', transitEncryption: 'ENABLED' as const },
    authorizationConfig,
  }
  const definition = normaliseTaskDefinition(
    ec2({ volumes: [{ name: 'files', efsVolumeConfiguration }] }),
  )
  assert.equal(unhonoured(definition), [
    'Access point fsap-1 of volume files is a folder of that name: its own path, user and owner are not asked for.',
  ])
})

test.run()
