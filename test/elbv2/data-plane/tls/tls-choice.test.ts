import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ServedCertificate } from '../../../../elbv2/data-plane/tls/certificates.ts'
import {
  chooseCertificate,
  chooseListener,
  fitOf,
} from '../../../../elbv2/data-plane/tls/tls-choice.ts'
import { liveListener, portListeners } from './tls-world.ts'

const test = suite('tls-choice')
const NOW = 1_000

function certificate(
  arn: string,
  names: readonly string[],
  parts: Partial<ServedCertificate> = {},
): ServedCertificate {
  return {
    arn,
    key: '',
    chain: '',
    names,
    keyType: 'rsa',
    keyBits: 2048,
    fromMs: 0,
    untilMs: 2_000,
    ...parts,
  }
}

const choose = (
  serverName: string | undefined,
  certificates: readonly ServedCertificate[],
  takesEcdsa = true,
) => chooseCertificate(certificates, { serverName, takesEcdsa }, NOW)?.arn

test('fitOf: a star stands for one label, the first', () => {
  assert.is(fitOf(['*.example.com'], 'www.example.com'), 1)
  assert.is(fitOf(['*.example.com'], 'a.b.example.com'), 0)
  assert.is(fitOf(['*.example.com'], 'example.com'), 0)
  assert.is(fitOf(['*.com', 'www.example.com'], 'www.example.com'), 2)
})

test('chooseCertificate: the default one where the client names nothing or nothing fits', () => {
  const all = [certificate('default', ['a.com']), certificate('other', ['b.com'])]
  assert.is(choose(undefined, all), 'default')
  assert.is(choose('c.com', all), 'default')
  assert.is(choose('b.com', all), 'other')
  assert.is(choose('b.com', []), undefined)
})

test('chooseCertificate: an exact name before a wildcard, whatever their order', () => {
  const exact = certificate('exact', ['www.a.com'])
  const star = certificate('star', ['*.a.com'], { keyBits: 4096 })
  assert.is(choose('www.a.com', [star, exact]), 'exact')
  assert.is(choose('www.a.com', [exact, star]), 'exact')
  assert.is(choose('api.a.com', [exact, star]), 'star')
})

test('chooseCertificate: among equals ECDSA, if the client takes it', () => {
  const rsa = certificate('rsa', ['a.com'], { keyBits: 4096 })
  const ec = certificate('ec', ['a.com'], { keyType: 'ec', keyBits: 256 })
  assert.is(choose('a.com', [rsa, ec]), 'ec')
  assert.is(choose('a.com', [ec, rsa], false), 'rsa')
  assert.is(choose('a.com', [ec], false), 'ec')
})

test('chooseCertificate: then one that is valid, then the longest key, then the longest validity', () => {
  const old = certificate('old', ['a.com'], { keyBits: 4096, untilMs: 500 })
  const short = certificate('short', ['a.com'])
  const long = certificate('long', ['a.com'], { keyBits: 4096 })
  const longer = certificate('longer', ['a.com'], { keyBits: 4096, untilMs: 3_000 })
  assert.is(choose('a.com', [old, short]), 'short')
  assert.is(choose('a.com', [short, long, old]), 'long')
  assert.is(choose('a.com', [long, longer, short]), 'longer')
  assert.is(choose('a.com', [long, certificate('same', ['a.com'], { keyBits: 4096 })]), 'long')
})

test('chooseListener: by DNS name, else by a name of a certificate, else the oldest', async () => {
  const one = liveListener({ dnsName: 'one.elb.localhost' })
  const two = liveListener({ dnsName: 'two.elb.localhost' })
  const three = liveListener({ dnsName: 'three.elb.localhost' })
  const served = new Map([
    [one, [certificate('1', ['localhost'])]],
    [two, [certificate('2', ['localhost', '*.example.com'])]],
    [three, [certificate('3', ['www.example.com'])]],
  ])
  const to = async (name: string | undefined) => {
    const all = portListeners(() => [one, two, three])
    const chosen = await chooseListener(all, name, async (listener) => served.get(listener) ?? [])
    return chosen && `${chosen.listener.balancer.dnsName} ${chosen.named}`
  }
  assert.is(await to('two.elb.localhost'), 'two.elb.localhost true')
  assert.is(await to('www.example.com'), 'three.elb.localhost true')
  assert.is(await to('api.example.com'), 'two.elb.localhost true')
  assert.is(await to('localhost'), 'one.elb.localhost false')
  assert.is(await to('unknown.org'), 'one.elb.localhost false')
  assert.is(await to(undefined), 'one.elb.localhost false')
})

test.run()
