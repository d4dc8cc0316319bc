import { Agent } from 'node:http'
import { Socket, type TcpNetConnectOpts } from 'node:net'

type Done = (error?: Error | null) => void

/**
 * A connection whose end is told by what is read from it, never by a write that fails: a target may
 * answer and hang up before an upload is through, and its answer is still there to be read.
 */
class TargetSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    super._write(chunk, encoding, unlessHungUp(done))
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    super._writev?.(chunks, unlessHungUp(done))
  }
}

function unlessHungUp(done: Done): Done {
  return (error) => {
    const { code } = (error ?? {}) as NodeJS.ErrnoException
    done(code === 'EPIPE' || code === 'ECONNRESET' ? null : error)
  }
}

/** Connections to targets, kept for further requests. */
export class TargetAgent extends Agent {
  override createConnection(options: TcpNetConnectOpts): Socket {
    return new TargetSocket().connect(options)
  }
}
