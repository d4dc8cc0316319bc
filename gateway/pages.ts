import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Env, Hono } from 'hono'
import { messageOf } from './core/fault.ts'
import type { Logger } from './core/log.ts'

type WebListener = (req: IncomingMessage, res: ServerResponse) => void

/** Serves pages that are built, and their library loaded, when the first request for one comes. */
export function lazyPages<E extends Env>(build: () => Promise<Hono<E>>, log: Logger): WebListener {
  let loading: Promise<WebListener> | undefined
  let loaded: WebListener | undefined

  async function load(): Promise<WebListener> {
    const [{ getRequestListener }, pages] = await Promise.all([
      import('@hono/node-server'),
      build(),
    ])
    pages.onError((error, context) => {
      log.error(`bug: ${messageOf(error)}`, { path: context.req.path, stack: error.stack })
      return context.json({ error: 'Internal error; the log has it.' }, 500)
    })
    pages.notFound((context) => context.json({ error: `There is no ${context.req.path}.` }, 404))
    const listen = getRequestListener(pages.fetch, { overrideGlobalObjects: false })
    loaded = (req, res) => void listen(req, res)
    return loaded
  }

  return (req, res) => {
    if (loaded) return loaded(req, res)
    loading ??= load()
    loading.then(
      (listen) => listen(req, res),
      (error) => {
        loading = undefined
        log.error(`pages could not be loaded: ${messageOf(error)}`)
        res.writeHead(500, { 'content-length': 0 }).end()
      },
    )
  }
}
