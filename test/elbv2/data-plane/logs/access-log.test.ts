import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RING_LINES } from '../../../../elbv2/data-plane/logs/log-ring.ts'
import { LogWorld, pathOf, turn } from './log-world.ts'

const logs = suite('access logs')

const DNS_NAME = 'my-loadbalancer-1234567890.us-east-2.elb.localhost'

logs('source: knows a load balancer by its name, its ARN and its DNS name', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row)
  for (const name of [row.name, row.arn, DNS_NAME, DNS_NAME.toUpperCase()]) {
    assert.equal(await world.paths(name), ['/1'], name)
  }
  const query = { follow: false, signal: new AbortController().signal }
  assert.is(world.logs.source('nobody', query), undefined)
})

logs('source: a load balancer that had no request has no lines, and is there', async () => {
  const world = new LogWorld()
  assert.equal(await world.paths(world.put().name), [])
})

logs('source: gives the last lines, in their order', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row, 3)
  assert.equal(await world.paths(row.name), ['/1', '/2', '/3'])
  assert.equal(await world.paths(row.name, 2), ['/2', '/3'])
  assert.equal(await world.paths(row.name, 0), [])
  assert.equal(await world.paths(row.name, 9), ['/1', '/2', '/3'])
})

logs('source: keeps a bounded number of lines, the last ones', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row, RING_LINES + 5)
  const paths = await world.paths(row.name)
  assert.is(paths.length, RING_LINES)
  assert.is(paths[0], '/6')
  assert.is(paths.at(-1), `/${RING_LINES + 5}`)
})

logs('source: tells when each request ended', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row)
  const query = { follow: false, signal: new AbortController().signal }
  for await (const { atMs } of world.logs.source(row.name, query) ?? []) {
    assert.is(atMs, Date.UTC(2018, 6, 2, 22, 23, 0, 186))
  }
})

logs('source: follows with lines as they come, until its reader leaves', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row, 2)
  const gone = new AbortController()
  const lines = world.logs.source(row.name, { tail: 1, follow: true, signal: gone.signal })
  const iterator = lines?.[Symbol.asyncIterator]() as AsyncIterator<{ line: string }>
  const next = async () => pathOf((await iterator.next()).value.line)
  assert.is(await next(), '/2')
  const third = next()
  world.request(row)
  assert.is(await third, '/3')
  world.request(row)
  assert.is(await next(), '/4')
  const last = iterator.next()
  gone.abort()
  assert.is((await last).done, true)
})

logs('source: who follows comes to the end when the load balancer is deleted', async () => {
  const world = new LogWorld()
  const row = world.put()
  const query = { follow: true, signal: new AbortController().signal }
  const iterator = world.logs.source(row.name, query)?.[Symbol.asyncIterator]()
  const first = iterator?.next()
  await turn()
  world.delete(row)
  assert.is((await first)?.done, true)
  assert.is(world.logs.source(row.name, query), undefined)
})

logs('source: a request that ends after its load balancer was deleted leaves nothing', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.delete(row)
  world.request(row)
  world.put()
  assert.equal(await world.paths(row.name), [])
})

logs('source: lines of requests that an older table routed are there in their order', async () => {
  const world = new LogWorld()
  const row = world.put()
  const held = world.listener(row)
  world.request(row, 2, held)
  world.request(row, 1)
  assert.equal(await world.paths(row.name), ['/1', '/2', '/3'])
})

logs('requests of one connection have one TID, those of others another', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row, 2)
  const query = { follow: false, signal: new AbortController().signal }
  const tids: (string | undefined)[] = []
  for (let reads = 0; reads < 2; reads++) {
    for await (const { line } of world.logs.source(row.name, query) ?? []) {
      tids.push(/ (TID_[0-9a-f]{32}) /.exec(line)?.[1])
    }
  }
  assert.ok(tids.every((tid) => tid !== undefined))
  assert.is(tids[0], tids[2])
  assert.is(tids[1], tids[3])
  assert.is.not(tids[0], tids[1])
})

logs('close: ends those who follow', async () => {
  const world = new LogWorld()
  const row = world.put()
  const query = { follow: true, signal: new AbortController().signal }
  const first = world.logs.source(row.name, query)?.[Symbol.asyncIterator]().next()
  await turn()
  await world.logs.close()
  assert.is((await first)?.done, true)
})

logs.run()
