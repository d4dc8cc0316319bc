/** What the load balancers of the bench have in common. */

/** A port of a load balancer: so many rules, the last of which is asked, and so many targets. */
export interface Site {
  readonly name: string
  readonly port: number
  readonly rules: number
  /** `targetPort` of that many loopback addresses, from the first on. */
  readonly targets: number
  readonly targetPort: number
}

/** A load balancer under measurement. */
export interface Balancer {
  readonly name: string
  readonly sites: readonly Site[]
  /** User and system time so far, in microseconds. */
  cpuUs(): number
  rssMb(): number
  stop(): Promise<void>
}

/** Every rule forwards what is below its path; the first is 1. */
export function rulePath(rule: number): string {
  return `/rule-${rule}/`
}

export function rulesOf({ rules }: Site): number[] {
  return Array.from({ length: rules }, (_, index) => index + 1)
}

/** 127.0.0.1, 127.0.0.2 … 127.0.3.232 for the thousandth. */
export function loopbackAddress(index: number): string {
  return `127.0.${Math.floor((index + 1) / 256)}.${(index + 1) % 256}`
}

export function addressesOf({ targets }: Site): string[] {
  return Array.from({ length: targets }, (_, index) => loopbackAddress(index))
}
