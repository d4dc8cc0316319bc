import { readFile } from 'node:fs/promises'

/** What kind and k3d ask for where a machine runs more than one node. */
const LEAST = { max_user_instances: 512, max_user_watches: 524_288 } as const

const SETTINGS = Object.entries(LEAST).map(([name, value]) => `fs.inotify.${name}=${value}`)

export const INOTIFY_REMEDY = `sudo sysctl ${SETTINGS.join(' ')} (in /etc/sysctl.d/ it stays).`

/** Limits of this machine that are below what several nodes need; none where it is no Linux. */
export async function lowInotifyLimits(): Promise<readonly string[]> {
  const read = Object.entries(LEAST).map(async ([name, least]) => {
    const text = await readFile(`/proc/sys/fs/inotify/${name}`, 'utf8').catch(() => String(least))
    return Number(text) < least ? [`${name} is ${text.trim()}`] : []
  })
  return (await Promise.all(read)).flat()
}
