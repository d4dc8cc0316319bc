/** Names that Kubernetes takes, out of free text: readable where they can be, unique in any case. */
import { createHash } from 'node:crypto'

const MAX_LABEL = 63
const HASH_LENGTH = 10
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const LABEL_VALUE = /^([a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?)?$/
const LABEL_KEY =
  /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/

export const MANAGED_BY = 'app.kubernetes.io/managed-by'
export const LABELS = {
  task: 'kecs.dev/task',
  instance: 'kecs.dev/instance',
  namespace: 'kecs.dev/namespace',
} as const
export const ANNOTATIONS = {
  namespace: 'kecs.dev/namespace',
  spec: 'kecs.dev/spec',
  decisions: 'kecs.dev/decisions',
  fileSystem: 'kecs.dev/file-system',
} as const

/** Text as it is where it is a DNS label; else what can be kept of it, and a hash of all of it. */
export function dnsLabel(text: string, max = MAX_LABEL): string {
  return DNS_LABEL.test(text) && text.length <= max ? text : hashed(text, text, max)
}

/** The namespace of one instance's tasks: two instances never share one. */
export function namespaceName(instance: string, namespace: string): string {
  return hashed(`kecs-${namespace}`, JSON.stringify([instance, namespace]), MAX_LABEL)
}

/** The value of a label that stands for any text. */
export function labelValue(text: string): string {
  return LABEL_VALUE.test(text) ? text : hashed(text, text, MAX_LABEL)
}

/** Labels that Kubernetes takes as they are, and the others for annotations; keys of neither are left out. */
export function sortLabels(labels: Readonly<Record<string, string>>): {
  readonly labels: Record<string, string>
  readonly annotations: Record<string, string>
} {
  const keyed = Object.entries(labels).filter(([key]) => LABEL_KEY.test(key))
  return {
    labels: Object.fromEntries(keyed.filter(([, value]) => LABEL_VALUE.test(value))),
    annotations: Object.fromEntries(keyed.filter(([, value]) => !LABEL_VALUE.test(value))),
  }
}

function hashed(text: string, whole: string, max: number): string {
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, HASH_LENGTH)
  const room = max - HASH_LENGTH - 1
  const slug = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, room)
    .replace(/-+$/, '')
  return slug === '' ? `x-${hash}` : `${slug}-${hash}`
}
