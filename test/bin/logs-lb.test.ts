import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createAdmin } from '../../gateway/admin.ts'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createGuard } from '../../gateway/guard.ts'
import { createHttpServer, type HttpServer } from '../../gateway/server.ts'
import { LogWorld } from '../elbv2/data-plane/logs/log-world.ts'
import { Workshop } from './program.ts'

const logs = suite<{ shop: Workshop; world: LogWorld; server: HttpServer; url: string }>(
  'kecs logs lb',
)

logs.before.each(async (context) => {
  const world = new LogWorld()
  const admin = createAdmin({
    guard: createGuard({ allowedHosts: [], allowedOrigins: [] }),
    clock: world.clock,
    log: silentLogger,
    health: () => ({ status: 'up', components: [] }),
    metrics: () => '',
    info: () => ({}),
    sql: async () => ({ columns: [], rows: [], truncated: false }),
    logs: { lb: world.logs.source },
    reset: async () => ({ rows: 0, tasks: 0 }),
  })
  const server = createHttpServer(admin, { log: silentLogger, ids: systemIds })
  const port = await server.listen(0, '127.0.0.1')
  const url = `http://127.0.0.1:${port}`
  Object.assign(context, { shop: new Workshop(), world, server, url })
})
logs.after.each(async ({ shop, server }) => {
  await shop.clean()
  await server.close(0)
})

logs('prints lines as they come, by ARN, until the load balancer is gone', async (context) => {
  const { shop, world, url } = context
  const row = world.put()
  world.request(row, 2)
  const follow = ['logs', 'lb', row.arn, '-f', '--tail', '1', '--admin-url', url]
  const follower = shop.start(follow)
  await follower.says(/:80\/2 HTTP/)
  world.request(row)
  await follower.says(/:80\/3 HTTP/)
  world.delete(row)
  const { code, stdout } = await follower.ended
  assert.is(code, 0)
  assert.match(stdout, /^http 2018-07-02T22:23:00\.186000Z app\/my-loadbalancer\/.*\n.*\n$/)
})

logs('prints JSON with the time, and says that there is no such load balancer', async (context) => {
  const { shop, world, url } = context
  world.request(world.put())
  const { stdout } = await shop.run(['logs', 'lb', 'my-loadbalancer', '--json', '--admin-url', url])
  const { atMs, line } = JSON.parse(stdout)
  assert.is(atMs, Date.UTC(2018, 6, 2, 22, 23, 0, 186))
  assert.match(line, '"GET http://www.example.com:80/1 HTTP/1.1"')
  const { code, stderr } = await shop.run(['logs', 'lb', 'nobody', '--admin-url', url])
  assert.is(code, 1)
  assert.match(stderr, 'There is no lb "nobody".')
})

logs.run()
