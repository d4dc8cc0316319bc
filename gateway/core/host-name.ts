/** Of a Host header: in lower case, without port and final dot; `[::1]:4566` → `[::1]`. */
export function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
