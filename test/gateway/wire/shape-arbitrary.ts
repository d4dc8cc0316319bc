import fc from 'fast-check'
import type { ServiceContract, Shape } from '../../../gateway/core/provider.ts'

/** How a contract's shapes are to be filled. */
export interface Filling {
  readonly contract: ServiceContract
  /** For strings that nothing constrains. */
  readonly text: fc.Arbitrary<string>
  /** Inputs give epoch seconds as the SDK wants them: as a Date. */
  readonly timestamp: fc.Arbitrary<unknown>
  /** Whether nested structures and maps may have nothing in them, which forms cannot tell of. */
  readonly empties: boolean
}

const INT_MAX = 2_147_483_647
const MAX_ITEMS = 2

/** Of structures without modelled members: any JSON. */
const DOCUMENTS = [{}, { a: [1, { b: 'x' }] }, [true], 'text', 3, false]

/** Texts that match the patterns of both contracts, to be cut to their bounds. */
const PATTERNED: Readonly<Record<string, fc.Arbitrary<string>>> = {
  '[a-zA-Z0-9\\.\\*\\-]+': fc.constantFrom('m5.*', '*', 't3-micro'),
  '([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)': tagText(),
  '^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$': tagText(),
  '^(ipv4pool-coip-)[a-zA-Z0-9]+$': fc.constant('ipv4pool-coip-0a1B'),
  '^(2|4|5)\\d\\d$': fc.constantFrom('200', '404', '599'),
  '^(ipam-pool-)[a-zA-Z0-9]+$': fc.constant('ipam-pool-0a1B'),
  '^[a-zA-Z0-9._]+$': fc.constantFrom('idle_timeout.timeout_seconds', 'a.b_C9'),
  '^(HTTPS?|#\\{protocol\\})$': fc.constantFrom('HTTP', 'HTTPS', '#{protocol}'),
  '^([a-zA-Z0-9]+-)*[a-zA-Z0-9]+$': fc.constantFrom('store', 'my-trust-store-1'),
}

function tagText(): fc.Arbitrary<string> {
  const unit = fc.constantFrom(
    'a',
    'Z',
    'é',
    '漢',
    '0',
    ' ',
    '_',
    '.',
    ':',
    '/',
    '=',
    '+',
    '-',
    '@',
  )
  return fc.string({ unit, minLength: 1, maxLength: 12 })
}

/** Values of a shape that break none of its constraints. */
export function samplesOf(filling: Filling, name: string): fc.Arbitrary<unknown> {
  const made = new Map<string, fc.Arbitrary<unknown>>()
  const make = (shapeName: string): fc.Arbitrary<unknown> => {
    const found = made.get(shapeName)
    if (found) return found
    const shape = filling.contract.shapes[shapeName]
    if (!shape) throw new Error(`no shape ${shapeName}`)
    const value = arbitraryOf(filling, shape, make)
    made.set(shapeName, value)
    return value
  }
  const top = filling.contract.shapes[name]?.members ?? {}
  return Object.keys(top).length === 0 ? fc.constant({}) : make(name)
}

type Make = (shapeName: string) => fc.Arbitrary<unknown>

function arbitraryOf(filling: Filling, shape: Shape, make: Make): fc.Arbitrary<unknown> {
  switch (shape.type) {
    case 'structure': {
      const members = Object.entries(shape.members ?? {})
      if (members.length === 0) return fc.constantFrom<unknown>(...DOCUMENTS)
      const model = Object.fromEntries(members.map(([name, { shape: of }]) => [name, make(of)]))
      const requiredKeys = [...(shape.required ?? [])]
      const value = fc.record(model, { requiredKeys, noNullPrototype: true })
      return filling.empties ? value : value.filter((made) => Object.keys(made).length > 0)
    }
    case 'list': {
      const minLength = shape.min ?? 0
      const maxLength = Math.max(minLength, Math.min(shape.max ?? MAX_ITEMS, MAX_ITEMS))
      return fc.array(make(shape.member?.shape ?? ''), { minLength, maxLength })
    }
    case 'map': {
      const key = make(shape.key?.shape ?? '') as fc.Arbitrary<string>
      const value = make(shape.value?.shape ?? '')
      const pairs = fc.array(fc.tuple(key, value), {
        minLength: filling.empties ? 0 : 1,
        maxLength: MAX_ITEMS,
      })
      return pairs.map((all) => Object.fromEntries(all))
    }
    case 'timestamp':
      return filling.timestamp
    default:
      return scalarOf(filling, shape)
  }
}

function scalarOf(filling: Filling, shape: Shape): fc.Arbitrary<unknown> {
  const { min, max } = shape
  switch (shape.type) {
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer({ min: min ?? -INT_MAX - 1, max: max ?? INT_MAX })
    case 'long':
      return fc.maxSafeInteger()
    case 'double':
    case 'float': {
      const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) }
      return (
        fc
          .double({ ...bounds, noNaN: true, noDefaultInfinity: true })
          .map((value) => (value === 0 ? 0 : value))
          // Beyond these the SDK gives whole numbers another type, where the runtime lets it.
          .filter((value) => Math.abs(value) <= Number.MAX_SAFE_INTEGER)
      )
    }
    default:
      return stringOf(filling, shape)
  }
}

function stringOf({ text }: Filling, { enum: values, pattern, min = 0, max }: Shape) {
  if (values) return fc.constantFrom(...values)
  if (pattern === undefined) return text.map((value) => value.padEnd(min, 'x').slice(0, max))
  const patterned = PATTERNED[pattern]
  if (!patterned) throw new Error(`no text for the pattern ${pattern}`)
  return patterned
}
