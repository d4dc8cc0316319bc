import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Who listens on a TCP port of this machine, e.g. `node (pid 4711)`, as far as the caller may know
 * it: on Linux, and for processes of the same user. Undefined otherwise.
 */
export function portHolder(port: number): string | undefined {
  try {
    const inodes = listeningInodes(port)
    if (inodes.size === 0) return undefined
    for (const entry of readdirSync('/proc')) {
      if (/^\d+$/.test(entry) && holdsAny(entry, inodes)) return `${nameOf(entry)} (pid ${entry})`
    }
  } catch {
    // No /proc: nothing is known.
  }
  return undefined
}

const LISTEN_STATE = '0A'

function listeningInodes(port: number): Set<string> {
  const inodes = new Set<string>()
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of read(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      const [, local = '', , state] = fields
      if (state === LISTEN_STATE && local.endsWith(wanted)) inodes.add(`socket:[${fields[9]}]`)
    }
  }
  return inodes
}

function holdsAny(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).some((fd) => {
      try {
        return sockets.has(readlinkSync(`${folder}/${fd}`))
      } catch {
        return false
      }
    })
  } catch {
    // Somebody else's process, or one that ended meanwhile.
    return false
  }
}

function nameOf(pid: string): string {
  return read(`/proc/${pid}/comm`).trim() || 'a process'
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
