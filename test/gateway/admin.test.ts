import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createAdmin } from '../../gateway/admin.ts'
import type { LogQuery } from '../../gateway/admin-logs.ts'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createGuard } from '../../gateway/guard.ts'
import { type Component, watchHealth } from '../../gateway/health.ts'
import { createHttpServer, type HttpServer } from '../../gateway/server.ts'
import { SqlFault } from '../../gateway/sql-guard.ts'
import { FakeClock } from '../fake-clock.ts'
import { RawConnection } from '../raw-http.ts'

interface Fixture {
  readonly server: HttpServer
  readonly clock: FakeClock
  readonly port: number
  readonly asked: string[]
  resets: number
  store: ReturnType<Component['check']>
  backend: ReturnType<Component['check']>
}

const admin = suite<{ fixture: Fixture }>('admin')

admin.before.each(async (context) => {
  const clock = new FakeClock()
  const up = { status: 'up', detail: 'well' } as const
  const fixture = { clock, asked: [] as string[], resets: 0, store: up, backend: up } as const
  const mutable = fixture as unknown as Fixture
  const health = watchHealth(clock, [
    { name: 'store', essential: true, check: () => mutable.store },
    { name: 'backend', essential: false, check: () => mutable.backend },
  ])
  const app = createAdmin({
    guard: createGuard({ allowedHosts: [], allowedOrigins: [] }),
    clock,
    log: silentLogger,
    health: health.report,
    metrics: () => 'kecs_info 1\n',
    info: () => ({ version: '1.2.3' }),
    async sql(statement) {
      mutable.asked.push(statement)
      if (statement === 'DROP') throw new SqlFault('REFUSED', 'it writes')
      if (statement === 'BUSY') throw new SqlFault('BUSY', 'ask again later')
      if (statement === 'BUG') throw new Error('secret detail')
      return { columns: [{ name: 'n', type: 'BIGINT' }], rows: [[1]], truncated: false }
    },
    logs: {
      task: (name, query) => (name === 'nobody' ? undefined : linesOf(name, query)),
    },
    async reset() {
      mutable.resets++
      return { rows: 3, tasks: 1 }
    },
  })
  const server = createHttpServer(app, { log: silentLogger, ids: systemIds })
  const port = await server.listen(0, '127.0.0.1')
  context.fixture = Object.assign(mutable, { server, port })
})
admin.after.each(({ fixture }) => fixture.server.close(0))

async function* linesOf(name: string, { signal, ...query }: LogQuery) {
  if (name !== 'quiet') yield { line: `${name} ${JSON.stringify(query)}` }
  if (!query.follow) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  gone()
}
let gone = () => {}

interface Heard {
  readonly status: number
  readonly head: string
  readonly body: string
}

async function ask(port: number, lines: readonly string[], body = ''): Promise<Heard> {
  const connection = new RawConnection(port)
  const length = body === '' ? [] : [`content-length: ${body.length}`]
  connection.say(`${[...lines, ...length, 'connection: close'].join('\r\n')}\r\n\r\n${body}`)
  const [head = '', text = ''] = (await connection.toTheEnd()).split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body: text }
}

const get = (path: string) => [`GET ${path} HTTP/1.1`, 'host: localhost']
const post = (path: string, ...headers: string[]) => [
  `POST ${path} HTTP/1.1`,
  'host: localhost:8081',
  ...headers,
]
const JSON_TYPE = 'content-type: application/json'

admin('GET /health: up, then down with the status of an essential part', async ({ fixture }) => {
  const well = await ask(fixture.port, get('/health'))
  assert.is(well.status, 200)
  assert.equal(JSON.parse(well.body), { status: 'up' })
  fixture.store = { status: 'down', detail: 'the disk is full' }
  assert.is((await ask(fixture.port, get('/health'))).status, 503)
})

admin(
  'GET /health/detailed: every part with its state, since when and why',
  async ({ fixture }) => {
    fixture.clock.advance(60_000)
    fixture.backend = { status: 'down', detail: 'connection refused' }
    const first = await ask(fixture.port, get('/health/detailed'))
    fixture.clock.advance(60_000)
    const { status, body } = await ask(fixture.port, get('/health/detailed'))
    assert.is(status, 200)
    assert.is(body, first.body)
    assert.equal(JSON.parse(body), {
      status: 'degraded',
      components: [
        {
          name: 'store',
          essential: true,
          status: 'up',
          detail: 'well',
          since: '2026-01-01T00:00:00.000Z',
        },
        {
          name: 'backend',
          essential: false,
          status: 'down',
          detail: 'connection refused',
          since: '2026-01-01T00:01:00.000Z',
        },
      ],
    })
  },
)

admin('watchHealth: a change is noticed when nobody asks', async ({ fixture }) => {
  fixture.backend = { status: 'down', detail: 'gone' }
  fixture.clock.advance(10_000)
  const { body } = await ask(fixture.port, get('/health/detailed'))
  assert.is(JSON.parse(body).components[1].since, '2026-01-01T00:00:05.000Z')
})

admin('GET /metrics: Prometheus text', async ({ fixture }) => {
  const { head, body } = await ask(fixture.port, get('/metrics'))
  assert.match(head.toLowerCase(), 'content-type: text/plain; version=0.0.4')
  assert.is(body, 'kecs_info 1\n')
})

admin('GET /info: the facts', async ({ fixture }) => {
  assert.equal(JSON.parse((await ask(fixture.port, get('/info'))).body), { version: '1.2.3' })
})

