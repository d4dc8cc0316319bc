import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

let known: string | undefined

/** The folder of the installed package, or of the checkout: two up from the sources, three from dist. */
export function packageRoot(): string {
  known ??= ['../../', '../../../']
    .map((up) => fileURLToPath(new URL(up, import.meta.url)))
    .find(isOurs)
  if (known === undefined) throw new Error('the package of kecs has no package.json')
  return known
}

function isOurs(folder: string): boolean {
  const manifest = `${folder}package.json`
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'kecs'
}
