/** The certificate authority of one installation, kept in a folder so that clients can trust it once. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../gateway/core/clock.ts'
import { messageOf } from '../../../gateway/core/fault.ts'
import { systemFiles } from '../../../gateway/core/files.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import { createAuthority, type KeyAndCertificate } from './self-signed.ts'

/** What `curl --cacert` is given. */
export const AUTHORITY_FILE = 'elbv2-ca.pem'
export const AUTHORITY_KEY_FILE = 'elbv2-ca-key.pem'
const KEY_MODE = 0o600
const CERTIFICATE_MODE = 0o644

export interface Authority extends KeyAndCertificate {
  readonly privateKey: KeyObject
  /** Undefined: in memory only. */
  readonly file: string | undefined
}

export interface AuthorityOptions {
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  /** Undefined: in memory only. */
  readonly dir: string | undefined
}

/** The folder's authority, or a new one that is put there. */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const { clock, ids, log, dir } = options
  if (dir === undefined) return ready(createAuthority(ids, clock.now()), undefined)
  const file = join(dir, AUTHORITY_FILE)
  const found = await readAuthority(dir, options)
  if (found) return ready(found, file)
  const made = createAuthority(ids, clock.now())
  // The key first: a certificate that clients may have been given always has its key.
  await writeWhole(join(dir, AUTHORITY_KEY_FILE), made.key, KEY_MODE)
  await writeWhole(file, made.certificate, CERTIFICATE_MODE)
  await systemFiles.syncFolder(dir)
  log.info('a certificate authority was made for HTTPS and TLS listeners', { file })
  return ready(made, file)
}

function ready(pair: KeyAndCertificate, file: string | undefined): Authority {
  return { ...pair, privateKey: createPrivateKey(pair.key), file }
}

async function readAuthority(
  dir: string,
  { clock, log }: AuthorityOptions,
): Promise<KeyAndCertificate | undefined> {
  const certificate = await textOf(join(dir, AUTHORITY_FILE))
  const key = await textOf(join(dir, AUTHORITY_KEY_FILE))
  if (certificate === undefined || key === undefined) return undefined
  const why = faultOf(key, certificate, clock.now())
  if (why === undefined) return { key, certificate }
  log.warn('the certificate authority cannot be used: another takes its place', { dir, why })
  return undefined
}

function faultOf(key: string, certificate: string, nowMs: number): string | undefined {
  try {
    const parsed = new X509Certificate(certificate)
    if (Date.parse(parsed.validTo) <= nowMs) return 'it has expired'
    return parsed.checkPrivateKey(createPrivateKey(key)) ? undefined : 'the key is of another one'
  } catch (thrown) {
    return messageOf(thrown)
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w', mode)
  try {
    // The mode is given to new files only.
    await file.chmod(mode)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}
