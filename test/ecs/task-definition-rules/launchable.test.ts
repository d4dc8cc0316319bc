import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assertLaunchable } from '../../../ecs/task-definition-rules/launchable.ts'
import { faultOf } from '../definitions.ts'

test('assertLaunchable: a launch type among the compatibilities passes', () => {
  assertLaunchable({ compatibilities: ['EC2', 'FARGATE'] }, 'FARGATE')
})

test('assertLaunchable: any other is refused in AWS’s words', () => {
  const fault = faultOf(() => assertLaunchable({ compatibilities: ['EXTERNAL', 'EC2'] }, 'FARGATE'))
  assert.is(fault.code, 'InvalidParameterException')
  assert.is(fault.message, 'Task definition does not support launch_type FARGATE.')
})

test.run()
