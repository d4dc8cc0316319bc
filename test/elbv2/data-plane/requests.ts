import type { LiveListener, RequestFacts } from '../../../elbv2/data-plane/model.ts'
import { factsOf } from '../../../elbv2/data-plane/rules/facts.ts'

export interface TestRequest {
  readonly method?: string
  /** Path and query, or an absolute target. */
  readonly url?: string
  readonly host?: string
  /** Names and values in turn, besides Host. */
  readonly headers?: readonly string[]
  readonly sourceIp?: string
  readonly protocol?: 'http' | 'https'
  /** Of the listener. */
  readonly port?: number
}

/** The facts of a request that came to a listener on port 80. */
export function requestFacts(request: TestRequest = {}): RequestFacts {
  const { method = 'GET', url = '/', host = 'www.example.com', headers = [] } = request
  const { sourceIp = '192.0.2.1', protocol = 'http', port = 80 } = request
  const listener = { row: { port } } as LiveListener
  const rawHeaders = ['Host', host, ...headers]
  return factsOf({ method, url, rawHeaders }, { sourceIp, sourcePort: 4711, protocol }, listener)
}
