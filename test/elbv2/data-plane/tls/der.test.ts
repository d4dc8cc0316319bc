import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as der from '../../../../elbv2/data-plane/tls/der.ts'
import { distinguishedName } from '../../../../elbv2/data-plane/tls/distinguished-name.ts'

const test = suite('der')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('der: numbers, times, identifiers and lengths are as X.690 has them', () => {
  assert.is(hex(der.integer(Buffer.from('00ff', 'hex'))), '020200ff')
  assert.is(hex(der.integer(Buffer.from('00007f', 'hex'))), '02017f')
  assert.is(hex(der.objectId('1.2.840.10045.4.3.2')), '06082a8648ce3d040302')
  assert.is(hex(der.objectId('2.5.29.17')), '0603551d11')
  const time = (ms: number) => der.time(ms).subarray(2).toString()
  assert.is(time(Date.UTC(2049, 11, 31, 23, 59, 59)), '491231235959Z')
  assert.is(time(Date.UTC(2050, 0, 1)), '20500101000000Z')
  assert.is(hex(der.octetString(Buffer.alloc(127))).slice(0, 4), '047f')
  assert.is(hex(der.octetString(Buffer.alloc(128))).slice(0, 6), '048180')
  assert.is(hex(der.octetString(Buffer.alloc(70_000))).slice(0, 10), '0483011170')
})

test('der: what is written is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 })), (parts) => {
      const [whole] = der.readDer(der.sequence(...parts.map((part) => der.octetString(part))))
      const read = der.readDer(whole?.content ?? Buffer.alloc(0))
      assert.equal(
        read.map(({ content }) => hex(content)),
        parts.map(hex),
      )
    }),
  )
})

test('der: bytes that are none are refused, never read past their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const read = der.readDer(Buffer.from(bytes))
        assert.ok(read.every(({ content }) => content.length < bytes.length))
      } catch (thrown) {
        assert.match(`${thrown}`, /too early|a length/)
      }
    }),
  )
})

test('objectIdOf: is what objectId was given', () => {
  for (const oid of ['2.5.4.3', '1.2.840.113549.1.9.1', '0.9.2342.19200300.100.1.25', '2.999.1']) {
    const [value] = der.readDer(der.objectId(oid))
    assert.is(der.objectIdOf(value?.content ?? Buffer.alloc(0)), oid)
  }
})

function name(...pairs: readonly (readonly [oid: string, value: Buffer])[]): string {
  const parts = pairs.map(([oid, value]) => der.setOf(der.sequence(der.objectId(oid), value)))
  const [value] = der.readDer(der.sequence(...parts))
  return distinguishedName(value as der.DerValue)
}

test('distinguishedName: special characters are escaped, and nothing but printable ASCII comes out', () => {
  const text = der.utf8String
  assert.is(name(['2.5.4.6', text('US')], ['2.5.4.3', text('a,b')]), 'CN=a\\,b,C=US')
  assert.is(name(['2.5.4.3', text(' #x ')]), 'CN=\\ #x\\ ')
  assert.is(name(['2.5.4.3', text('#x')]), 'CN=\\#x')
  assert.is(name(['2.5.4.3', text('a\r\nSet-Cookie: b')]), 'CN=a\\0D\\0ASet-Cookie: b')
  assert.is(name(['2.5.4.3', text('é')]), 'CN=\\C3\\A9')
  assert.is(name(['1.2.3', text('x')]), '1.2.3=#78')
})

test.run()
