import { Buffer } from 'node:buffer'

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number
  /** As the target worded it; may be empty. */
  readonly message: string
  /** Names and values in turns, as they came. */
  readonly rawHeaders: string[]
  readonly isChunked: boolean
}

/** Is told of an answer piece by piece, in order. */
export interface AnswerSink {
  /** An answer of 1xx, before the real one. */
  informed(status: number): void
  answered(head: AnswerHead): void
  /** Of the body, without the chunks' framing. */
  received(piece: Buffer): void
  /** The answer is whole. */
  ended(rawTrailers: string[]): void
}

/** The answer is none that HTTP/1.1 knows. */
export class AnswerError extends Error {}

/** Of a head, and of all trailers together. */
export const MAX_HEAD_BYTES = 64 * 1024
/** Of a chunk's size and extensions, which nobody needs. */
const MAX_CHUNK_LINE = 4 * 1024
const FIRST_KEPT_BYTES = 1024

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const NAME = /^[\w!#$%&'*+.^`|~-]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a value must not hold
const NO_VALUE = /[\0-\x08\x0a-\x1f\x7f]/
const LENGTH = /^\d{1,15}$/
const CHUNK_LINE = /^([\da-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i
const LINE_END = '\r\n'
const HEAD_END = '\r\n\r\n'
const BEGINNING = 'HTTP/1.'

type State =
  | 'head'
  | 'length'
  | 'close'
  | 'chunk line'
  | 'chunk'
  | 'chunk end'
  | 'trailers'
  | 'done'

/**
 * Reads the answer to one request after another from the bytes of a connection. Stricter than RFC
 * 9112 allows: whoever writes it in a way that two readers might take differently is refused.
 */
export class AnswerParser {
  readonly #sink: AnswerSink
  #state: State = 'done'
  #isHead = false
  #left = 0
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  /** What came before of a text that is not whole yet. */
  #kept: Buffer | undefined
  #keptBytes = 0
  #trailers: string[] = []
  #trailerBytes = 0
  /** Whether the connection goes on after the answer. */
  #persists = false
  #keepAliveMs: number | undefined

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  /** Awaits an answer, `isHead` to a request of HEAD. */
  begin(isHead: boolean): void {
    this.#state = 'head'
    this.#isHead = isHead
    this.#persists = false
    this.#keepAliveMs = undefined
  }

  /** Whether another request may follow: the answer is whole, and nothing came behind it. */
  get persists(): boolean {
    return this.#state === 'done' && this.#persists
  }

  /** For how long its target says that it keeps the connection. */
  get keepAliveMs(): number | undefined {
    return this.#keepAliveMs
  }

  /** Throws AnswerError. */
  read(chunk: Buffer): void {
    this.#chunk = chunk
    this.#at = 0
    while (this.#at < chunk.length && this.#state !== 'done') this.#step()
    if (this.#at < chunk.length) this.#persists = false
  }

  /** The connection ended: tells whether that was the end of an answer, too. */
  finish(): boolean {
    if (this.#state !== 'close') return false
    this.#end()
    return true
  }

  /** Nothing more is to be told. */
  stop(): void {
    this.#state = 'done'
    this.#persists = false
    this.#kept = undefined
    this.#keptBytes = 0
  }

  #step(): void {
    switch (this.#state) {
      case 'head':
        this.#readHead()
        break
      case 'length':
      case 'chunk':
        this.#readCounted()
        break
      case 'close':
        this.#hand(this.#chunk.length)
        break
      case 'chunk line':
        this.#readChunkLine()
        break
      case 'chunk end':
        this.#readChunkEnd()
        break
      default:
        this.#readTrailer()
    }
  }

  #readHead(): void {
    const text = this.#textBefore(HEAD_END, MAX_HEAD_BYTES)
    if (text === undefined) {
      const begun = this.#kept?.toString('latin1', 0, Math.min(this.#keptBytes, BEGINNING.length))
      if (begun !== undefined && !BEGINNING.startsWith(begun)) throw noHttp(begun)
      return
    }
    const lineEnd = text.indexOf(LINE_END)
    const line = lineEnd === -1 ? text : text.slice(0, lineEnd)
    const [, minor, code, message = ''] = STATUS_LINE.exec(line) ?? []
    if (code === undefined) throw noHttp(line)
    const rawHeaders = lineEnd === -1 ? [] : headersOf(text, lineEnd + LINE_END.length)
    const status = Number(code)
    if (status === 101) throw new AnswerError('it changes the protocol without being asked to')
    if (status < 200) this.#sink.informed(status)
    else this.#begun(status, message, rawHeaders, minor === '1')
  }

  #begun(status: number, message: string, rawHeaders: string[], isVersion11: boolean): void {
    const { length, coding, closes, keepAliveMs } = framingOf(rawHeaders)
    const isChunked = coding !== undefined
    const isBodiless = this.#isHead || status === 204 || status === 304
    this.#keepAliveMs = keepAliveMs
    if (isBodiless) this.#left = 0
    else if (isChunked) this.#state = 'chunk line'
    else if (length === undefined) this.#state = 'close'
    else this.#left = length
    this.#persists = isVersion11 && !closes && this.#state !== 'close'
    if (this.#state === 'head') this.#state = 'length'
    this.#sink.answered({ status, message, rawHeaders, isChunked })
    if (this.#state === 'length' && this.#left === 0) this.#end()
  }

  #readCounted(): void {
    const end = Math.min(this.#at + this.#left, this.#chunk.length)
    this.#left -= end - this.#at
    const isLast = this.#left === 0
    const isChunk = this.#state === 'chunk'
    if (isChunk && isLast) this.#state = 'chunk end'
    this.#hand(end)
    if (!isChunk && isLast && this.#state === 'length') this.#end()
  }

  #hand(end: number): void {
    const { length } = this.#chunk
    const piece =
      this.#at === 0 && end === length ? this.#chunk : this.#chunk.subarray(this.#at, end)
    this.#at = end
    this.#sink.received(piece)
  }

  #readChunkLine(): void {
    const line = this.#textBefore(LINE_END, MAX_CHUNK_LINE)
    if (line === undefined) return
    const size = CHUNK_LINE.exec(line)?.[1]
    if (size === undefined) throw new AnswerError('the size of a chunk is no number')
    this.#left = Number.parseInt(size, 16)
    this.#trailers = []
    this.#trailerBytes = 0
    this.#state = this.#left === 0 ? 'trailers' : 'chunk'
  }

  #readChunkEnd(): void {
    const text = this.#textBefore(LINE_END, 0)
    if (text !== undefined) this.#state = 'chunk line'
  }

  #readTrailer(): void {
    const line = this.#textBefore(LINE_END, MAX_HEAD_BYTES - this.#trailerBytes)
    if (line === undefined) return
    this.#trailerBytes += line.length + LINE_END.length
    if (this.#trailerBytes > MAX_HEAD_BYTES) throw tooLong()
    if (line === '') this.#end()
    else this.#trailers.push(...headersOf(line, 0))
  }

  #end(): void {
    const trailers = this.#trailers
    this.#trailers = []
    this.#state = 'done'
    if (this.#at < this.#chunk.length) this.#persists = false
    this.#sink.ended(trailers)
  }

  /** What stands before `end`, whose bytes may have come at different times; undefined: not yet all. */
  #textBefore(end: string, limit: number): string | undefined {
    const chunk = this.#chunk
    const begin = this.#at
    if (this.#kept === undefined) {
      const found = chunk.indexOf(end, begin, 'latin1')
      if (found > begin + limit) throw tooLong()
      if (found !== -1) {
        this.#at = found + end.length
        return chunk.toString('latin1', begin, found)
      }
    }
    const before = this.#keptBytes
    this.#keep(chunk.subarray(begin, begin + limit + end.length - before))
    const kept = (this.#kept ?? chunk).subarray(0, this.#keptBytes)
    const found = kept.indexOf(end, Math.max(0, before - end.length + 1), 'latin1')
    if (found === -1) {
      if (kept.length >= limit + end.length) throw tooLong()
      this.#at = chunk.length
      return undefined
    }
    this.#at = begin + found + end.length - before
    this.#kept = undefined
    this.#keptBytes = 0
    return kept.toString('latin1', 0, found)
  }

  // It doubles, so that who sends byte by byte costs no more than others.
  #keep(bytes: Buffer): void {
    const needed = this.#keptBytes + bytes.length
    const old = this.#kept
    if (old === undefined || old.length < needed) {
      this.#kept = Buffer.allocUnsafe(Math.max(FIRST_KEPT_BYTES, needed * 2))
      old?.copy(this.#kept, 0, 0, this.#keptBytes)
    }
    this.#kept?.set(bytes, this.#keptBytes)
    this.#keptBytes = needed
  }
}

/** Names and values in turns of the lines of `text` from `at` on. */
function headersOf(text: string, from: number): string[] {
  const raw: string[] = []
  let at = from
  while (at < text.length) {
    const found = text.indexOf(LINE_END, at)
    const end = found === -1 ? text.length : found
    const colon = text.indexOf(':', at)
    const name = text.slice(at, colon)
    if (colon === -1 || colon > end || !NAME.test(name)) {
      throw new AnswerError('a header has no name')
    }
    const value = trimmed(text, colon + 1, end)
    if (NO_VALUE.test(value)) throw new AnswerError(`the value of ${name} holds what none may hold`)
    raw.push(name, value)
    at = end + LINE_END.length
  }
  return raw
}

// Of spaces and tabs only: what else `trim` takes away may be a part of a name in Latin-1.
function trimmed(text: string, from: number, to: number): string {
  let begin = from
  let end = to
  while (begin < end && isBlank(text.charCodeAt(begin))) begin++
  while (end > begin && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(begin, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

interface AnswerFraming {
  length: number | undefined
  coding: string | undefined
  closes: boolean
  keepAliveMs: number | undefined
}

function framingOf(raw: readonly string[]): AnswerFraming {
  const framing: AnswerFraming = {
    length: undefined,
    coding: undefined,
    closes: false,
    keepAliveMs: undefined,
  }
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? ''
    // Most names are passed over by their length.
    if (name.length === 10 || name.length === 14 || name.length === 17) {
      note(framing, name.toLowerCase(), raw[at + 1] ?? '')
    }
  }
  if (framing.length !== undefined && framing.coding !== undefined) {
    throw new AnswerError('it has both a Content-Length and a Transfer-Encoding')
  }
  return framing
}

function note(framing: AnswerFraming, name: string, value: string): void {
  if (name === 'content-length') {
    if (framing.length !== undefined || !LENGTH.test(value)) {
      throw new AnswerError(`its Content-Length is ${JSON.stringify(value)}, or given twice`)
    }
    framing.length = Number(value)
  } else if (name === 'transfer-encoding') {
    if (framing.coding !== undefined || value.toLowerCase() !== 'chunked') {
      throw new AnswerError(`its Transfer-Encoding is ${JSON.stringify(value)}, or given twice`)
    }
    framing.coding = value
  } else if (name === 'connection') {
    if (/(^|,)\s*close\s*(,|$)/i.test(value)) framing.closes = true
  } else if (name === 'keep-alive') {
    const seconds = /(?:^|[,\s])timeout=(\d{1,9})/i.exec(value)?.[1]
    if (seconds !== undefined) framing.keepAliveMs = Number(seconds) * 1000
  }
}

function noHttp(line: string): AnswerError {
  return new AnswerError(`it does not begin as HTTP/1.1 does: ${JSON.stringify(line.slice(0, 40))}`)
}

function tooLong(): AnswerError {
  return new AnswerError('its head, its trailers or the size of a chunk are too long')
}
