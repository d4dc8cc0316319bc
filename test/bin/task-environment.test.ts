import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createTaskEnvironment } from '../../bin/task-environment.ts'

const REGION = 'eu-west-1'

function variables(account: string): Record<string, string> {
  const of = createTaskEnvironment({ taskEndpoint: 'http://gateway:4566', account: '000000000000' })
  return Object.assign({}, ...(of?.({ account, region: REGION }) ?? []))
}

test('createTaskEnvironment: a container calls the endpoint in the region of its task', () => {
  assert.equal(variables('000000000000'), {
    AWS_ENDPOINT_URL: 'http://gateway:4566',
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  })
})

test('createTaskEnvironment: the key of a task in another account is that account', () => {
  assert.is(variables('111122223333').AWS_ACCESS_KEY_ID, '111122223333')
})

test('createTaskEnvironment: without an endpoint nothing is given', () => {
  assert.is(createTaskEnvironment({ taskEndpoint: undefined, account: '000000000000' }), undefined)
})

test.run()
