import type { EcsContext, EnvironmentGroup } from '../ecs/context.ts'
import type { Settings } from './settings.ts'

/** What people give where a key is asked for and none is looked at. */
const ANY_KEY = 'test'

/**
 * So that a container can use AWS at once: the endpoint, the region of its task, and credentials
 * that stand for the task's account. Undefined where no endpoint is known that tasks reach.
 */
export function createTaskEnvironment({
  taskEndpoint,
  account: defaultAccount,
}: Pick<Settings, 'taskEndpoint' | 'account'>): EcsContext['taskEnvironment'] {
  if (taskEndpoint === undefined) return undefined
  return ({ account, region }): EnvironmentGroup[] => [
    { AWS_ENDPOINT_URL: taskEndpoint },
    { AWS_REGION: region, AWS_DEFAULT_REGION: region },
    {
      // A key of 12 digits is the account itself, here as for LocalStack.
      AWS_ACCESS_KEY_ID: account === defaultAccount ? ANY_KEY : account,
      AWS_SECRET_ACCESS_KEY: ANY_KEY,
    },
  ]
}
