/** What the probes of all protocols share. */
import type { Buffer } from 'node:buffer'
import type { CodeMatcher } from './matcher.ts'

export const USER_AGENT = 'ELB-HealthChecker/2.0'
/** Of an answer's body; what comes after is not waited for. The code has decided already. */
export const MAX_BODY_BYTES = 64 * 1024

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface HttpCheck {
  readonly path: string
  readonly isTls: boolean
  readonly matches: CodeMatcher
  /** What is said on the connection before all else. */
  readonly preface: Buffer | undefined
}
