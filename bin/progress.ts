import { renderMs } from './duration.ts'

/** What a step says while it works: why it waits, or what its helper does. */
export type Say = (reason: string) => void

/** Steps of a command, told as they go. */
export interface Progress {
  /** Runs one step; `work` may return what is to be said of its end. */
  step<T>(
    title: string,
    work: (say: Say) => Promise<T>,
    outcome?: (result: T) => string,
  ): Promise<T>
  /** Something that was found as it should be. */
  kept(what: string): void
  /** Something that works not as one may think, and what to do about it. */
  warn(what: string, remedy: string): void
  /** Lines of somebody else, e.g. the log of what failed. */
  quote(title: string, text: string): void
}

export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const CLEAR_LINE = '\r\u001b[K'
const DEFAULT_COLUMNS = 80
/** Without a terminal a reason that flickers would fill a log. */
const PLAIN_INTERVAL_MS = 5_000
const TICK_MS = 500

/** On a terminal the last line changes as it goes; elsewhere plain lines, a reason once. */
export function createProgress(terminal: Terminal, now: () => number): Progress {
  const isLive = terminal.isTTY === true
  const clear = () => {
    if (isLive) terminal.write(CLEAR_LINE)
  }
  function liveLine(title: string, begun: number, reason: string): void {
    const text = `  … ${title} (${renderMs(now() - begun)})${reason === '' ? '' : `: ${reason}`}`
    // A terminal that was never told its size has 0 columns.
    const width = (terminal.columns || DEFAULT_COLUMNS) - 1
    terminal.write(`${CLEAR_LINE}${text.length > width ? `${text.slice(0, width - 1)}…` : text}`)
  }
  return {
    async step(title, work, outcome) {
      const begun = now()
      let reason = ''
      let toldAt = begun
      const say: Say = (text) => {
        const next = oneLine(text)
        if (next === reason) return
        if (isLive) {
          reason = next
          return liveLine(title, begun, reason)
        }
        if (reason !== '' && now() - toldAt < PLAIN_INTERVAL_MS) return
        reason = next
        toldAt = now()
        terminal.write(`  ...   ${title}: ${reason} (${renderMs(now() - begun)})\n`)
      }
      let ticker: ReturnType<typeof setInterval> | undefined
      if (isLive) {
        liveLine(title, begun, reason)
        ticker = setInterval(() => liveLine(title, begun, reason), TICK_MS)
      } else terminal.write(`  begin ${title}\n`)
      try {
        const result = await work(say)
        const told = outcome?.(result) ?? ''
        clear()
        const mark = isLive ? '  ✓' : '  done '
        const tail = told === '' ? '' : `: ${told}`
        terminal.write(`${mark} ${title} (${renderMs(now() - begun)})${tail}\n`)
        return result
      } catch (error) {
        clear()
        terminal.write(`${isLive ? '  ✗' : '  FAIL '} ${title} (${renderMs(now() - begun)})\n`)
        throw error
      } finally {
        clearInterval(ticker)
      }
    },
    kept(what) {
      terminal.write(`${isLive ? '  =' : '  kept '} ${what}\n`)
    },
    warn(what, remedy) {
      terminal.write(`${isLive ? '  !' : '  warn '} ${oneLine(what)}\n      → ${oneLine(remedy)}\n`)
    },
    quote(title, text) {
      const lines = text.trimEnd().split('\n')
      terminal.write(`\n${title}\n${lines.map((line) => `  | ${printable(line)}\n`).join('')}`)
    },
  }
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim())
}

// What others wrote cannot drive the terminal.
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD')
}
