import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ProcessOptions } from '../../../cluster/local/process.ts'
import type { ContainerSpec } from '../../../cluster/runtime.ts'
import { HEALTH_CHECK, linesOf, taskOf, Watch } from '../../runtime-watch.ts'
import { eventually, freshDir, isAlive, removeDirs, sh, sleeps, worldOf } from './process-world.ts'

const test = suite('process runtime: what runs on the host')
test.after(removeDirs)

/** A test with a runtime of its own. */
function check(
  title: string,
  work: (watch: Watch, dir: string) => Promise<void>,
  more: Partial<ProcessOptions> = {},
): void {
  test(title, async () => {
    const dir = freshDir()
    const world = worldOf(dir, more)
    try {
      const watch = new Watch(world)
      await watch.start()
      await work(watch, dir)
    } finally {
      await world.dispose()
    }
  })
}

async function run(watch: Watch, id: string, ...containers: Partial<ContainerSpec>[]) {
  await watch.world.runtime.run(taskOf(id, ...containers))
  return () => watch.reach(id, 'stopped')
}

async function firstLine(watch: Watch, id: string): Promise<string> {
  for await (const { line, stream } of watch.world.runtime.logs(id, { follow: true })) {
    if (stream === 'stdout') return line
  }
  throw new Error('no line was written')
}

const tcp = (containerPort: number, hostPort?: number) => ({
  containerPort,
  protocol: 'tcp' as const,
  ...(hostPort === undefined ? {} : { hostPort }),
})

check('environment: what is given and little else', async (watch) => {
  process.env.KECS_TEST_SECRET = 'leaked'
  const folder = realpathSync(freshDir())
  const stopped = await run(watch, 't1', {
    ...sh('pwd; env'),
    workingDirectory: folder,
    environment: { HELLO: 'a b' },
    ports: [tcp(80), tcp(81)],
  })
  await stopped()
  const [cwd, ...lines] = (await linesOf(watch.world.runtime, 't1')).map(({ line }) => line)
  const ports = watch.container('t1', 'c0').ports
  assert.is(cwd, folder)
  assert.equal(
    ports.map(({ containerPort, bindIp }) => [containerPort, bindIp]),
    [
      [80, '127.0.0.1'],
      [81, '127.0.0.1'],
    ],
  )
  for (const line of [
    'HELLO=a b',
    `PORT=${ports[0]?.hostPort}`,
    `KECS_PORT_80=${ports[0]?.hostPort}`,
    `KECS_PORT_81=${ports[1]?.hostPort}`,
    'KECS_TASK_ID=t1',
    'KECS_CONTAINER_NAME=c0',
    'KECS_BIND_HOST=127.0.0.1',
    `PATH=${process.env.PATH}`,
  ]) {
    assert.ok(lines.includes(line), line)
  }
  assert.not(lines.some((line) => line.includes('leaked')))
})

check('environment: a PORT of the definition stays', async (watch) => {
  const stopped = await run(watch, 't1', {
    ...sh('echo $PORT'),
    environment: { PORT: '7' },
    ports: [tcp(80)],
  })
  await stopped()
  assert.is((await linesOf(watch.world.runtime, 't1'))[0]?.line, '7')
})

check('ports: no two tasks get the same, and a port given back is free', async (watch) => {
  const ids = Array.from({ length: 30 }, (_, index) => `t${index}`)
  await Promise.all(ids.map((id) => run(watch, id, { ...sleeps, ports: [tcp(80)] })))
  const ports = new Set<number | undefined>()
  for (const id of ids) {
    await watch.reach(id, 'running')
    ports.add(watch.container(id, 'c0').ports[0]?.hostPort)
  }
  assert.is(ports.size, ids.length)
  const hostPort = watch.container('t0', 'c0').ports[0]?.hostPort ?? 0
  const refused = await run(watch, 'same', { ...sleeps, ports: [tcp(80, hostPort)] })
  assert.match((await refused()).cause?.reason ?? '', /^RESOURCE:PORTS: /)
  await watch.world.runtime.stop('t0')
  await watch.reach('t0', 'stopped')
  await run(watch, 'after', { ...sleeps, ports: [tcp(80, hostPort)] })
  await watch.reach('after', 'running')
})

