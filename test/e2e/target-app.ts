/**
 * A target of the tests of load balancers: says who it is, echoes what it is sent, and falls ill on
 * request. Runs as the command of a task of the `process` runtime.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import process from 'node:process'
import { WebSocketServer } from 'ws'

const { KECS_TASK_ID: task = '', REVISION: revision = '', KECS_BIND_HOST: host } = process.env
let isWell = process.env.STARTS !== 'ill'

const PAGES: Readonly<Record<string, (req: IncomingMessage, res: ServerResponse) => void>> = {
  '/': (req, res) => {
    let bytes = 0
    req.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
    })
    req.on('end', () => {
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ task, revision, bytes }))
    })
  },
  '/health': (_req, res) => res.writeHead(isWell ? 200 : 500).end(),
  '/get-well': (_req, res) => {
    isWell = true
    res.end()
  },
  '/fall-ill': (_req, res) => {
    isWell = false
    res.end()
  },
  // Whoever asks sees the head at once and gets the rest when `/finish` was asked.
  '/long': (_req, res) => {
    res.write(`${task} begins, `)
    unfinished.add(res)
    res.once('close', () => unfinished.delete(res))
  },
  '/holds': (_req, res) => res.end(unfinished.size > 0 ? 'yes' : 'no'),
  '/finish': (_req, res) => {
    for (const each of unfinished) each.end(`${task} ends`)
    res.end()
  },
}
const unfinished = new Set<ServerResponse>()

const server = createServer((req, res) => {
  const page = PAGES[new URL(req.url ?? '/', 'http://target').pathname]
  if (page) page(req, res)
  else res.writeHead(404).end()
})
const webSockets = new WebSocketServer({ server, path: '/echo' })
webSockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})
server.listen(Number(process.env.PORT), host)
process.on('SIGTERM', () => process.exit(0))
// Whatever becomes of the test and of KECS: it does not stay.
setTimeout(() => process.exit(1), 180_000).unref()
