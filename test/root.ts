import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** The project's folder, whether the source in `test` runs or what was compiled to `dist/test`. */
export const root = here.endsWith(join('dist', 'test'))
  ? resolve(here, '../..')
  : resolve(here, '..')
