/** XML as AWS's query protocols answer it. */
import type { Member, ServiceContract } from '../core/provider.ts'

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // A parser would fold a bare carriage return into a line feed.
  '\r': '&#xD;',
}

// Nearly all text is without any of these, and one look says so.
// biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 forbids just these
const SPECIAL = /[&<>"\u0000-\u0008\u000b-\u001f\ud800-\udfff\ufffe\uffff]/

/** Text as character data. What XML cannot carry at all becomes U+FFFD. */
export function escapeXml(text: string): string {
  if (!SPECIAL.test(text)) return text
  return (
    text
      .replace(/[&<>"\r]/g, (char) => ESCAPES[char] ?? '')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 forbids just these
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
  )
}

export function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}

/** The members of a structure, one element each, in the order of the contract. */
export function structureXml(contract: ServiceContract, shapeName: string, value: object): string {
  const shape = contract.shapes[shapeName]
  let xml = ''
  for (const [name, member] of Object.entries(shape?.members ?? {})) {
    const given = (value as Record<string, unknown>)[name]
    if (given === undefined || given === null) continue
    xml += memberXml(contract, member.locationName ?? name, member, given)
  }
  return xml
}

function memberXml(
  contract: ServiceContract,
  name: string,
  member: Member,
  value: unknown,
): string {
  const shape = contract.shapes[member.shape]
  const flattened = member.flattened || shape?.flattened
  switch (shape?.type) {
    case 'structure':
      return element(name, structureXml(contract, member.shape, value as object))
    case 'list': {
      const of = shape.member ?? { shape: '' }
      const tag = flattened ? name : (of.locationName ?? 'member')
      const items = (value as unknown[]).map((item) => memberXml(contract, tag, of, item)).join('')
      return flattened ? items : element(name, items)
    }
    case 'map': {
      const entries = Object.entries(value as object).map(([key, item]) => {
        const pair =
          memberXml(contract, shape.key?.locationName ?? 'key', shape.key ?? { shape: '' }, key) +
          memberXml(
            contract,
            shape.value?.locationName ?? 'value',
            shape.value ?? { shape: '' },
            item,
          )
        return element(flattened ? name : 'entry', pair)
      })
      return flattened ? entries.join('') : element(name, entries.join(''))
    }
    case 'timestamp':
      return element(name, new Date(Number(value) * 1000).toISOString())
    default:
      return element(name, escapeXml(String(value)))
  }
}
