/** How a pod reaches the API server of its own cluster: by what kubelet gives it. */
import { existsSync, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Access } from './client.ts'

type Env = Readonly<Record<string, string | undefined>>

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Tokens last an hour at most, and kubelet renews the file well before. */
const TOKEN_KEPT_MS = 60_000

/**
 * Undefined where this is no pod with an account, or where a kubeconfig comes first. The library knows
 * this, too, but takes half a second and 70 MB to load, and a pod needs nothing else of it.
 */
export function serviceAccount(
  env: Env,
  now: () => number,
  { folder = FOLDER, home = homedir() } = {},
): Access | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443', KUBECONFIG } = env
  const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.crt')]
  if (!host || KUBECONFIG || existsSync(join(home, '.kube', 'config'))) return undefined
  if (!existsSync(tokenFile) || !existsSync(caFile)) return undefined
  const ca = readFileSync(caFile)
  let token = { text: '', readMs: Number.NEGATIVE_INFINITY }
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    async applyTo(options) {
      if (now() - token.readMs >= TOKEN_KEPT_MS) {
        token = { text: readFileSync(tokenFile, 'utf8').trim(), readMs: now() }
      }
      options.ca = ca
      options.headers = { ...options.headers, authorization: `Bearer ${token.text}` }
    },
  }
}
