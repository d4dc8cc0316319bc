/** IPv4 as such, even of a socket of both families; `0.0.0.0` where the connection is gone already. */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? '0.0.0.0'
}
