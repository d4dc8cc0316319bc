/** AWS's default quotas of listeners, rules, groups and targets, by what they bound. */
import { ACCOUNT_LIMITS } from './limits.ts'

export const MAX_LISTENERS_PER_BALANCER = ACCOUNT_LIMITS['listeners-per-application-load-balancer']
/** Of one load balancer, its default rules not counted. */
export const MAX_RULES_PER_BALANCER = ACCOUNT_LIMITS['rules-per-application-load-balancer']
/** Default certificates not counted. */
export const MAX_CERTIFICATES_PER_BALANCER =
  ACCOUNT_LIMITS['certificates-per-application-load-balancer']
/** Network load balancers count for each listener by itself. */
export const MAX_CERTIFICATES_PER_NETWORK_LISTENER =
  ACCOUNT_LIMITS['certificates-per-network-load-balancer']
export const MAX_MUTUAL_TLS_LISTENERS_PER_BALANCER = 2
export const MAX_TARGET_GROUPS = ACCOUNT_LIMITS['target-groups']
export const MAX_TARGET_GROUPS_PER_ACTION =
  ACCOUNT_LIMITS['target-groups-per-action-on-application-load-balancer']
/** Different ones that one application load balancer forwards to. */
export const MAX_TARGET_GROUPS_PER_BALANCER =
  ACCOUNT_LIMITS['target-groups-per-application-load-balancer']
export const MAX_TARGETS_PER_GROUP = ACCOUNT_LIMITS['targets-per-target-group']
export const MAX_ACTIONS = 5
export const MAX_CONDITION_VALUES = ACCOUNT_LIMITS['condition-values-per-alb-rule']
export const MAX_CONDITION_WILDCARDS = ACCOUNT_LIMITS['condition-wildcards-per-alb-rule']
