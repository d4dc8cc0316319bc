import { Buffer } from 'node:buffer'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BackendRequest, CallBackend } from '../../../../elbv2/context.ts'
import { createCertificates, RETRY_MS } from '../../../../elbv2/data-plane/tls/certificates.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import type { LogFields } from '../../../../gateway/core/log.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { liveListener, pair } from './tls-world.ts'

const test = suite('certificates')
const ACM_ARN = 'arn:aws:acm:eu-west-1:111122223333:certificate/abc'
const IAM_ARN = 'arn:aws:iam::111122223333:server-certificate/some/path/site'

function world(callBackend: CallBackend = () => undefined) {
  const clock = new FakeClock()
  const said: LogFields[] = []
  const log = { ...silentLogger, info: (_: string, fields: LogFields = {}) => said.push(fields) }
  const certificates = createCertificates({ callBackend, clock, ids: systemIds, log })
  return { clock, said, certificates }
}

function answer(status: number, body: object | string) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return Promise.resolve({ status, headers: {}, body: Buffer.from(text) })
}

const target = ({ headers }: BackendRequest) => headers?.['x-amz-target']?.split('.')[1]

test('of: without a backend a certificate of our own is for the balancer, and said so once', async () => {
  const { certificates, said } = world()
  const listener = liveListener({ certificateArns: [ACM_ARN], dnsName: 'my-alb-1.elb.localhost' })
  const [served] = await certificates.of(listener)
  assert.is(served?.arn, ACM_ARN)
  assert.equal(served?.names, ['my-alb-1.elb.localhost', 'localhost'])
  await certificates.of(listener)
  await certificates.of(liveListener({ ...listener.row, dnsName: 'my-alb-1.elb.localhost' }))
  assert.equal(
    said.map(({ certificate, why }) => [certificate, why]),
    [[ACM_ARN, 'no backend is configured']],
  )
  const ca = new X509Certificate((await certificates.authority()).certificate)
  assert.ok(new X509Certificate(served?.chain ?? '').verify(ca.publicKey))
})

test('of: a certificate that ACM exports is served with its own key and chain', async () => {
  const { key, certificate } = pair(['www.example.com'])
  const asked: string[] = []
  const { certificates, said } = world((request) => {
    asked.push(`${request.scope.account} ${request.scope.region} ${target(request)}`)
    if (target(request) === 'DescribeCertificate') {
      return answer(200, { Certificate: { DomainName: 'www.example.com' } })
    }
    const { Passphrase } = JSON.parse(String(request.body))
    const sealed = createPrivateKey(key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: Buffer.from(Passphrase, 'base64').toString(),
    })
    return answer(200, {
      Certificate: certificate,
      CertificateChain: certificate,
      PrivateKey: sealed,
    })
  })
  const [served] = await certificates.of(liveListener({ certificateArns: [ACM_ARN] }))
  assert.equal(served?.names, ['www.example.com', 'localhost'])
  assert.is(served?.chain.match(/BEGIN/g)?.length, 2)
  assert.is(served?.key, key)
  assert.is(served?.keyType, 'ec')
  assert.is(served?.keyBits, 256)
  assert.equal(asked, [
    '111122223333 eu-west-1 DescribeCertificate',
    '111122223333 eu-west-1 ExportCertificate',
  ])
  assert.equal(said, [])
})

test('of: where ACM keeps the key, ours is for the names of the certificate, odd ones left out', async () => {
  const { certificates, said } = world((request) =>
    target(request) === 'DescribeCertificate'
      ? answer(200, {
          Certificate: {
            DomainName: 'WWW.example.com',
            SubjectAlternativeNames: ['*.example.com', 'a b', 'x,DNS:evil.com', 7],
          },
        })
      : answer(400, { __type: 'ValidationException' }),
  )
  const [served] = await certificates.of(
    liveListener({ certificateArns: [ACM_ARN], dnsName: 'my-alb-1.elb.localhost' }),
  )
  assert.equal(served?.names, [
    'www.example.com',
    '*.example.com',
    'my-alb-1.elb.localhost',
    'localhost',
  ])
  assert.is(said[0]?.why, 'ACM does not give its private key')
})

test('of: the names of a certificate of IAM are those that its body has', async () => {
  const { certificate } = pair(['shop.example.com'])
  const { certificates } = world(({ service, body }) => {
    assert.is(service, 'iam')
    assert.match(String(body), 'ServerCertificateName=site')
    return answer(200, `<A><B><CertificateBody>${certificate}</CertificateBody></B></A>`)
  })
  const [served] = await certificates.of(liveListener({ certificateArns: [IAM_ARN] }))
  assert.is(served?.names[0], 'shop.example.com')
})

test('of: a backend that cannot be reached is asked again after a minute, not before', async () => {
  let asked = 0
  const { certificates, clock } = world(() => {
    asked++
    return Promise.reject(new Error('connection refused'))
  })
  const listener = liveListener({ certificateArns: [ACM_ARN] })
  await certificates.of(listener)
  clock.advance(RETRY_MS - 1)
  await certificates.of(listener)
  assert.is(asked, 1)
  clock.advance(1)
  await certificates.of(listener)
  assert.is(asked, 2)
})

test('of: a certificate of our own is renewed before its end', async () => {
  const { certificates, clock } = world()
  const listener = liveListener({ certificateArns: [ACM_ARN] })
  const [first] = await certificates.of(listener)
  clock.advance(360 * 86_400_000)
  assert.is((await certificates.of(listener))[0], first)
  clock.advance(10 * 86_400_000)
  // This one still gets what is there, and sets the renewal off.
  await certificates.of(listener)
  await new Promise((resolve) => setTimeout(resolve))
  const [second] = await certificates.of(listener)
  assert.is.not(second, first)
  assert.ok((second?.untilMs ?? 0) > (first?.untilMs ?? 0))
})

test('of: an answer that makes no sense is no reason to serve nothing', async () => {
  const { certificates } = world(() => answer(200, 'what?'))
  const served = await certificates.of(liveListener({ certificateArns: [ACM_ARN, IAM_ARN] }))
  assert.equal(
    served.map(({ arn }) => arn),
    [ACM_ARN, IAM_ARN],
  )
})

test.run()
