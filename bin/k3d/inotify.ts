import { readFile } from 'node:fs/promises'

/** What kind's and k3d's manuals advise, and below what it is worth a word. */
const LIMITS = [
  { name: 'max_user_instances', advised: 512, least: 512 },
  { name: 'max_user_watches', advised: 524_288, least: 65_536 },
] as const

const SETTINGS = LIMITS.map(({ name, advised }) => `fs.inotify.${name}=${advised}`)

export const INOTIFY_REMEDY = `sudo sysctl ${SETTINGS.join(' ')} (in /etc/sysctl.d/ it stays).`

/** Limits of this machine that are below what several nodes need; none where it is no Linux. */
export async function lowInotifyLimits(): Promise<readonly string[]> {
  const read = LIMITS.map(async ({ name, least }) => {
    const text = await readFile(`/proc/sys/fs/inotify/${name}`, 'utf8').catch(() => String(least))
    return Number(text) < least ? [`${name} is ${text.trim()}`] : []
  })
  return (await Promise.all(read)).flat()
}
