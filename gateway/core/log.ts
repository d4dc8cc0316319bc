export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

/** One line an event; fields must never hold request bodies, headers or credentials. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'text' | 'json'
  /** Takes one line, without its line feed. */
  readonly write: (line: string) => void
  readonly now: () => number
}

/** A logger that writes lines of `key=value` text or of JSON. */
export function createLogger(options: LogOptions): Logger {
  const least = LOG_LEVELS.indexOf(options.level)
  const line = options.format === 'json' ? jsonLine : textLine
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (LOG_LEVELS.indexOf(level) < least) return
      options.write(line(new Date(options.now()).toISOString(), level, message, fields))
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({ time, level, message, ...fields })
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  let text = `${time} ${level.toUpperCase().padEnd(5)} ${oneLine(message)}`
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const shown = typeof value === 'string' ? value : JSON.stringify(value)
    text += ` ${key}=${/[\s"=]/.test(shown) ? JSON.stringify(shown) : shown}`
  }
  return text
}

// A message may quote a caller: no line of ours is forged by one.
function oneLine(message: string): string {
  return message.replace(/[\r\n]+/g, ' ')
}
