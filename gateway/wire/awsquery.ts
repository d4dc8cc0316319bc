import type { Buffer } from 'node:buffer'
import { AwsFault } from '../core/fault.ts'
import type { Member, ServiceContract, Shape } from '../core/provider.ts'
import type { Codec, CodecOptions } from './codec.ts'
import { decodeInput } from './shapes.ts'
import { element, escapeXml, structureXml } from './xml.ts'

const CONTENT_TYPE = 'text/xml'
const MAX_FIELDS = 10_000
const MAX_DEPTH = 32

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
    const tree = parseForm(body.toString('utf8'))
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
  let count = 0
  for (const [name, value] of new URLSearchParams(body)) {
    if (++count > MAX_FIELDS) throw malformed(`The form has more than ${MAX_FIELDS} fields.`)
    const parts = name.split('.')
    if (parts.length > MAX_DEPTH) throw malformed(`${name.slice(0, 64)}… nests too deep.`)
    let node = tree
    for (const part of parts) {
      let next = node.children.get(part)
      if (!next) {
        next = { value: undefined, children: new Map() }
        node.children.set(part, next)
      }
      node = next
    }
    node.value = value
  }
  return tree
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
      if (text !== 'true' && text !== 'false') throw malformed(`${text} is not a boolean.`)
      return text === 'true'
    case 'integer':
    case 'long':
      if (!/^-?\d{1,15}$/.test(text)) throw malformed(`${text} is not an integer.`)
      return Number(text)
    case 'float':
    case 'double':
      if (text === '' || Number.isNaN(Number(text))) throw malformed(`${text} is not a number.`)
      return Number(text)
    default:
      return text
  }
}

function malformed(message: string): AwsFault {
  return new AwsFault('MalformedInput', message)
}
