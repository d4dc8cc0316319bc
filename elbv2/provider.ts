import type { Provider } from '../gateway/core/provider.ts'
import type { Elbv2Context } from './context.ts'
import { contract } from './contract.gen.ts'
import { accountHandlers } from './operations/account.ts'
import { capacityHandlers } from './operations/capacity.ts'
import { listenerCertificateHandlers } from './operations/listener-certificates.ts'
import { listenerHandlers } from './operations/listeners.ts'
import { loadBalancerAttributeHandlers } from './operations/load-balancer-attributes.ts'
import { loadBalancerHandlers } from './operations/load-balancers.ts'
import { ruleHandlers } from './operations/rules.ts'
import { tagHandlers } from './operations/tags.ts'
import { targetGroupHandlers } from './operations/target-groups.ts'
import { targetHandlers } from './operations/targets.ts'
import { trustStoreHandlers } from './operations/trust-stores.ts'

/** Elastic Load Balancing v2, answered in this process. */
export function createElbv2Provider(context: Elbv2Context): Provider {
  return {
    name: 'elbv2',
    contract,
    validationCode: 'ValidationError',
    handlers: {
      ...loadBalancerHandlers(context),
      ...loadBalancerAttributeHandlers(context),
      ...capacityHandlers(context),
      ...targetGroupHandlers(context),
      ...targetHandlers(context),
      ...listenerHandlers(context),
      ...listenerCertificateHandlers(context),
      ...ruleHandlers(context),
      ...trustStoreHandlers(context),
      ...tagHandlers(context),
      ...accountHandlers(context),
    },
  }
}
