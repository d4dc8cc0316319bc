import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isHttp2 } from './proxy-head.ts'

/** What is to be told of the end of a connection; one listener each, however much is pipelined. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/** Calls `work` once, when nothing of a request is under way any more, however it came to that. */
export function onceOver(req: IncomingMessage, res: ServerResponse, work: () => void): void {
  let isOver = false
  const end = () => {
    if (isOver) return
    isOver = true
    waiting.get(req.socket)?.delete(end)
    work()
  }
  res.once('close', end)
  if (isHttp2(req)) {
    // A stream that was reset closes when it has been read to its end, and nobody else reads it.
    req.once('aborted', () => {
      req.unpipe()
      req.resume()
    })
  } else if (res.socket === null) {
    // Behind another answer (pipelining) a response has no connection yet, and hears of no end.
    onceClosed(req.socket, end)
  }
}

function onceClosed(socket: Socket, work: () => void): void {
  let works = waiting.get(socket)
  if (works === undefined) {
    const all = new Set<() => void>()
    works = all
    waiting.set(socket, all)
    socket.once('close', () => {
      for (const each of all) each()
    })
  }
  works.add(work)
}
