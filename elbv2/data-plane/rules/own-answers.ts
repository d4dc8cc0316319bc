/** Answers that a load balancer gives by itself, byte for byte as Application Load Balancers do. */
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { OwnAnswer } from '../model.ts'

export const SERVER = 'awselb/2.0'

/** Some are worded as nginx words them, not as HTTP does. */
const REASONS: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  400: 'Bad Request',
  401: 'Authorization Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Not Allowed',
  408: 'Request Time-out',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
  505: 'HTTP Version Not Supported',
}

/** What follows the status in the status line; empty for codes that only load balancers know. */
export function ownReason(status: number): string {
  return REASONS[status] ?? ''
}

const pages = new Map<number, OwnAnswer>()

/** The page of a status. Codes that only load balancers know (460, 463, 464, 561) have an empty body. */
export function ownPage(status: number): OwnAnswer {
  let page = pages.get(status)
  if (page === undefined) {
    page = pageOf(status)
    pages.set(status, page)
  }
  return page
}

function pageOf(status: number): OwnAnswer {
  const reason = ownReason(status)
  if (reason === '') return { status, headers: [['Server', SERVER]], body: '' }
  const title = `${status} ${reason}`
  const lines = [
    '<html>',
    `<head><title>${title}</title></head>`,
    '<body>',
    `<center><h1>${title}</h1></center>`,
    '</body>',
    '</html>',
    '',
  ]
  return {
    status,
    headers: [
      ['Server', SERVER],
      ['Content-Type', 'text/html'],
    ],
    body: lines.join('\r\n'),
  }
}

/** What a fixed-response action answers. */
export function fixedAnswer(config: sdk.FixedResponseActionConfig): OwnAnswer {
  const status = Number(config.StatusCode)
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new Error(`not a status of a fixed response: ${config.StatusCode}`)
  }
  const type = config.ContentType || 'text/plain'
  if (!/^[\x20-\x7e]+$/.test(type)) throw new Error('not a content type of a fixed response')
  return {
    status,
    headers: [
      ['Server', SERVER],
      ['Content-Type', type.includes(';') ? type : `${type}; charset=utf-8`],
    ],
    body: config.MessageBody ?? '',
  }
}
