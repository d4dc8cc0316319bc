/** Brings the README's tables up to date: `node dist/test/tables.js`; a test holds the page to them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readmeTables } from './readme.ts'
import { root } from './root.ts'

const path = join(root, 'README.md')
let text = readFileSync(path, 'utf8')
for (const [name, table] of readmeTables()) {
  const begin = `<!-- ${name} -->`
  const end = `<!-- /${name} -->`
  const [before, rest] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))]
  text = `${before}${begin}\n\n${table}\n\n${rest}`
}
writeFileSync(path, text)
