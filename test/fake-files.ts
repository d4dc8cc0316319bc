import type { Buffer } from 'node:buffer'
import { basename } from 'node:path'
import { type AppendFile, type Files, systemFiles } from '../gateway/core/files.ts'

export type FileAction =
  | 'open'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'close'
  | 'rename'
  | 'remove'
  | 'syncFolder'

export interface FaultOptions {
  readonly match?: RegExp
  readonly skip?: number
  readonly times?: number
}

/** An error of the system, as Node makes them. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as if by the system`), { code })
}

/** The real file system, with faults where a test puts them and gates where it wants to wait. */
export class FakeFiles implements Files {
  /** Every action that went to the file system, e.g. `write journal-000001.jsonl`. */
  readonly seen: string[] = []
  readonly #faults = new Map<
    FileAction,
    { match: RegExp; fault: () => Error; skip: number; times: number }
  >()
  readonly #gates: {
    action: FileAction
    match: RegExp
    arrive: () => void
    gate: Promise<void>
  }[] = []
  #shortWrites = 0

  /** After `skip` of them, the next `times` of these actions on files that match fail. */
  fail(
    action: FileAction,
    code: string,
    { match = /./, skip = 0, times = Number.POSITIVE_INFINITY }: FaultOptions = {},
  ): void {
    this.#faults.set(action, { match, fault: () => systemError(code), skip, times })
  }

  heal(): void {
    this.#faults.clear()
  }

  /** The next `times` writes write half of what they were given. */
  shortWrites(times: number): void {
    this.#shortWrites = times
  }

  /** Holds the next such action back until `open` is called; `reached` once it has come. */
  hold(action: FileAction, match = /./): { reached: Promise<void>; open(): void } {
    let open = () => {}
    let arrive = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const reached = new Promise<void>((resolve) => {
      arrive = resolve
    })
    this.#gates.push({ action, match, arrive, gate })
    return { reached, open: () => open() }
  }

  async open(path: string): Promise<AppendFile> {
    await this.#pass('open', path)
    const file = await systemFiles.open(path)
    return {
      write: async (bytes: Buffer, position: number) => {
        await this.#pass('write', path)
        if (this.#shortWrites <= 0) return file.write(bytes, position)
        this.#shortWrites--
        return file.write(bytes.subarray(0, bytes.length >> 1), position)
      },
      datasync: async () => {
        await this.#pass('datasync', path)
        await file.datasync()
      },
      truncate: async (length: number) => {
        await this.#pass('truncate', path)
        await file.truncate(length)
      },
      close: async () => {
        // What fails to close is closed nevertheless, as with the system.
        await file.close()
        await this.#pass('close', path)
      },
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#pass('rename', from)
    await systemFiles.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    await this.#pass('remove', path)
    await systemFiles.remove(path)
  }

  async syncFolder(path: string): Promise<void> {
    await this.#pass('syncFolder', path)
    await systemFiles.syncFolder(path)
  }

  async #pass(action: FileAction, path: string): Promise<void> {
    const name = basename(path)
    this.seen.push(`${action} ${name}`)
    const held = this.#gates.findIndex((each) => each.action === action && each.match.test(name))
    if (held !== -1) {
      const [gate] = this.#gates.splice(held, 1)
      gate?.arrive()
      await gate?.gate
    }
    const fault = this.#faults.get(action)
    if (!fault?.match.test(name) || fault.skip-- > 0 || fault.times <= 0) return
    fault.times--
    throw fault.fault()
  }
}
