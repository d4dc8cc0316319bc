import { Buffer } from 'node:buffer'
import * as assert from 'uvu/assert'
import { answerOf, type OnData, proxySuite } from './support-proxy.ts'

const { proxy, start } = proxySuite('createProxy')

const HEAD_END = '\r\n\r\n'
const answersOk: OnData = (socket, all) => {
  if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
}

proxy('path, query and Host reach the target byte for byte', async () => {
  const [front, target] = await start(answersOk)
  const client = front.connect()
  let answers = 0
  const paths = ['//a%2Fb/./../%c3%a9//c?b=1&a=2&&a=+&x=%20?y', '/a[b]|"c"?^', '//[']
  for (const path of paths) {
    client.say(
      Buffer.from(`GET ${path} HTTP/1.1\r\nHost: Bucket.S3.LocalHost:4566\r\n\r\n`, 'latin1'),
    )
    await target.hears(`GET ${path} HTTP/1.1\r\nHost: Bucket.S3.LocalHost:4566\r\n`)
    // The next one is not to be early: that is another test.
    await client.hears(new RegExp(`(\\r\\n\\r\\nok[\\s\\S]*){${++answers}}$`))
  }
})

proxy('repeated headers, their case and their bytes survive both ways', async () => {
  const [front, target] = await start((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    const lines =
      'HTTP/1.1 299 Quite Fine\r\nX-Two: 1\r\nx-two: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xe9'
    socket.write(Buffer.from(`${lines}\r\ncontent-length: 0\r\n\r\n`, 'latin1'))
  })
  const client = front.connect()
  const lines =
    'GET / HTTP/1.1\r\nHost: h\r\nX-Amz-Meta: 1\r\nx-amz-meta: \xe9\r\nAccept: a\r\nAccept: b'
  client.say(Buffer.from(`${lines}\r\n\r\n`, 'latin1'))
  const answer = await client.hears(HEAD_END)
  assert.match(target.heard(), 'X-Amz-Meta: 1\r\nx-amz-meta: \xe9\r\nAccept: a\r\nAccept: b\r\n')
  assert.match(
    answer,
    'HTTP/1.1 299 Quite Fine\r\nX-Two: 1\r\nx-two: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xe9\r\n',
  )
})

proxy(
  'hop-by-hop headers, and those that Connection names, stay on their hop both ways',
  async () => {
    const [front, target] = await start((socket, all) => {
      if (!all.endsWith(HEAD_END)) return
      socket.write(
        answerOf(
          'ok',
          'Connection: keep-alive, X-Mine',
          'Keep-Alive: timeout=1',
          'X-Mine: 1',
          'Upgrade: h2c',
        ),
      )
    })
    const client = front.connect()
    client.say(
      'GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Yours, Host, keep-alive\r\nX-Yours: 1\r\n' +
        'Keep-Alive: timeout=9\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nTE: gzip\r\nX-Kept: 1\r\n\r\n',
    )
    const answer = await client.hears('ok')
    assert.is(
      target.heard(),
      'GET / HTTP/1.1\r\nHost: h\r\nX-Kept: 1\r\nConnection: keep-alive\r\n\r\n',
    )
    assert.not.match(answer, /x-mine|upgrade|timeout=1\r/i)
  },
)

