/** What the backend's ACM and IAM know of a certificate, by its ARN. */
import { Buffer } from 'node:buffer'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type ParsedArn, parseArn } from '../../../gateway/core/arn.ts'
import { messageOf } from '../../../gateway/core/fault.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { BackendAnswer, CallBackend } from '../../context.ts'

export type FoundCertificate =
  /** PEM: the private key (PKCS #8), and the certificate with its chain. */
  | { readonly kind: 'whole'; readonly key: string; readonly chain: string }
  /** It is there, but nobody gives its private key. */
  | { readonly kind: 'names'; readonly names: readonly string[]; readonly why: string }
  /** `passing` when the next question may have another answer. */
  | { readonly kind: 'none'; readonly why: string; readonly passing: boolean }

const LOOKUP_MS = 5_000
/** Where IAM signs, whatever the caller's region. */
const IAM_REGION = 'us-east-1'
const IAM_VERSION = '2010-05-08'

/** Never rejects. */
export async function lookUpCertificate(
  arn: string,
  callBackend: CallBackend,
  ids: Ids,
): Promise<FoundCertificate> {
  const parsed = parseArn(arn)
  if (!parsed) return { kind: 'none', why: 'it has no ARN', passing: false }
  try {
    if (parsed.service === 'acm') return await fromAcm(arn, parsed, callBackend, ids)
    if (parsed.service === 'iam') return await fromIam(parsed, callBackend)
    return { kind: 'none', why: `${parsed.service} has no certificates`, passing: false }
  } catch (thrown) {
    return { kind: 'none', why: messageOf(thrown), passing: true }
  }
}

const NO_BACKEND: FoundCertificate = {
  kind: 'none',
  why: 'no backend is configured',
  passing: false,
}

async function fromAcm(
  arn: string,
  scope: ParsedArn,
  callBackend: CallBackend,
  ids: Ids,
): Promise<FoundCertificate> {
  const ask = (operation: string, input: object) =>
    callBackend({
      scope: { account: scope.account, region: scope.region },
      service: 'acm',
      method: 'POST',
      path: '/',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `CertificateManager.${operation}`,
      },
      body: JSON.stringify(input),
      timeoutMs: LOOKUP_MS,
    })
  const described = await ask('DescribeCertificate', { CertificateArn: arn })
  if (!described) return NO_BACKEND
  if (described.status !== 200) return refused('ACM', described)
  const passphrase = ids.hex()
  // ACM gives keys of private and of exportable certificates only, and says so for the others.
  const exported = await ask('ExportCertificate', {
    CertificateArn: arn,
    Passphrase: Buffer.from(passphrase).toString('base64'),
  })
  const whole = exported?.status === 200 ? wholeOf(exported.body, passphrase) : undefined
  if (whole) return whole
  const { Certificate } = JSON.parse(described.body.toString()) as AcmDescription
  const names = [Certificate?.DomainName, ...(Certificate?.SubjectAlternativeNames ?? [])]
  return {
    kind: 'names',
    names: names.filter((name) => typeof name === 'string'),
    why: 'ACM does not give its private key',
  }
}

interface AcmDescription {
  readonly Certificate?: {
    readonly DomainName?: string
    readonly SubjectAlternativeNames?: readonly string[]
  }
}

interface AcmExport {
  readonly Certificate?: string
  readonly CertificateChain?: string
  readonly PrivateKey?: string
}

function wholeOf(body: Buffer, passphrase: string): FoundCertificate | undefined {
  const answer = JSON.parse(body.toString()) as AcmExport
  const { Certificate: certificate, CertificateChain: chain = '', PrivateKey: key } = answer
  if (certificate === undefined || key === undefined) return undefined
  const privateKey = createPrivateKey({ key, passphrase })
  if (!new X509Certificate(certificate).checkPrivateKey(privateKey)) return undefined
  return {
    kind: 'whole',
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chain: [certificate, chain].map((pem) => pem.trim()).join('\n'),
  }
}

async function fromIam(scope: ParsedArn, callBackend: CallBackend): Promise<FoundCertificate> {
  const name = scope.resource.slice(scope.resource.lastIndexOf('/') + 1)
  const answer = await callBackend({
    scope: { account: scope.account, region: IAM_REGION },
    service: 'iam',
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      Action: 'GetServerCertificate',
      Version: IAM_VERSION,
      ServerCertificateName: name,
    }).toString(),
    timeoutMs: LOOKUP_MS,
  })
  if (!answer) return NO_BACKEND
  if (answer.status !== 200) return refused('IAM', answer)
  const body = /<CertificateBody>([^<]*)<\/CertificateBody>/.exec(answer.body.toString())?.[1]
  if (body === undefined) return refused('IAM', answer)
  return {
    kind: 'names',
    names: namesOf(new X509Certificate(body.replaceAll('&#13;', '').trim())),
    why: 'IAM gives no private keys',
  }
}

function refused(who: string, { status }: BackendAnswer): FoundCertificate {
  return { kind: 'none', why: `${who} does not have it (${status})`, passing: status >= 500 }
}

/** DNS names of a certificate, in lower case; its common name where it has no others. */
export function namesOf(certificate: X509Certificate): string[] {
  const names: string[] = []
  for (const [, name = ''] of (certificate.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)) {
    names.push(name.toLowerCase())
  }
  if (names.length > 0) return names
  const common = /^CN=(\S+)$/m.exec(certificate.subject)?.[1]
  return common === undefined ? [] : [common.toLowerCase()]
}
