/** Which codes of an answer pass a health check. */

import { groupKind } from '../../protocols.ts'
import type { TargetGroupRow } from '../../rows.ts'

export type CodeMatcher = (code: number) => boolean

/** Of `200`, `200,202`, `200-299,302`: HTTP's codes or gRPC's. What is no code and no range matches nothing. */
export function codeMatcher(text: string): CodeMatcher {
  const ranges = text.split(',').map((part) => {
    const [, from = '', to = from] = /^\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?\s*$/.exec(part) ?? []
    return from === '' ? { from: 1, to: 0 } : { from: Number(from), to: Number(to) }
  })
  return (code) => ranges.some(({ from, to }) => code >= from && code <= to)
}

/** The group's matcher, or AWS's default for it. */
export function matcherOf(row: TargetGroupRow): CodeMatcher {
  const { matcher } = row.healthCheck
  if (row.protocolVersion === 'GRPC') return codeMatcher(matcher?.GrpcCode ?? '12')
  return codeMatcher(matcher?.HttpCode ?? (groupKind(row) === 'network' ? '200-399' : '200'))
}
