/** Security policies as node's TLS can hold them. */
import process from 'node:process'
import { getCiphers, type SecureContextOptions } from 'node:tls'
import type { Logger } from '../../../gateway/core/log.ts'
import { sslPolicy } from '../../ssl-policies.ts'

/** Of listeners that name none, and of names that are not known here. */
const DEFAULT_POLICY = 'ELBSecurityPolicy-2016-08'
/** OpenSSL 3 speaks these with SHA-1 only, which its default level forbids. */
const OLD_VERSIONS: readonly string[] = ['TLSv1', 'TLSv1.1']
const OLD_LEVEL = '@SECLEVEL=0'

export type PolicyOptions = Pick<
  SecureContextOptions,
  'minVersion' | 'maxVersion' | 'ciphers' | 'honorCipherOrder'
>

export interface SecurityPolicies {
  options(policy: string | undefined): PolicyOptions
}

/** Says once for each policy what this runtime's TLS cannot do of it. */
export function createSecurityPolicies(log: Logger): SecurityPolicies {
  const known = new Map<string, PolicyOptions>()
  return {
    options(policy = DEFAULT_POLICY) {
      let options = known.get(policy)
      if (!options) {
        options = optionsOf(policy, log)
        known.set(policy, options)
      }
      return options
    },
  }
}

function optionsOf(name: string, log: Logger): PolicyOptions {
  const policy = sslPolicy(name) ?? sslPolicy(DEFAULT_POLICY)
  if (!policy) return {}
  const supported = new Set(getCiphers())
  const able = policy.ciphers.filter((cipher) => supported.has(cipher.toLowerCase()))
  // Deno's TLS has nothing older than 1.2 and takes its own ciphers, whatever it is told.
  const isDeno = process.versions.deno !== undefined
  const versions = policy.protocols.filter((one) => !isDeno || !OLD_VERSIONS.includes(one))
  const missing = [
    ...policy.ciphers.filter((cipher) => !able.includes(cipher)),
    ...policy.protocols.filter((one) => !versions.includes(one)),
    ...(name.includes('-PQ-') ? ['post-quantum key exchange'] : []),
  ]
  if (missing.length > 0 || isDeno) {
    const also = isDeno ? { ciphers: 'are chosen by Deno' } : {}
    log.info('a security policy cannot be held to in full', { policy: name, missing, ...also })
  }
  const speaksOld = versions.some((one) => OLD_VERSIONS.includes(one))
  return {
    minVersion: versions[0] as NonNullable<PolicyOptions['minVersion']>,
    maxVersion: versions.at(-1) as NonNullable<PolicyOptions['maxVersion']>,
    ciphers: [...able, ...(speaksOld ? [OLD_LEVEL] : [])].join(':'),
    honorCipherOrder: true,
  }
}
