import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const BYTES = 32
const FILE = 'secret'

/**
 * The key that cookies of load balancers are sealed with; the same over restarts where there is a
 * folder to keep it in, so that sessions and stickiness go on.
 */
export async function secretKey(dir: string | undefined): Promise<Buffer> {
  if (dir === undefined) return randomBytes(BYTES)
  const path = join(dir, FILE)
  const kept = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (kept?.length === BYTES) return kept
  const key = randomBytes(BYTES)
  await writeFile(`${path}.new`, key, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return key
}
