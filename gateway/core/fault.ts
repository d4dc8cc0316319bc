/** An answer for the caller, in AWS's terms: code, message and HTTP status. */
export class AwsFault extends Error {
  readonly code: string
  readonly status: number
  /** Further modelled members of the fault's shape, e.g. `resourceName`. */
  readonly members: Readonly<Record<string, unknown>>

  constructor(
    code: string,
    message: string,
    status = 400,
    members: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
    this.name = code
    this.code = code
    this.status = status
    this.members = members
  }
}

/** The store could not make changes durable and has taken them back. */
export class StoreFault extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreFault'
  }
}

/** What went wrong, as one line of text, whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
