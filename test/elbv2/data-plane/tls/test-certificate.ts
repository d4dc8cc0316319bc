import { createPrivateKey } from 'node:crypto'
import { createAuthority, issueCertificate } from '../../../../elbv2/data-plane/tls/self-signed.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'

const authority = createAuthority(systemIds, Date.now())
const issued = issueCertificate(
  { ...authority, privateKey: createPrivateKey(authority.key) },
  ['test.invalid'],
  systemIds,
  Date.now(),
)

/** For a name that nobody has, by an authority that nobody trusts. */
export const TEST_KEY = issued.key
export const TEST_CERTIFICATE = issued.certificate
