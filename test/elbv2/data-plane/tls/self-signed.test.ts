import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AUTHORITY_FILE,
  AUTHORITY_KEY_FILE,
  openAuthority,
} from '../../../../elbv2/data-plane/tls/authority.ts'
import { issueCertificate, LEAF_MS } from '../../../../elbv2/data-plane/tls/self-signed.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { withTempDir } from '../../../temp-dir.ts'

const test = suite('self-signed')
const clock = new FakeClock()

function authority(dir?: string) {
  return openAuthority({ clock, ids: systemIds, log: silentLogger, dir })
}

test('issueCertificate: its certificate is for every name and address, and signed by the authority', async () => {
  const ca = await authority()
  const names = ['www.example.com', '*.example.com', 'localhost', '127.0.0.1', '::1']
  const { certificate, key } = issueCertificate(ca, names, systemIds, clock.now())
  const leaf = new X509Certificate(certificate)
  const root = new X509Certificate(ca.certificate)
  assert.ok(leaf.verify(root.publicKey))
  assert.ok(leaf.checkIssued(root))
  assert.ok(leaf.checkPrivateKey(createPrivateKey(key)))
  assert.ok(leaf.checkHost('www.example.com'))
  assert.match(leaf.subjectAltName ?? '', 'DNS:*.example.com')
  assert.not(leaf.checkHost('example.org'))
  assert.ok(leaf.checkIP('127.0.0.1'))
  assert.ok(leaf.checkIP('::1'))
  assert.not(leaf.ca)
  assert.ok(root.ca)
})

test('issueCertificate: a certificate is valid for no longer than browsers take, from before now', async () => {
  const ca = await authority()
  const leaf = new X509Certificate(
    issueCertificate(ca, ['localhost'], systemIds, clock.now()).certificate,
  )
  const [from, until] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]
  assert.ok(from < clock.now())
  assert.is(until - from, LEAF_MS)
  assert.ok(until - from <= 398 * 86_400_000)
})

test('issueCertificate: a name too long for a common name is still a name of the certificate', async () => {
  const ca = await authority()
  const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`
  const leaf = new X509Certificate(issueCertificate(ca, [long], systemIds, clock.now()).certificate)
  assert.ok(leaf.checkHost(long))
})

test('openAuthority: without a folder each has its own', async () => {
  const [one, two] = [await authority(), await authority()]
  assert.is(one.file, undefined)
  assert.is.not(one.certificate, two.certificate)
})

test('openAuthority: the folder keeps it, and its key is readable by its owner only', async () => {
  await withTempDir(async (dir) => {
    const first = await authority(dir)
    assert.is(first.file, join(dir, AUTHORITY_FILE))
    assert.is(readFileSync(join(dir, AUTHORITY_FILE), 'utf8'), first.certificate)
    assert.is(statSync(join(dir, AUTHORITY_KEY_FILE)).mode & 0o777, 0o600)
    const second = await authority(dir)
    assert.is(second.certificate, first.certificate)
    assert.is(second.key, first.key)
    assert.not(existsSync(join(dir, `${AUTHORITY_KEY_FILE}.tmp`)))
  })
})

test('openAuthority: one that is broken or has expired is replaced, its key still its owner’s', async () => {
  await withTempDir(async (dir) => {
    const first = await authority(dir)
    writeFileSync(join(dir, AUTHORITY_FILE), 'no certificate')
    chmodSync(join(dir, AUTHORITY_KEY_FILE), 0o644)
    const second = await authority(dir)
    assert.is.not(second.certificate, first.certificate)
    assert.is(statSync(join(dir, AUTHORITY_KEY_FILE)).mode & 0o777, 0o600)
    const later = new FakeClock(clock.now() + 11 * 365 * 86_400_000)
    const third = await openAuthority({ clock: later, ids: systemIds, log: silentLogger, dir })
    assert.is.not(third.certificate, second.certificate)
  })
})

test.run()
