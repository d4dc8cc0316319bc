import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, invalidConfiguration, validationError } from '../faults.ts'
import { findLoadBalancer } from '../resolve.ts'
import type { LoadBalancerRow } from '../rows.ts'

const DAY_MS = 86_400_000
/** How often a day a reservation may be lowered or reset. */
const DECREASES_A_DAY = 2
/** AWS's quotas on capacity units: of an application balancer, and of each zone of a network one. */
const BOUNDS = {
  application: { min: 100, max: 15_000 },
  network: { min: 2750, max: 45_000 },
} as const

type Capacity = NonNullable<LoadBalancerRow['capacity']>

/** Reservations of capacity. Nothing is short here, so that each is provisioned at once. */
export function capacityHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, clock } = context

  function modify(input: sdk.ModifyCapacityReservationCommandInput, call: Call) {
    const row = findLoadBalancer(rows, call, input.LoadBalancerArn)
    const asked = input.MinimumLoadBalancerCapacity?.CapacityUnits
    const resets = input.ResetCapacityReservation === true
    if ((asked === undefined) === !resets) {
      throw validationError(
        "Specify either 'MinimumLoadBalancerCapacity' or 'ResetCapacityReservation'",
      )
    }
    const capacityUnits = asked ?? 0
    if (!resets) checkUnits(row, capacityUnits)
    const before = capacityOf(row)
    const lowers = capacityUnits < before.capacityUnits
    if (lowers && before.decreaseRequestsRemaining === 0) {
      throw fault(
        'CapacityDecreaseRequestsLimitExceededException',
        `The capacity of a load balancer can be decreased ${DECREASES_A_DAY} times a day`,
      )
    }
    const capacity: Capacity = {
      capacityUnits,
      decreaseRequestsRemaining: before.decreaseRequestsRemaining - (lowers ? 1 : 0),
      lastModifiedAtMs: clock.now(),
    }
    const set = { ...row, capacity }
    rows.loadBalancers.put(row.arn, set)
    return view(set)
  }

  function describe(input: sdk.DescribeCapacityReservationCommandInput, call: Call) {
    return view(findLoadBalancer(rows, call, input.LoadBalancerArn))
  }

  /** Decreases count anew with each day, by UTC. */
  function capacityOf({ capacity, createdAtMs }: LoadBalancerRow): Capacity {
    const last = capacity ?? { capacityUnits: 0, lastModifiedAtMs: createdAtMs }
    const today = Math.floor(clock.now() / DAY_MS)
    const sameDay = capacity && Math.floor(capacity.lastModifiedAtMs / DAY_MS) === today
    return {
      ...last,
      decreaseRequestsRemaining: sameDay ? capacity.decreaseRequestsRemaining : DECREASES_A_DAY,
    }
  }

  function view(row: LoadBalancerRow) {
    const { capacityUnits, decreaseRequestsRemaining, lastModifiedAtMs } = capacityOf(row)
    const zones = row.availabilityZones
    // A network balancer reserves for each zone, an application one for all of them.
    const shares = row.type === 'network' ? 1 : zones.length
    return {
      LastModifiedTime: lastModifiedAtMs / 1000,
      DecreaseRequestsRemaining: decreaseRequestsRemaining,
      ...(capacityUnits > 0 && {
        MinimumLoadBalancerCapacity: { CapacityUnits: capacityUnits },
        CapacityReservationState: zones.map(({ ZoneName }) => ({
          State: { Code: 'provisioned' },
          AvailabilityZone: ZoneName,
          EffectiveCapacityUnits: capacityUnits / shares,
        })),
      }),
    }
  }

  return { ModifyCapacityReservation: modify, DescribeCapacityReservation: describe }
}

function checkUnits({ type }: LoadBalancerRow, units: number): void {
  if (type === 'gateway') {
    throw fault(
      'OperationNotPermittedException',
      "Capacity reservations are not supported on load balancers with type 'gateway'",
    )
  }
  const { min, max } = BOUNDS[type]
  if (units < min) {
    throw invalidConfiguration(`CapacityUnits must be at least ${min}, but was ${units}`)
  }
  if (units > max) {
    throw fault(
      'CapacityUnitsLimitExceededException',
      `CapacityUnits must not be greater than ${max}, but was ${units}`,
    )
  }
}
