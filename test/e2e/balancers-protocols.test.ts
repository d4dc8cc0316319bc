/** What is no plain request and answer, through load balancers to tasks of services. */
import { Buffer } from 'node:buffer'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { Client, credentials } from '@grpc/grpc-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { taskThatAnswers } from './balancers-client.ts'
import { BalancedWorld, type Balancer, until } from './balancers-world.ts'
import { ECHO } from './grpc-echo.ts'

const CERTIFICATE =
  'arn:aws:acm:us-east-1:000000000000:certificate/0f6b1d5c-5a0e-4b0e-9d2c-1f6d1f6d1f6d'
const PATIENCE_MS = 15_000

const protocols = suite<{ world: BalancedWorld; balancer: Balancer }>('load balancers')
protocols.before(async (context) => {
  const world = new BalancedWorld()
  Object.assign(context, { world })
  await world.start()
  Object.assign(context, { balancer: await world.balancer('protocols') })
})
protocols.after(({ world }) => world.close())

protocols(
  'a WebSocket echoes text and bytes, on the listener’s port and on the API port',
  async ({ world, balancer }) => {
    await world.registerApp('app')
    const group = await world.group('sockets', balancer)
    const { port } = await world.listener(balancer, group)
    await world.createService('sockets', { groupArn: group, count: 1 })
    await world.untilStates(group, '1 healthy')
    for (const each of [port, world.apiPort]) {
      const socket = new WebSocket(`ws://127.0.0.1:${each}/echo`, {
        headers: { host: balancer.dns },
        handshakeTimeout: PATIENCE_MS,
      })
      const heard: string[] = []
      socket.on('message', (data, isBinary) => heard.push(`${isBinary ? 'bytes' : 'text'} ${data}`))
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
      socket.send('one')
      socket.send(Buffer.from('two'))
      socket.send('a'.repeat(100_000))
      await until(
        'it echoes',
        () => heard,
        ({ length }) => length === 3,
        PATIENCE_MS,
      )
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.close(1000)
      assert.is(await closed, 1000)
      assert.equal(heard, ['text one', 'bytes two', `text ${'a'.repeat(100_000)}`])
    }
  },
)

protocols(
  'gRPC over HTTPS: unary, refused and streaming calls, with the certificate checked',
  async ({ world, balancer }) => {
    await world.registerApp('grpc', { app: 'grpc-app' })
    const group = await world.group('grpc', balancer, {
      ProtocolVersion: 'GRPC',
      HealthCheckPath: undefined,
    })
    const { port } = await world.listener(balancer, group, {
      Protocol: 'HTTPS',
      Certificates: [{ CertificateArn: CERTIFICATE }],
    })
    await world.createService('grpc', { groupArn: group, taskDefinition: 'grpc:1', count: 2 })
    await world.untilStates(group, '2 healthy')
    const file = join(world.dir, 'elbv2/elbv2-ca.pem')
    // It is there before the first handshake: whoever is to trust it can be given it.
    await until(
      'there is an authority',
      () => existsSync(file),
      (is) => is,
    )
    const ca = readFileSync(file)
    const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(ca), {
      'grpc.ssl_target_name_override': balancer.dns,
      'grpc.default_authority': balancer.dns,
      'grpc.enable_http_proxy': 0,
    })
    const deadline = Date.now() + PATIENCE_MS
    const call = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = ECHO.unary
        const settle = (error: unknown, value?: Buffer) =>
          error ? reject(error) : resolve(`${value}`)
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          Buffer.from(text),
          { deadline },
          settle,
        )
      })
    assert.is(await call('one'), 'echo one')
    const refusal = await call('refuse').then(String, ({ code, details }) => `${code} ${details}`)
    assert.is(refusal, '9 refused by the target')

    const { path, requestSerialize, responseDeserialize } = ECHO.both
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, {
      deadline,
    })
    const heard: string[] = []
    stream.on('data', (chunk: Buffer) => heard.push(`${chunk}`))
    const ended = new Promise((resolve, reject) => stream.on('status', resolve).on('error', reject))
    for (const text of ['a', 'b', 'c']) {
      stream.write(Buffer.from(text))
      // An answer to each before the next is sent: nothing is held back.
      await until(
        'it echoes',
        () => heard,
        () => heard.at(-1) === `echo ${text}`,
        PATIENCE_MS,
      )
    }
    stream.end()
    assert.is(((await ended) as { code: number }).code, 0)
    client.close()
  },
)

protocols(
  'a network load balancer reaches tasks, and an application load balancer with its rules',
  async ({ world, balancer }) => {
    const network = await world.balancer('network', 'network')
    const tcp = await world.group('tcp', network, { Protocol: 'TCP', HealthCheckProtocol: 'HTTP' })
    const direct = await world.listener(network, tcp, { Protocol: 'TCP' })
    await world.createService('tcp', { groupArn: tcp, count: 2 })
    await world.untilStates(tcp, '2 healthy')
    const tasks = new Set<string>()
    const asked = { port: direct.port, host: 'anybody' }
    await until(
      'both answer',
      async () => tasks.add(await taskThatAnswers(asked)),
      ({ size }) => size === 2,
    )
    assert.equal([...tasks].sort(), (await world.tasks('tcp')).sort())

    const http = await world.group('http', balancer)
    const inner = await world.listener(balancer, http)
    await world.createService('http', { groupArn: http, count: 1 })
    await world.untilStates(http, '1 healthy')
    const chained = await world.group('chained', network, {
      Protocol: 'TCP',
      Port: inner.port,
      TargetType: 'alb',
      HealthCheckProtocol: 'HTTP',
    })
    const Targets = [{ Id: balancer.arn, Port: inner.port }]
    await world.elb.send(new elb.RegisterTargetsCommand({ TargetGroupArn: chained, Targets }))
    const outer = await world.listener(network, chained, { Protocol: 'TCP' })
    await world.untilStates(chained, '1 healthy')
    const task = await taskThatAnswers({ port: outer.port, host: network.dns })
    assert.equal([task], await world.tasks('http'))
  },
)

protocols.run()
