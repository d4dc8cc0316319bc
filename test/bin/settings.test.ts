import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CommandSpec, closest, readValues } from '../../bin/command.ts'
import { renderTable, UserError } from '../../bin/output.ts'
import { isLoopback, readSettings, SERVE_FLAGS } from '../../bin/settings.ts'

const SPEC: CommandSpec = {
  name: 'serve',
  summary: '',
  flags: SERVE_FLAGS,
  examples: [],
  notes: [],
  run: async () => {},
}

function settingsOf(args: readonly string[], env: Record<string, string> = {}) {
  return readSettings(readValues(SPEC, args, env), env)
}

const settings = suite('settings')

settings('readSettings: the defaults are loopback, 4566, 8081 and simulated', () => {
  const { apiPort, adminPort, host, runtime, account, backend } = settingsOf([])
  assert.equal([apiPort, adminPort, host, runtime], [4566, 8081, '127.0.0.1', 'simulated'])
  assert.is(account, '000000000000')
  assert.is(backend, undefined)
})

settings('readSettings: each flag wins over its environment variable', () => {
  const env = { KECS_API_PORT: '1000', KECS_ADMIN_PORT: '1001', KECS_ACCOUNT_ID: '123456789012' }
  const read = settingsOf(['--api-port=2000'], env)
  assert.equal([read.apiPort, read.adminPort, read.account], [2000, 1001, '123456789012'])
})

settings('readSettings: which cluster runs tasks, as whom, and how they reach kecs', () => {
  const env = { KECS_RUNTIME: 'kubernetes', KECS_CONTEXT: 'a', KECS_INSTANCE: 'me' }
  const args = ['--context', 'b', '--kubeconfig', 'k', '--task-endpoint', 'http://10.0.0.1:4566/']
  const { runtime, context, kubeconfig, instance, taskEndpoint } = settingsOf(args, env)
  assert.equal(
    [runtime, context, kubeconfig, instance, taskEndpoint],
    ['kubernetes', 'b', resolve('k'), 'me', 'http://10.0.0.1:4566'],
  )
  assert.throws(() => settingsOf(['--task-endpoint', 'kecs:4566']), /--task-endpoint is/)
})

settings('readSettings: blanks in the environment are as nothing', () => {
  assert.is(settingsOf([], { KECS_API_PORT: ' ', KECS_BACKEND: '' }).apiPort, 4566)
})

settings('readSettings: lists are repeated flags, commas, or both', () => {
  const read = settingsOf(['--allow-host', 'a,b', '--allow-host', 'c'], { KECS_ALLOW_HOST: 'd' })
  assert.equal(read.allowedHosts, ['a', 'b', 'c'])
  assert.equal(settingsOf([], { KECS_ALLOW_ORIGIN: 'http://a, http://b' }).allowedOrigins, [
    'http://a',
    'http://b',
  ])
})

settings('readSettings: where the data lies', () => {
  assert.is(settingsOf([], { XDG_DATA_HOME: '/x' }).dataDir, resolve('/x', 'kecs'))
  assert.is(settingsOf([], { KECS_DATA_DIR: '/y', XDG_DATA_HOME: '/x' }).dataDir, resolve('/y'))
  assert.is(settingsOf(['--data-dir', 'z']).dataDir, resolve('z'))
  assert.ok(settingsOf([]).dataDir?.endsWith(join('.kecs', 'data')))
  assert.is(settingsOf(['--memory'], { KECS_DATA_DIR: '/y' }).dataDir, undefined)
  assert.is(settingsOf([], { KECS_MEMORY: 'true' }).dataDir, undefined)
  assert.is.not(settingsOf([], { KECS_MEMORY: '0' }).dataDir, undefined)
})

settings('readSettings: where callers and tasks come to are URLs like that of the backend', () => {
  const read = settingsOf(['--endpoint', 'http://localhost:5566/'], {
    KECS_TASK_ENDPOINT: 'http://gateway.kecs-system.svc.cluster.local:4566',
  })
  assert.is(read.endpoint, 'http://localhost:5566')
  assert.is(read.taskEndpoint, 'http://gateway.kecs-system.svc.cluster.local:4566')
  assert.equal([settingsOf([]).endpoint, settingsOf([]).taskEndpoint], [undefined, undefined])
  assert.throws(
    () => settingsOf([], { KECS_TASK_ENDPOINT: 'gateway:4566' }),
    (error: unknown) => error instanceof UserError && /KECS_TASK_ENDPOINT/.test(error.message),
  )
})

settings('readSettings: a backend is a URL of host and port, without secrets', () => {
  assert.is(settingsOf(['--backend', 'http://localhost:4567/']).backend, 'http://localhost:4567')
  for (const backend of [
    'ftp://x',
    'https://x',
    'http://x/path',
    'http://u:p@x',
    'http://x?y',
    'x:1',
  ]) {
    assert.throws(
      () => settingsOf(['--backend', backend]),
      (error: unknown) => error instanceof UserError && error.exitCode === 2,
    )
  }
})

settings('readSettings: what is behind -- is no flag', () => {
  assert.throws(() => settingsOf(['--', '--memory']), /one argument too many/)
})

settings('isLoopback: names and addresses that only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) assert.ok(isLoopback(host))
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'localhost.example', '127.0.0.1.example']) {
    assert.not.ok(isLoopback(host), host)
  }
})

settings('closest: few edits, or nothing', () => {
  assert.is(closest('servce', ['serve', 'status']), 'serve')
  assert.is(closest('frobnicate', ['serve', 'status']), undefined)
})

settings('renderTable: what is stored forges no row and drives no terminal', () => {
  const table = renderTable(
    ['name', 'n'],
    [
      ['a\nb\u001b[2J', null],
      ['c', 12],
    ],
  )
  assert.is(table, 'name     n\n-------  ----\na\uFFFDb\uFFFD[2J  NULL\nc        12\n')
})

settings.run()
