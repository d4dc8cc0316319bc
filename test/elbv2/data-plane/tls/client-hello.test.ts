import { Buffer } from 'node:buffer'
import { type AddressInfo, createServer } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type FirstBytes, parseClientHello } from '../../../../elbv2/data-plane/tls/client-hello.ts'

const test = suite('client-hello')

/** What a real client says first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  const hello = new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => {
      socket.on('error', () => {})
      let bytes = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk])
        if (parseClientHello(bytes) === 'more') return
        socket.destroy()
        resolve(bytes)
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    ...options,
  })
  client.on('error', () => {})
  const bytes = await hello
  client.destroy()
  server.close()
  return bytes
}

function parsed(bytes: Buffer) {
  const first = parseClientHello(bytes)
  if (first === 'more' || first.kind !== 'hello') throw new Error(JSON.stringify(first))
  return first.hello
}

test('parseClientHello: tells the name, in lower case, and that ECDSA is taken', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const hello = parsed(await helloOf({ servername: 'WWW.Example.com', maxVersion }))
    assert.equal(hello, { serverName: 'www.example.com', takesEcdsa: true })
  }
})

test('parseClientHello: a client by address names nothing', async () => {
  assert.is(parsed(await helloOf({})).serverName, undefined)
})

test('parseClientHello: waits for the last byte, and for no more', async () => {
  const bytes = await helloOf({ servername: 'www.example.com' })
  for (let length = 0; length < bytes.length; length++) {
    assert.is(parseClientHello(bytes.subarray(0, length)), 'more')
  }
  assert.is(parsed(bytes).serverName, 'www.example.com')
})

test('parseClientHello: takes a message that is cut into several records', async () => {
  const bytes = await helloOf({ servername: 'www.example.com' })
  const message = bytes.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += 7) {
    const part = message.subarray(at, at + 7)
    records.push(Buffer.from([22, 3, 1, 0, part.length]), part)
  }
  assert.is(parsed(Buffer.concat(records)).serverName, 'www.example.com')
})

test('parseClientHello: what does not begin as TLS is something else', () => {
  const first = parseClientHello(Buffer.from('GET / HTTP/1.1\r\n')) as FirstBytes
  assert.is(first.kind, 'other')
})

test('parseClientHello: no bytes make it throw', async () => {
  const bytes = await helloOf({ servername: 'www.example.com' })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 20 }),
      fc.uint8Array({ maxLength: 60 }),
      (changes, tail) => {
        const broken = Buffer.concat([bytes, tail])
        for (const [at, byte] of changes) broken[at] = byte
        parseClientHello(broken)
        parseClientHello(Buffer.from(tail))
      },
    ),
  )
})

test.run()
