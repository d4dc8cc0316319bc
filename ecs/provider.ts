import type { Provider } from '../gateway/core/provider.ts'
import type { EcsContext } from './context.ts'
import { contract } from './contract.gen.ts'
import { capacityProviderHandlers } from './operations/capacity-providers.ts'
import { clusterHandlers } from './operations/clusters.ts'
import { containerInstanceHandlers } from './operations/container-instances.ts'
import { serviceHandlers } from './operations/services.ts'
import { tagHandlers } from './operations/tags.ts'
import { taskDefinitionHandlers } from './operations/task-definitions.ts'
import { taskSetHandlers } from './operations/task-sets.ts'
import { taskHandlers } from './operations/tasks.ts'

/** Amazon ECS, answered in this process. */
export function createEcsProvider(context: EcsContext): Provider {
  return {
    name: 'ecs',
    contract,
    validationCode: 'InvalidParameterException',
    handlers: {
      ...clusterHandlers(context),
      ...capacityProviderHandlers(context),
      ...taskDefinitionHandlers(context),
      ...taskHandlers(context),
      ...serviceHandlers(context),
      ...taskSetHandlers(context),
      ...containerInstanceHandlers(context),
      ...tagHandlers(context),
    },
  }
}