proxy('Connection: close of clients does not cost a connection to the target each', async () => {
  const [front, target] = await start(answersOk)
  for (let round = 0; round < 3; round++) {
    const client = front.connect()
    client.say('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    assert.match(await client.toTheEnd(), /connection: close/i)
  }
  assert.is(target.sockets.length, 1)
  assert.not.match(target.heard(), /close/i)
})

proxy('a chunked DELETE arrives as one request, body and all', async () => {
  const [front, target] = await start((socket, all) => {
    if (all.endsWith('0\r\n\r\n')) socket.write(answerOf('ok'))
  })
  const client = front.connect()
  const evil = 'GET /admin HTTP/1.1\r\nHost: h\r\n\r\n'
  client.say(
    `DELETE /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${evil.length.toString(16)}\r\n${evil}\r\n0\r\n\r\n`,
  )
  await client.hears('ok')
  const [head = '', ...body] = target.heard().split(HEAD_END)
  assert.match(head, /transfer-encoding: chunked/i)
  assert.not.match(head, /content-length/i)
  assert.is(body.join(HEAD_END), `${evil.length.toString(16)}\r\n${evil}\r\n0\r\n\r\n`)
})

proxy('a DELETE and an OPTIONS without a body get none', async () => {
  const [front, target] = await start(answersOk)
  for (const method of ['DELETE', 'OPTIONS']) {
    const client = front.connect()
    client.say(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`)
    await client.hears(/ok$/)
    await target.hears(`${method} / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n`)
  }
})

proxy('a POST without a body has no chunks', async () => {
  const [front, target] = await start(answersOk)
  front.connect().say('POST /b/k?uploads HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await target.hears(HEAD_END), 'Content-Length: 0\r\n')
})

proxy('HEAD: status and length are the target’s, and no body follows', async () => {
  const [front] = await start((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    const found = all.lastIndexOf('/there') > all.lastIndexOf('/gone')
    const line = found ? '200 OK\r\nContent-Length: 12345' : '404 Not Found\r\nContent-Length: 77'
    socket.write(`HTTP/1.1 ${line}\r\nETag: "x"\r\n\r\n`)
  })
  const client = front.connect()
  client.say('HEAD /gone HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await client.hears(HEAD_END), /^HTTP\/1.1 404 Not Found\r\nContent-Length: 77\r\n/)
  client.say('HEAD /there HTTP/1.1\r\nHost: h\r\n\r\n')
  const both = await client.hears(/12345[\s\S]*\r\n\r\n/)
  const second = both.split(HEAD_END)[1] ?? ''
  assert.match(second, /^HTTP\/1.1 200 OK\r\nContent-Length: 12345\r\nETag: "x"\r\n/)
})

proxy('304 and 204 pass without a body, and the connection goes on', async () => {
  const answers = ['304 Not Modified\r\nETag: "x"', '204 No Content']
  const [front] = await start((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(`HTTP/1.1 ${answers.shift()}\r\n\r\n`)
  })
  const client = front.connect()
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await client.hears(/^HTTP\/1.1 304 Not Modified\r\n[\s\S]*\r\n\r\n$/)
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  const both = await client.hears(/204 No Content\r\n[\s\S]*\r\n\r\n$/)
  assert.not.match(both, /transfer-encoding/i)
})

proxy('trailers cross both ways, but for what must not be one', async () => {
  const [front, target] = await start((socket, all) => {
    if (!/\r\n0\r\n[\s\S]*\r\n\r\n$/.test(all)) return
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Down\r\n\r\n')
    socket.write('2\r\nok\r\n0\r\nX-Down: 2\r\nSet-Cookie: a=b\r\n\r\n')
  })
  const client = front.connect()
  client.say(
    'PUT / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTrailer: X-Up\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '2\r\nhi\r\n0\r\nX-Up: 1\r\nHost: evil\r\n\r\n',
  )
  const answer = await client.hears(/0\r\n[\s\S]*\r\n\r\n$/)
  assert.match(target.heard(), /Trailer: X-Up\r\n/)
  assert.match(target.heard(), /TE: trailers\r\n/)
  assert.match(target.heard(), /2\r\nhi\r\n0\r\nX-Up: 1\r\n\r\n$/)
  assert.match(answer, /Trailer: X-Down\r\n/)
  assert.match(answer, /2\r\nok\r\n0\r\nX-Down: 2\r\n\r\n$/)
})

proxy('Expect: 100-continue waits for the target’s word, and the body follows it', async () => {
  const [front, target] = await start((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    if (all.endsWith('body')) socket.write(answerOf('ok'))
  })
  const client = front.connect()
  client.say('PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  await client.hears('HTTP/1.1 100 Continue\r\n\r\n')
  assert.match(target.heard(), 'Expect: 100-continue\r\n')
  client.say('body')
  await client.hears('\r\n\r\nok')
  assert.is(client.heard.split('100 Continue').length, 2)
})

proxy(
  'Expect: a target that refuses is heard without the body, and the connection ends',
  async () => {
    const [front] = await start((socket, all) => {
      if (all.endsWith(HEAD_END))
        socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno')
    })
    const client = front.connect()
    client.say('PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
    const all = await client.toTheEnd()
    assert.match(all, /^HTTP\/1.1 403 Forbidden\r\n[\s\S]*connection: close[\s\S]*\r\n\r\nno$/i)
  },
)

proxy('aws-chunked framing and its signatures arrive untouched', async () => {
  const body =
    '3;chunk-signature=ad80\r\nabc\r\n0;chunk-signature=b6c6\r\nx-amz-trailer-signature:63bd\r\n\r\n'
  const [front, target] = await start((socket, all) => {
    if (all.endsWith(body)) socket.write(answerOf('ok'))
  })
  const client = front.connect()
  const head =
    'PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Encoding: aws-chunked\r\nX-Amz-Decoded-Content-Length: 3\r\n' +
    `X-Amz-Trailer: x-amz-checksum-crc32\r\nContent-Length: ${body.length}\r\n`
  client.say(`${head}\r\n${body}`)
  await client.hears('\r\n\r\nok')
  assert.is(target.heard(), `${head}Connection: keep-alive\r\n\r\n${body}`)
})

proxy('a body that was read before is replayed with its length', async () => {
  const body = Buffer.from('Action=X&Version=1\r\n\0\xff', 'latin1')
  const seen = body.toString('latin1')
  const options = { body }
  const [front, target] = await start((socket, all) => {
    if (all.endsWith(seen)) socket.write(answerOf('ok'))
  }, options)
  const client = front.connect()
  client.say(
    'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  )
  await client.hears('ok')
  assert.is(
    target.heard(),
    `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${seen}`,
  )
})

proxy('an answer’s head arrives before its body does', async () => {
  const [front, target] = await start((socket, all) => {
    if (all.endsWith(HEAD_END))
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
  })
  const client = front.connect()
  client.say('GET /events HTTP/1.1\r\nHost: h\r\n\r\n')
  await client.hears(HEAD_END)
  target.sockets[0]?.write('5\r\nevent\r\n')
  await client.hears('5\r\nevent\r\n')
  target.sockets[0]?.write('0\r\n\r\n')
  await client.hears(/0\r\n\r\n$/)
})

proxy('an answer without a length ends with the target’s connection', async () => {
  const [front] = await start((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')
  })
  const client = front.connect()
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await client.hears(/0\r\n\r\n$/), 'until the end')
})

proxy('HTTP/1.0: Host is added, chunks are not sent to who cannot read them', async () => {
  const [front, target] = await start((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n')
    socket.write('2\r\nok\r\n0\r\nX-T: 1\r\n\r\n')
  })
  const client = front.connect()
  client.say('GET / HTTP/1.0\r\n\r\n')
  assert.match(await client.toTheEnd(), /\r\n\r\nok$/)
  assert.match(target.heard(), `GET / HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\n`)
})

proxy('early requests on one connection are answered in their order', async () => {
  const [front] = await start((socket, _all, chunk) => {
    for (const [, path] of String(chunk).matchAll(/GET (\S+)/g)) {
      setTimeout(() => socket.write(answerOf(`<${path}>`)), path === '/1' ? 20 : 0)
    }
  })
  const client = front.connect()
  client.say('GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await client.hears('</2>'), /<\/1>[\s\S]*<\/2>/)
})

proxy.run()
