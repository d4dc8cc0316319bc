import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TaskState } from '../../../cluster/runtime.ts'
import { linesOf, taskOf, Watch } from '../../runtime-watch.ts'
import {
  eventually,
  freshDir,
  isAlive,
  removeDirs,
  sh,
  spawnOwner,
  worldOf,
} from './process-world.ts'

const test = suite('process runtime: ends and new beginnings')
test.after(removeDirs)

test('start: what outlived a kill of its owner is stopped, its grandchildren too', async () => {
  const dir = freshDir()
  const line = 'trap "" HUP; sleep 1000 & echo $! $$; wait'
  const spec = taskOf('t1', sh(line))
  const owner = spawnOwner(dir, spec)
  const states = createInterface({ input: owner.stdout })
  let state: TaskState | undefined
  for await (const text of states) {
    state = JSON.parse(text)
    if (state?.phase === 'running') break
  }
  const leader = Number(state?.containers[0]?.runtimeId)
  const log = join(dir, 'tasks', 't1', 'log.jsonl')
  await eventually(() => existsSync(log) && readFileSync(log, 'utf8').endsWith('\n'))
  const grandchild = Number(JSON.parse(readFileSync(log, 'utf8'))[4].split(' ')[0])
  owner.kill('SIGKILL')
  await new Promise((resolve) => {
    owner.once('exit', resolve)
  })
  assert.ok(isAlive(leader) && isAlive(grandchild), 'they outlive their owner')
  // Only Linux tells whose a process without its leader is.
  if (process.platform === 'linux') process.kill(leader, 'SIGKILL')
  await eventually(() => process.platform !== 'linux' || !isAlive(leader))
  const world = worldOf(dir)
  try {
    const watch = new Watch(world)
    const believed = state ? [{ spec, state }] : []
    assert.equal(await watch.start(believed), [], 'the task is lost')
    assert.not(isAlive(leader))
    assert.not(isAlive(grandchild))
    assert.equal(readdirSync(join(dir, 'processes')), [])
    assert.is((await linesOf(watch.world.runtime, 't1')).length, 1, 'its log is still there')
    await world.runtime.remove('t1')
    assert.not(existsSync(join(dir, 'tasks', 't1')))
  } finally {
    await world.dispose()
  }
})

test('start: a whole group that outlived its owner is stopped, politely first', async () => {
  const dir = freshDir()
  const spec = taskOf('t1', { command: ['env', '-i', '/bin/sh', '-c', 'sleep 1000 & wait'] })
  const owner = spawnOwner(dir, spec)
  let leader = 0
  for await (const text of createInterface({ input: owner.stdout })) {
    const state: TaskState = JSON.parse(text)
    leader = Number(state.containers[0]?.runtimeId)
    if (state.phase === 'running') break
  }
  owner.kill('SIGKILL')
  await new Promise((resolve) => {
    owner.once('exit', resolve)
  })
  assert.ok(isAlive(leader))
  const world = worldOf(dir)
  await world.runtime.start([], () => {})
  assert.not(isAlive(leader))
  await world.dispose()
})

test('start: a stranger with the process id of a record is left alone', async () => {
  const dir = freshDir()
  // Another runtime's task of the same id.
  const env = { ...process.env, KECS_TASK_ID: 'gone', KECS_RECORDS_DIR: '/nonexistent' }
  const stranger = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', env })
  const pid = stranger.pid ?? 0
  mkdirSync(join(dir, 'processes'))
  const record = { pid, taskId: 'gone', identity: 'another boot/1' }
  writeFileSync(join(dir, 'processes', `${pid}.json`), JSON.stringify(record))
  writeFileSync(join(dir, 'processes', '1.json'), '{"pid":1,"ta')
  const world = worldOf(dir)
  await world.runtime.start([], () => {})
  const alive = isAlive(pid)
  stranger.kill('SIGKILL')
  await world.dispose()
  assert.ok(alive)
  assert.equal(readdirSync(join(dir, 'processes')), [])
})

test('close: every process is stopped, by force where it must be', async () => {
  const dir = freshDir()
  const world = worldOf(dir)
  const watch = new Watch(world)
  await watch.start()
  await world.runtime.run(
    taskOf('t1', {
      ...sh('trap "" TERM; echo; while :; do sleep 1000; done'),
      stopTimeoutMs: 100,
    }),
  )
  await firstLine(watch, 't1')
  const pid = Number(watch.container('t1', 'c0').runtimeId)
  await world.runtime.close()
  assert.not(isAlive(pid))
})

test('close: a process has its time to say goodbye', async () => {
  const dir = freshDir()
  const world = worldOf(dir)
  const watch = new Watch(world)
  await watch.start()
  const file = join(dir, 'goodbye')
  const line = `trap ': > ${file}; exit 0' TERM; echo ready; sleep 1000 & wait`
  await world.runtime.run(taskOf('t1', sh(line)))
  await firstLine(watch, 't1')
  await world.runtime.close()
  assert.ok(existsSync(file))
})

/** Waits until the task has written something. */
async function firstLine(watch: Watch, id: string): Promise<void> {
  for await (const _ of watch.world.runtime.logs(id, { follow: true })) return
}

test.run()
