/**
 * The predefined security policies of load balancers, by AWS's user guides, and TLS-1-0-2015-04,
 * which older guides have. Those of RFC 9151 and CNSA 2 are left out: their ciphers are not known here.
 */

export interface SslPolicyFacts {
  readonly name: string
  /** Oldest first: `TLSv1`, `TLSv1.1`, `TLSv1.2`, `TLSv1.3`. */
  readonly protocols: readonly string[]
  /** In the server's order of preference: IANA's names of TLS 1.3, OpenSSL's below. */
  readonly ciphers: readonly string[]
  readonly types: readonly ('application' | 'network')[]
}

const FIPS_13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']
const ALL_13 = [...FIPS_13, 'TLS_CHACHA20_POLY1305_SHA256']

const GCM_128 = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256']
const CBC_128 = ['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-RSA-AES128-SHA256']
const SHA1_128 = ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-RSA-AES128-SHA']
const GCM_256 = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384']
const CBC_256 = ['ECDHE-ECDSA-AES256-SHA384', 'ECDHE-RSA-AES256-SHA384']
const SHA1_256 = ['ECDHE-RSA-AES256-SHA', 'ECDHE-ECDSA-AES256-SHA']

/** With forward secrecy and authenticated encryption alone. */
const RESTRICTED = [...GCM_128, ...GCM_256]
const ECDHE = [...GCM_128, ...CBC_128, ...GCM_256, ...CBC_256]
const ECDHE_SHA1 = [...GCM_128, ...CBC_128, ...SHA1_128, ...GCM_256, ...CBC_256, ...SHA1_256]
const RSA = ['AES128-GCM-SHA256', 'AES128-SHA256', 'AES256-GCM-SHA384', 'AES256-SHA256']
const RSA_SHA1 = [
  'AES128-GCM-SHA256',
  'AES128-SHA256',
  'AES128-SHA',
  'AES256-GCM-SHA384',
  'AES256-SHA256',
  'AES256-SHA',
]
const EVERYTHING = [...ECDHE_SHA1, ...RSA_SHA1]

const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
const BOTH: SslPolicyFacts['types'] = ['application', 'network']

/** A policy by its name without `ELBSecurityPolicy-` and its least and greatest TLS version. */
function policy(
  name: string,
  from: string,
  to: string,
  ciphers: readonly string[],
  types = BOTH,
): SslPolicyFacts {
  const protocols = VERSIONS.slice(VERSIONS.indexOf(from), VERSIONS.indexOf(to) + 1)
  return { name: `ELBSecurityPolicy-${name}`, protocols, ciphers, types }
}

function tls13(
  name: string,
  from: string,
  suites: readonly string[],
  older: readonly string[],
): SslPolicyFacts {
  return policy(`TLS13-${name}`, from, 'TLSv1.3', [...suites, ...older])
}

export const SSL_POLICIES: readonly SslPolicyFacts[] = [
  policy('2016-08', 'TLSv1', 'TLSv1.2', EVERYTHING),
  policy('TLS-1-2-2017-01', 'TLSv1.2', 'TLSv1.2', [...ECDHE, ...RSA]),
  policy('TLS-1-1-2017-01', 'TLSv1.1', 'TLSv1.2', EVERYTHING),
  policy('TLS-1-2-Ext-2018-06', 'TLSv1.2', 'TLSv1.2', EVERYTHING),
  policy('FS-2018-06', 'TLSv1', 'TLSv1.2', ECDHE_SHA1),
  policy('2015-05', 'TLSv1', 'TLSv1.2', EVERYTHING),
  policy('TLS-1-0-2015-04', 'TLSv1', 'TLSv1.2', [...EVERYTHING, 'DES-CBC3-SHA']),
  policy('FS-1-2-Res-2019-08', 'TLSv1.2', 'TLSv1.2', ECDHE),
  policy('FS-1-1-2019-08', 'TLSv1.1', 'TLSv1.2', ECDHE_SHA1),
  policy('FS-1-2-2019-08', 'TLSv1.2', 'TLSv1.2', ECDHE_SHA1),
  policy('FS-1-2-Res-2020-10', 'TLSv1.2', 'TLSv1.2', RESTRICTED),
  tls13('1-2-2021-06', 'TLSv1.2', ALL_13, ECDHE),
  tls13('1-2-Res-2021-06', 'TLSv1.2', ALL_13, RESTRICTED),
  tls13('1-2-Ext1-2021-06', 'TLSv1.2', ALL_13, [...ECDHE, ...RSA]),
  tls13('1-2-Ext2-2021-06', 'TLSv1.2', ALL_13, EVERYTHING),
  tls13('1-1-2021-06', 'TLSv1.1', ALL_13, EVERYTHING),
  tls13('1-0-2021-06', 'TLSv1', ALL_13, EVERYTHING),
  tls13('1-3-2021-06', 'TLSv1.3', ALL_13, []),
  tls13('1-2-FIPS-2023-04', 'TLSv1.2', FIPS_13, ECDHE),
  tls13('1-2-Res-FIPS-2023-04', 'TLSv1.2', FIPS_13, RESTRICTED),
  tls13('1-2-Ext0-FIPS-2023-04', 'TLSv1.2', FIPS_13, ECDHE_SHA1),
  tls13('1-2-Ext1-FIPS-2023-04', 'TLSv1.2', FIPS_13, [...ECDHE, ...RSA]),
  tls13('1-2-Ext2-FIPS-2023-04', 'TLSv1.2', FIPS_13, EVERYTHING),
  tls13('1-1-FIPS-2023-04', 'TLSv1.1', FIPS_13, EVERYTHING),
  tls13('1-0-FIPS-2023-04', 'TLSv1', FIPS_13, EVERYTHING),
  tls13('1-3-FIPS-2023-04', 'TLSv1.3', FIPS_13, []),
  tls13('1-2-PQ-2025-09', 'TLSv1.2', ALL_13, ECDHE),
  tls13('1-2-Res-PQ-2025-09', 'TLSv1.2', ALL_13, RESTRICTED),
  tls13('1-2-Ext1-PQ-2025-09', 'TLSv1.2', ALL_13, [...ECDHE, ...RSA]),
  tls13('1-2-Ext2-PQ-2025-09', 'TLSv1.2', ALL_13, EVERYTHING),
  tls13('1-0-PQ-2025-09', 'TLSv1', ALL_13, EVERYTHING),
  tls13('1-3-PQ-2025-09', 'TLSv1.3', ALL_13, []),
  tls13('1-2-FIPS-PQ-2025-09', 'TLSv1.2', FIPS_13, ECDHE),
  tls13('1-2-Res-FIPS-PQ-2025-09', 'TLSv1.2', FIPS_13, RESTRICTED),
  tls13('1-2-Ext0-FIPS-PQ-2025-09', 'TLSv1.2', FIPS_13, ECDHE_SHA1),
  tls13('1-2-Ext1-FIPS-PQ-2025-09', 'TLSv1.2', FIPS_13, [...ECDHE, ...RSA]),
  tls13('1-2-Ext2-FIPS-PQ-2025-09', 'TLSv1.2', FIPS_13, EVERYTHING),
  tls13('1-0-FIPS-PQ-2025-09', 'TLSv1', FIPS_13, EVERYTHING),
  tls13('1-3-FIPS-PQ-2025-09', 'TLSv1.3', FIPS_13, []),
]

const byName = new Map(SSL_POLICIES.map((each) => [each.name, each]))

/** By its full name, e.g. `ELBSecurityPolicy-2016-08`. */
export function sslPolicy(name: string): SslPolicyFacts | undefined {
  return byName.get(name)
}