check('ports: one that a stranger holds fails the task', async (watch) => {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = address && typeof address === 'object' ? address.port : 0
  const stopped = await run(watch, 't1', { ...sleeps, ports: [tcp(80, port)] })
  const { cause } = await stopped()
  await new Promise((resolve) => {
    server.close(resolve)
  })
  assert.is(cause?.code, 'TaskFailedToStart')
  assert.is(
    cause?.reason,
    `RESOURCE:PORTS: port ${port}/tcp of 127.0.0.1 is taken or may not be used`,
  )
})

check('exit codes: 128 and the signal, whoever sent it', async (watch) => {
  const never = { essential: false }
  await run(
    watch,
    't1',
    sleeps,
    { ...sh('kill -9 $$'), ...never },
    { ...sh('kill -TERM $$'), ...never },
  )
  await watch.when('t1', ({ containers }) =>
    containers.slice(1).every(({ phase }) => phase === 'stopped'),
  )
  assert.is(watch.container('t1', 'c1').exitCode, 137)
  assert.is(
    watch.container('t1', 'c1').reason,
    undefined,
    'nobody knows that memory was the reason',
  )
  assert.is(watch.container('t1', 'c2').exitCode, 143)
  await watch.world.runtime.stop('t1')
  await watch.reach('t1', 'stopped')
  assert.is(watch.container('t1', 'c0').exitCode, 143)
})

check('start: what cannot run says why and claims no image', async (watch) => {
  const file = join(freshDir(), 'plain.txt')
  writeFileSync(file, 'no program')
  const cases: [string, Partial<ContainerSpec>, RegExp][] = [
    ['none', {}, /has neither a command nor an entryPoint/],
    ['enoent', { command: ['/nonexistent'] }, /"\/nonexistent": executable file not found/],
    ['eacces', { entryPoint: [file] }, /permission denied/],
    ['cwd', { ...sleeps, workingDirectory: '/nonexistent' }, /working directory "\/nonexistent"/],
  ]
  for (const [id, container, text] of cases) {
    const stopped = await run(watch, id, container)
    const { cause, containers } = await stopped()
    assert.equal(cause, { code: 'TaskFailedToStart', reason: 'Task failed to start' }, id)
    assert.match(containers[0]?.reason ?? '', text, id)
    assert.is(containers[0]?.imageDigest, undefined)
    assert.is(containers[0]?.exitCode, undefined)
  }
})

check('groups: grandchildren end with the process, however it ends', async (watch) => {
  const forks = 'sleep 1000 & echo $!;'
  await run(watch, 'stops', sh(`${forks} wait`))
  const first = Number(await firstLine(watch, 'stops'))
  assert.ok(isAlive(first))
  await watch.world.runtime.stop('stops')
  await watch.reach('stops', 'stopped')
  await eventually(() => !isAlive(first))
  const stopped = await run(watch, 'ends', sh(`${forks} exit 5`))
  await stopped()
  assert.is(watch.container('ends', 'c0').exitCode, 5)
  const second = Number(await firstLine(watch, 'ends'))
  await eventually(() => !isAlive(second))
})

check('groups: one who left the group and holds the pipes delays no ending', async (watch) => {
  // Other systems have no such command.
  if (process.platform !== 'linux') return
  const left = join(freshDir(), 'left')
  const line = `setsid sh -c ': > ${left}; exec sleep 1000' & echo $!; until [ -e ${left} ]; do sleep 0.02; done`
  const stopped = await run(watch, 't1', sh(line))
  await stopped()
  process.kill(Number(await firstLine(watch, 't1')), 'SIGKILL')
})

check('logs: a follower sees every line once, whenever it began', async (watch) => {
  const { runtime } = watch.world
  const stopped = await run(
    watch,
    't1',
    sh('i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done'),
  )
  const early = linesOf(runtime, 't1', { follow: true })
  await firstLine(watch, 't1')
  const late = linesOf(runtime, 't1', { follow: true })
  await stopped()
  const expected = Array.from({ length: 500 }, (_, index) => String(index + 1))
  for (const lines of [await early, await late, await linesOf(runtime, 't1')]) {
    assert.equal(
      lines.map(({ line }) => line),
      expected,
    )
  }
})

