import type { Provider } from '../gateway/core/provider.ts'
import type { EcsContext } from './context.ts'
import { contract } from './contract.gen.ts'
import { capacityProviderHandlers } from './operations/capacity-providers.ts'
import { clusterHandlers } from './operations/clusters.ts'

/** Amazon ECS, answered in this process. */
export function createEcsProvider(context: EcsContext): Provider {
  return {
    name: 'ecs',
    contract,
    validationCode: 'InvalidParameterException',
    handlers: {
      ...clusterHandlers(context),
      ...capacityProviderHandlers(context),
    },
  }
}
