import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compileCidrs } from '../../../../elbv2/data-plane/rules/source-ip.ts'

const test = suite('elbv2 source-ip')

const CASES: readonly (readonly [block: string, address: string, holds: boolean])[] = [
  ['192.0.2.0/24', '192.0.2.255', true],
  ['192.0.2.0/24', '192.0.3.0', false],
  ['192.0.2.77/24', '192.0.2.1', true],
  ['198.51.100.10/32', '198.51.100.10', true],
  ['198.51.100.10/32', '198.51.100.11', false],
  ['0.0.0.0/0', '203.0.113.9', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['128.0.0.0/1', '255.255.255.255', true],
  ['128.0.0.0/1', '127.255.255.255', false],
  ['192.0.2.0/24', '::ffff:192.0.2.7', true],
  ['192.0.2.0/24', '::ffff:c000:207', true],
  ['::ffff:192.0.2.0/120', '192.0.2.7', true],
  ['::ffff:192.0.2.0/120', '192.0.3.7', false],
  ['::/0', '2001:db8::1', true],
  ['::/0', '192.0.2.1', false],
  ['::1/128', '::1', true],
  ['::1/128', '::2', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['2001:db8:0:ff00::/56', '2001:db8:0:ffab::1', true],
  ['2001:db8:0:ff00::/56', '2001:db8:0:fe00::1', false],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['192.0.2.0/24', 'nonsense', false],
  ['192.0.2.0/24', '', false],
]

test('compileCidrs: addresses of both kinds lie in their blocks', () => {
  for (const [block, address, expected] of CASES) {
    assert.is(compileCidrs([block])(address), expected, `${address} in ${block}`)
  }
  assert.ok(compileCidrs(['10.0.0.0/8', '2001:db8::/32'])('2001:db8::9'))
})

test('compileCidrs: refuses what is no block', () => {
  for (const block of [
    '10.0.0.1',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '/8',
    'fe80::1%eth0/64',
    '',
  ]) {
    assert.throws(() => compileCidrs([block]), /not a CIDR block/, block)
  }
})

test('compileCidrs: agrees with addresses written as bits', () => {
  const bits = fc.array(fc.boolean(), { minLength: 128, maxLength: 128 })
  const binary = (flags: readonly boolean[]) => flags.map((flag) => (flag ? '1' : '0')).join('')
  const v6 = (text: string) =>
    (text.match(/.{16}/g) ?? []).map((group) => Number.parseInt(group, 2).toString(16)).join(':')
  const v4 = (text: string) =>
    (text.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)).join('.')
  fc.assert(
    fc.property(
      bits,
      fc.integer({ min: 0, max: 128 }),
      fc.integer({ min: 0, max: 127 }),
      (all, length, flip) => {
        const block = binary(all)
        const address = binary(all.map((flag, at) => (at === flip ? !flag : flag)))
        assert.is(compileCidrs([`${v6(block)}/${length}`])(v6(address)), flip >= length)
        const [short, at] = [length % 33, flip % 32]
        const other = binary(all.slice(0, 32).map((flag, bit) => (bit === at ? !flag : flag)))
        assert.is(compileCidrs([`${v4(block.slice(0, 32))}/${short}`])(v4(other)), at >= short)
      },
    ),
    { seed: 4, numRuns: 2000 },
  )
})

test.run()
