import { Buffer } from 'node:buffer'
import { credentialOf, type RequestHead } from './identify.ts'
import type { FaultAnswer } from './proxy-fault.ts'
import { element, escapeXml } from './wire/xml.ts'

/** Why the backend's answer is missing. */
export interface BackendFault {
  readonly status: 400 | 502 | 503 | 504
  /** AWS's code, e.g. `ServiceUnavailable`. */
  readonly code: string
  readonly message: string
  readonly requestId: string
}

export type FaultFormat = 'json' | 'rest-json' | 'cbor' | 'query' | 'ec2' | 's3' | 'rest-xml'

/** Services with XML over REST, by signing name. S3's faults have a shape of their own. */
const REST_XML: ReadonlySet<string> = new Set(['cloudfront', 'route53'])
const S3: ReadonlySet<string> = new Set(['s3', 's3express', 's3-object-lambda', 's3-outposts'])

/** The format in which the client of a request can read a fault, by what its head says. */
export function faultFormatOf(head: RequestHead): FaultFormat {
  const service = credentialOf(head)?.service
  const contentType = textOf(head, 'content-type')
  if (textOf(head, 'smithy-protocol') === 'rpc-v2-cbor') return 'cbor'
  if (textOf(head, 'x-amz-target') !== '') return 'json'
  if (service === 'ec2') return 'ec2'
  if (contentType.startsWith('application/x-amz-json')) return 'json'
  if (service === undefined || !S3.has(service)) {
    const form = contentType.startsWith('application/x-www-form-urlencoded')
    if (form || /[?&]Action=/.test(head.url)) return 'query'
  }
  // Who asks without a signature and without naming an operation asks for an object of a bucket.
  if (service === undefined || S3.has(service)) return 's3'
  return REST_XML.has(service) ? 'rest-xml' : 'rest-json'
}

/** The fault as the caller's protocol says it. */
export function renderBackendFault(head: RequestHead, fault: BackendFault): FaultAnswer {
  const { status, code, message, requestId } = fault
  const answer = (body: string | Buffer, contentType: string, more = {}): FaultAnswer => ({
    status,
    headers: { 'x-amzn-RequestId': requestId, 'content-type': contentType, ...more },
    body,
  })
  const format = faultFormatOf(head)
  switch (format) {
    case 'json': {
      const asked = textOf(head, 'content-type')
      const type = asked.startsWith('application/x-amz-json') ? asked : 'application/x-amz-json-1.1'
      return answer(JSON.stringify({ __type: code, message }), type, { 'x-amzn-errortype': code })
    }
    case 'rest-json':
      return answer(JSON.stringify({ message }), 'application/json', { 'x-amzn-errortype': code })
    case 'cbor':
      return answer(cborMap({ __type: code, message }), 'application/cbor', {
        'smithy-protocol': 'rpc-v2-cbor',
      })
    default:
      return answer(`<?xml version="1.0" encoding="UTF-8"?>\n${xmlOf(format, fault)}`, 'text/xml', {
        ...(format === 's3' && {
          'x-amz-request-id': requestId,
          'content-type': 'application/xml',
        }),
      })
  }
}

function xmlOf(format: FaultFormat, fault: BackendFault): string {
  const error =
    element('Code', escapeXml(fault.code)) + element('Message', escapeXml(fault.message))
  const id = escapeXml(fault.requestId)
  if (format === 's3') return element('Error', error + element('RequestId', id))
  if (format === 'ec2') {
    const errors = element('Errors', element('Error', error))
    return element('Response', errors + element('RequestID', id))
  }
  const type = element('Type', fault.status < 500 ? 'Sender' : 'Receiver')
  return element('ErrorResponse', element('Error', type + error) + element('RequestId', id))
}

const CBOR_MAP = 0xa0
const CBOR_TEXT_16 = 0x79

/** RFC 8949: a map of texts, each with its length in two bytes. */
function cborMap(fields: Readonly<Record<string, string>>): Buffer {
  const texts = Object.entries(fields).flat()
  const parts = texts.flatMap((text) => {
    const bytes = Buffer.from(text)
    const head = Buffer.from([CBOR_TEXT_16, 0, 0])
    head.writeUInt16BE(bytes.length, 1)
    return [head, bytes]
  })
  return Buffer.concat([Buffer.from([CBOR_MAP + texts.length / 2]), ...parts])
}

function textOf(head: RequestHead, name: string): string {
  const value = head.headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? ''
}
