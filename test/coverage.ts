import type { Provider } from '../gateway/core/provider.ts'

/** The README's table of operations: made from the handler table, held against it by a test. */
export function coverageTable(provider: Provider): string {
  const all = Object.keys(provider.contract.operations).sort()
  const has = (name: string) => Object.hasOwn(provider.handlers, name)
  const done = all.filter(has)
  const open = all.filter((name) => !has(name))
  return [
    `| ${provider.name}: ${done.length} of ${all.length} operations | |`,
    '|---|---|',
    `| answered | ${done.join(', ')} |`,
    `| answer a fault that names them | ${open.join(', ') || 'none'} |`,
  ].join('\n')
}

/** README text between `<!-- NAME -->` and `<!-- /NAME -->`, without its outer line feeds. */
export function marked(text: string, name: string): string | undefined {
  const begin = text.indexOf(`<!-- ${name} -->`)
  const end = text.indexOf(`<!-- /${name} -->`)
  if (begin === -1 || end === -1) return undefined
  return text.slice(begin + `<!-- ${name} -->`.length, end).trim()
}
