import type { Buffer } from 'node:buffer'
import { AwsFault } from '../core/fault.ts'
import type { Member, ServiceContract, Shape } from '../core/provider.ts'
import type { Codec, CodecOptions } from './codec.ts'
import { shorten } from './constraints.ts'
import { decodeInput, epochSeconds, INT_MAX } from './shapes.ts'
import { strictUtf8 } from './utf8.ts'
import { element, escapeXml, structureXml } from './xml.ts'

const CONTENT_TYPE = 'text/xml'
const MAX_FIELDS = 10_000
const MAX_DEPTH = 32
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** `a.member.1.b=x` as a tree: each part of a name is a step down. */
interface Node {
  value: string | undefined
  readonly children: Map<string, Node>
}

/** AWS's query protocol: forms in, XML out. */
export function createQueryCodec(options: CodecOptions): Codec {
  const { contract } = options
  const namespace = contract.xmlNamespace ?? ''

  function decode(body: Buffer, _contentType: string | undefined, operation: string): object {
    const name = contract.operations[operation]?.input
    const tree = parseForm(textOf(body))
    if (name === undefined) return {}
    return decodeInput(structureOf(contract, name, tree), operation, options)
  }

  function encode(operation: string, output: object, requestId: string) {
    const facts = contract.operations[operation]
    const members = facts?.output ? structureXml(contract, facts.output, output) : ''
    const result = facts?.resultWrapper ? element(facts.resultWrapper, members) : members
    const metadata = element('ResponseMetadata', element('RequestId', escapeXml(requestId)))
    const body = `<${operation}Response xmlns="${namespace}">${result}${metadata}</${operation}Response>`
    return { contentType: CONTENT_TYPE, body }
  }

  function fault(thrown: AwsFault, requestId: string) {
    const type = thrown.status < 500 ? 'Sender' : 'Receiver'
    const error =
      element('Type', type) +
      element('Code', escapeXml(thrown.code)) +
      element('Message', escapeXml(thrown.message))
    const id = element('RequestId', escapeXml(requestId))
    return {
      status: thrown.status,
      contentType: CONTENT_TYPE,
      body: `<ErrorResponse xmlns="${namespace}">${element('Error', error)}${id}</ErrorResponse>`,
    }
  }

  return { decode, encode, fault }
}

function parseForm(body: string): Node {
  const tree: Node = { value: undefined, children: new Map() }
  const pairs = body.split('&', MAX_FIELDS + 1)
  if (pairs.length > MAX_FIELDS) throw malformed(`The form has more than ${MAX_FIELDS} fields.`)
  for (const pair of pairs) {
    const mark = pair.indexOf('=')
    const name = unescaped(mark === -1 ? pair : pair.slice(0, mark))
    const parts = name.split('.', MAX_DEPTH + 1)
    if (parts.length > MAX_DEPTH) throw malformed(`${shorten(name)} nests too deep.`)
    let node = tree
    for (const part of parts) {
      let next = node.children.get(part)
      if (!next) {
        next = { value: undefined, children: new Map() }
        node.children.set(part, next)
      }
      node = next
    }
    node.value = mark === -1 ? '' : unescaped(pair.slice(mark + 1))
  }
  return tree
}

function textOf(body: Buffer): string {
  return urlEncoded(() => strictUtf8(body))
}

function unescaped(text: string): string {
  return urlEncoded(() => decodeURIComponent(text.replaceAll('+', ' ')))
}

function urlEncoded(decode: () => string): string {
  try {
    return decode()
  } catch {
    throw malformed('The form is not URL-encoded UTF-8.')
  }
}

function structureOf(contract: ServiceContract, name: string, node: Node): object {
  const to: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(contract.shapes[name]?.members ?? {})) {
    const child = node.children.get(member.locationName ?? key)
    if (child) to[key] = memberOf(contract, member, child)
  }
  return to
}

function memberOf(contract: ServiceContract, member: Member, node: Node): unknown {
  const shape = contract.shapes[member.shape]
  const flattened = member.flattened || shape?.flattened
  switch (shape?.type) {
    case 'structure':
      return structureOf(contract, member.shape, node)
    case 'list': {
      const of = shape.member ?? { shape: '' }
      const items = flattened ? node : node.children.get(of.locationName ?? 'member')
      return items ? inOrder(items).map((item) => memberOf(contract, of, item)) : []
    }
    case 'map':
      return mapOf(contract, shape, flattened ? node : node.children.get('entry'))
    default:
      return scalarOf(shape, node)
  }
}

function mapOf(contract: ServiceContract, shape: Shape, entries: Node | undefined): object {
  const pairs: [string, unknown][] = []
  for (const entry of entries ? inOrder(entries) : []) {
    const key = entry.children.get(shape.key?.locationName ?? 'key')?.value ?? ''
    const value = entry.children.get(shape.value?.locationName ?? 'value')
    if (value) pairs.push([key, memberOf(contract, shape.value ?? { shape: '' }, value)])
  }
  return Object.fromEntries(pairs)
}

// Indexes give the order only: gaps are closed, so that member.999999999 costs nothing.
function inOrder(node: Node): Node[] {
  return [...node.children]
    .filter(([index]) => /^\d{1,10}$/.test(index))
    .sort(([left], [right]) => Number(left) - Number(right))
    .map(([, child]) => child)
}

function scalarOf(shape: Shape | undefined, node: Node): unknown {
  const text = node.value ?? ''
  switch (shape?.type) {
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw unreadable(text, 'boolean')
      return text === 'true'
    case 'integer':
    case 'long': {
      const limit = shape.type === 'integer' ? INT_MAX : Number.MAX_SAFE_INTEGER
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
      if (!(value <= limit && value >= -limit - 1)) throw unreadable(text, shape.type)
      return value
    }
    case 'float':
    case 'double': {
      const value = DECIMAL.test(text) ? Number(text) : Number.NaN
      if (!Number.isFinite(value)) throw unreadable(text, 'double')
      return value
    }
    case 'timestamp': {
      const value = epochSeconds(text)
      if (value === undefined) throw unreadable(text, 'timestamp')
      return value
    }
    default:
      return text
  }
}

function unreadable(text: string, kind: string): AwsFault {
  return malformed(`Unable to parse '${shorten(text)}' as ${kind}.`)
}

function malformed(message: string): AwsFault {
  return new AwsFault('MalformedInput', message)
}
