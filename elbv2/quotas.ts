/** AWS's default quotas of what this process answers; nobody can raise them here. */

export const MAX_LISTENERS_PER_BALANCER = 50
/** Of one application load balancer, its default rules not counted. */
export const MAX_RULES_PER_BALANCER = 100
/** Of one application load balancer, default certificates not counted. */
export const MAX_CERTIFICATES_PER_BALANCER = 25
/** Network load balancers take as many for each of their listeners. */
export const MAX_CERTIFICATES_PER_NETWORK_LISTENER = 25
export const MAX_MUTUAL_TLS_LISTENERS_PER_BALANCER = 2
export const MAX_TARGET_GROUPS = 3000
export const MAX_TARGET_GROUPS_PER_ACTION = 5
/** Different ones that one application load balancer forwards to. */
export const MAX_TARGET_GROUPS_PER_BALANCER = 100
export const MAX_TARGETS_PER_GROUP = 1000
export const MAX_ACTIONS = 5
export const MAX_CONDITION_VALUES = 5
export const MAX_CONDITION_WILDCARDS = 6