admin('GET elsewhere: 404 in JSON', async ({ fixture }) => {
  const { status, body } = await ask(fixture.port, get('/nowhere'))
  assert.is(status, 404)
  assert.match(JSON.parse(body).error, '/nowhere')
})

admin('POST /sql: columns and rows', async ({ fixture }) => {
  const { status, body } = await ask(fixture.port, post('/sql', JSON_TYPE), '{"sql":"SELECT 1"}')
  assert.is(status, 200)
  assert.equal(JSON.parse(body).rows, [[1]])
  assert.equal(fixture.asked, ['SELECT 1'])
})

admin(
  'POST /sql: refused is 400, busy is 503, a bug is 500 without its cause',
  async ({ fixture }) => {
    const sql = (statement: string) =>
      ask(fixture.port, post('/sql', JSON_TYPE), JSON.stringify({ sql: statement }))
    const refused = await sql('DROP')
    assert.is(refused.status, 400)
    assert.equal(JSON.parse(refused.body), { error: 'it writes', reason: 'REFUSED' })
    assert.is((await sql('BUSY')).status, 503)
    const bug = await sql('BUG')
    assert.is(bug.status, 500)
    assert.not.match(bug.body, 'secret')
  },
)

for (const body of ['', '{', '[]', 'null', '{"sql":1}', '{"query":"x"}']) {
  admin(`POST /sql: ${JSON.stringify(body)} is 400`, async ({ fixture }) => {
    assert.is((await ask(fixture.port, post('/sql', JSON_TYPE), body)).status, 400)
    assert.equal(fixture.asked, [])
  })
}

admin('POST /sql: a body beyond the limit is 413', async ({ fixture }) => {
  const lines = post('/sql', JSON_TYPE, 'content-length: 2000000')
  const connection = new RawConnection(fixture.port)
  connection.say(`${lines.join('\r\n')}\r\n\r\n`)
  assert.match(await connection.hears('larger than'), /^HTTP\/1\.1 413 /)
  connection.destroy()
})

admin('POST /reset: deletes, and says how much', async ({ fixture }) => {
  const { status, body } = await ask(fixture.port, post('/reset', JSON_TYPE), '{}')
  assert.is(status, 200)
  assert.equal(JSON.parse(body), { rows: 3, tasks: 1 })
  assert.is(fixture.resets, 1)
})

const FORGED: readonly (readonly [what: string, headers: readonly string[]])[] = [
  ['a form', ['content-type: application/x-www-form-urlencoded']],
  ['JSON dressed as text', ['content-type: text/plain']],
  ['no content type', []],
  ['a cross-site fetch', [JSON_TYPE, 'sec-fetch-site: cross-site']],
  ['a same-site fetch', [JSON_TYPE, 'sec-fetch-site: same-site']],
  ['another origin', [JSON_TYPE, 'origin: http://evil.example']],
  ['another local page', [JSON_TYPE, 'origin: http://localhost:3000']],
  ['an opaque origin', [JSON_TYPE, 'origin: null']],
]
for (const [what, headers] of FORGED) {
  for (const path of ['/reset', '/sql']) {
    admin(`POST ${path}: ${what} is refused`, async ({ fixture }) => {
      const { status } = await ask(fixture.port, post(path, ...headers), '{"sql":"SELECT 1"}')
      assert.is(status, 403)
      assert.is(fixture.resets, 0)
      assert.equal(fixture.asked, [])
    })
  }
}

admin('POST: the port’s own page may', async ({ fixture }) => {
  const own = ['origin: http://localhost:8081', 'sec-fetch-site: same-origin']
  assert.is((await ask(fixture.port, post('/reset', JSON_TYPE, ...own), '{}')).status, 200)
})

admin('a foreign Host: refused on every page, read or written', async ({ fixture }) => {
  for (const path of ['/health', '/info', '/metrics']) {
    const { status } = await ask(fixture.port, [`GET ${path} HTTP/1.1`, 'host: evil.example'])
    assert.is(status, 403)
  }
})

admin('logs: a JSON object a line, asked for by name', async ({ fixture }) => {
  const path = '/logs/task/t1?tail=5&container=web'
  const { status, head, body } = await ask(fixture.port, get(path))
  assert.is(status, 200)
  assert.match(head, /content-type: application\/x-ndjson/i)
  assert.match(body, 't1 {\\"container\\":\\"web\\",\\"tail\\":5,\\"follow\\":false}')
})

admin('logs: unknown kinds and names are not found, odd queries refused', async ({ fixture }) => {
  const { body, status } = await ask(fixture.port, get('/logs/task/nobody'))
  assert.equal([status, JSON.parse(body)], [404, { error: 'There is no task "nobody".' }])
  assert.is((await ask(fixture.port, get('/logs/constructor/x'))).status, 404)
  assert.is((await ask(fixture.port, get('/logs/task/t1?tail=all'))).status, 400)
})

admin('logs: who follows and leaves is noticed, though nothing is written', async ({ fixture }) => {
  const noticed = new Promise<void>((resolve) => {
    gone = resolve
  })
  const connection = new RawConnection(fixture.port)
  connection.say(`${get('/logs/task/t1?follow=1').join('\r\n')}\r\n\r\n`)
  await connection.hears(/t1 /)
  connection.destroy()
  await noticed
})

admin('logs: who follows is answered before anything is written', async ({ fixture }) => {
  gone = () => {}
  const connection = new RawConnection(fixture.port)
  connection.say(`${get('/logs/task/quiet?follow=1').join('\r\n')}\r\n\r\n`)
  await connection.hears(/^HTTP\/1\.1 200 /)
  connection.destroy()
})

admin.run()
