import type { Buffer } from 'node:buffer'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'

/** A file that is written at its end only. */
export interface AppendFile {
  /** Writes at the position; how many bytes were written, which may be fewer than given. */
  write(bytes: Buffer, position: number): Promise<number>
  /** Resolves when what was written survives a loss of power. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** The file system as the journal uses it; tests put faults in. */
export interface Files {
  open(path: string): Promise<AppendFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in the folder durable. */
  syncFolder(path: string): Promise<void>
}

export const systemFiles: Files = {
  open: async (path) => appendFile(await openOrCreate(path)),
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncFolder(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    return open(path, 'w+')
  }
}

function appendFile(handle: FileHandle): AppendFile {
  return {
    async write(bytes, position) {
      const { bytesWritten } = await handle.write(bytes, 0, bytes.length, position)
      return bytesWritten
    },
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  }
}

/** Writes all of the bytes, in as many writes as it takes; how many there were. */
export async function writeAll(file: AppendFile, bytes: Buffer, position: number): Promise<number> {
  let written = 0
  while (written < bytes.length) {
    const count = await file.write(bytes.subarray(written), position + written)
    if (count === 0) throw new Error('the file takes no more bytes')
    written += count
  }
  return written
}