check(
  'logs: a flood is bounded, the last lines are kept, long lines are cut',
  async (watch, dir) => {
    const flood =
      'yes 0123456789 | head -c 3000008; head -c 20000 /dev/zero | tr "\\0" x; echo; echo last'
    const stopped = await run(watch, 't1', sh(flood))
    await stopped()
    const lines = await linesOf(watch.world.runtime, 't1')
    assert.equal(
      lines.slice(-3).map(({ line }) => line.length),
      [16_384, 20_000 - 16_384, 4],
    )
    assert.is(lines.at(-1)?.line, 'last')
    const folder = join(dir, 'tasks', 't1')
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
    const sum = sizes.reduce((total, size) => total + size, 0)
    assert.is(sizes.length, 2)
    assert.ok(sum <= 1_500_000, `${sum} bytes are kept`)
    assert.is(watch.world.runtime.health().status, 'up')
  },
  { maxLogBytes: 1_000_000 },
)

check('logs: a folder that takes no file degrades health and stops nobody', async (watch, dir) => {
  mkdirSync(join(dir, 'tasks'))
  writeFileSync(join(dir, 'tasks', 't1'), 'in the way')
  const stopped = await run(watch, 't1', sh('echo hello; exit 3'))
  await stopped()
  assert.is(watch.container('t1', 'c0').exitCode, 3)
  await eventually(() => watch.world.runtime.health().status === 'degraded')
})

check('health: a check that hangs is killed and counts as failed', async (watch) => {
  const file = join(freshDir(), 'pid')
  const command = ['CMD-SHELL', `echo $$ > ${file}; sleep 1000 & wait`]
  const healthCheck = { ...HEALTH_CHECK, command, timeoutMs: 300, retries: 1 }
  await run(watch, 't1', { ...sleeps, healthCheck })
  await watch.when('t1', () => watch.container('t1', 'c0').health === 'unhealthy')
  const pid = Number(readFileSync(file, 'utf8'))
  await watch.world.runtime.stop('t1')
  await watch.reach('t1', 'stopped')
  await eventually(() => !isAlive(pid))
})

check('health: failures within the start period do not count', async (watch) => {
  const file = join(freshDir(), 'ready')
  const healthCheck = {
    ...HEALTH_CHECK,
    command: ['CMD', 'test', '-e', file],
    retries: 1,
    startPeriodMs: 3_600_000,
  }
  await run(watch, 't1', { ...sh(`sleep 0.3; : > ${file}; exec sleep 1000`), healthCheck })
  await watch.when('t1', () => watch.container('t1', 'c0').health === 'healthy')
  assert.not(watch.seen.some(({ containers }) => containers[0]?.health === 'unhealthy'))
})

check('volumes: an empty one goes with its task, a folder of the host stays', async (watch) => {
  const hostPath = join(freshDir(), 'kept')
  const mount = (volume: string) => ({ volume, containerPath: `/${volume}`, readOnly: false })
  const line =
    'echo $KECS_VOLUME_MY_TEMP; echo x > $KECS_VOLUME_MY_TEMP/x; echo y > $KECS_VOLUME_HOST/y'
  const spec = taskOf('t1', { ...sh(line), mounts: [mount('my-temp'), mount('host')] })
  const volumes = [{ name: 'my-temp' }, { name: 'host', hostPath }]
  await watch.world.runtime.run({ ...spec, volumes })
  const { warnings = [] } = await watch.reach('t1', 'stopped')
  const temporary = await firstLine(watch, 't1')
  await eventually(() => !existsSync(temporary))
  assert.is(readFileSync(join(hostPath, 'y'), 'utf8'), 'y\n')
  assert.ok(warnings.some((text) => text.includes('KECS_VOLUME_MY_TEMP')))
})

test.run()
