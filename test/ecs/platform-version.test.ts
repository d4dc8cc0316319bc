import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { World } from './world.ts'

test('RunTask and CreateService: a platform version that Fargate never had is unknown', async () => {
  const world = new World()
  await world.furnish()
  await world.register(
    'far',
    {},
    {
      networkMode: 'awsvpc',
      requiresCompatibilities: ['FARGATE'],
      cpu: '256',
      memory: '512',
    },
  )
  const launch = {
    cluster: 'c',
    taskDefinition: 'far',
    launchType: 'FARGATE',
    platformVersion: '9.9',
    networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
  }
  const unknown = 'PlatformUnknownException: The specified platform does not exist.'
  assert.is(await world.fault('RunTask', launch), unknown)
  const service = { ...launch, serviceName: 's', desiredCount: 1 }
  assert.is(await world.fault('CreateService', service), unknown)
})

test.run()
