import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ended, Workshop } from './program.ts'

const cli = suite<{ shop: Workshop }>('kecs')

cli.before.each((context) => {
  context.shop = new Workshop()
})
cli.after.each(({ shop }) => shop.clean())

/** What, why and what next, and nothing else. */
function assertExplained({ code, stderr }: Ended, expectedCode: number, what: RegExp): void {
  assert.is(code, expectedCode, stderr)
  const lines = stderr.trimEnd().split('\n')
  assert.is(lines.length, 3, stderr)
  assert.match(lines[0] ?? '', /^error: \S/)
  assert.match(lines[1] ?? '', /^ {2}why: \S/)
  assert.match(lines[2] ?? '', /^ {2}try: \S/)
  assert.match(stderr, what)
}

/** What lies in a data directory besides its lock, whose files outlive it. */
function namesIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => !name.startsWith('lock'))
}

cli('--help: teaches, with every command, examples and exit codes', async ({ shop }) => {
  const { code, stdout, stderr } = await shop.run(['--help'])
  assert.is(code, 0)
  assert.is(stderr, '')
  for (const word of ['serve', 'status', 'sql', 'reset', 'version', 'Examples:', 'Exit codes:']) {
    assert.match(stdout, word)
  }
})

cli('serve --help: names each flag with its environment variable', async ({ shop }) => {
  const { code, stdout } = await shop.run(['serve', '--help'])
  assert.is(code, 0)
  const flags = 'api-port admin-port host data-dir memory backend runtime account-id log-level'
  for (const flag of `${flags} log-format allow-host allow-origin`.split(' ')) {
    assert.match(stdout, `--${flag}`)
    assert.match(stdout, `KECS_${flag.toUpperCase().replace('-', '_')}`)
  }
  assert.match(stdout, 'Exit codes:')
})

cli('version: says version and engine, --json for programs', async ({ shop }) => {
  const [text, json, flag] = await Promise.all([
    shop.run(['version']),
    shop.run(['version', '--json']),
    shop.run(['--version']),
  ])
  const { version, engine } = JSON.parse(json.stdout)
  assert.match(version, /^\d+\.\d+\.\d+/)
  assert.is(text.stdout, `kecs ${version} (${engine})\n`)
  assert.is(flag.stdout, `${version}\n`)
})

cli('no command at all: the help, and exit code 2', async ({ shop }) => {
  const ended = await shop.run([])
  assertExplained(ended, 2, /no command was given/)
  assert.match(ended.stdout, 'Usage: kecs COMMAND')
})

const REFUSED: readonly (readonly [args: string[], env: Record<string, string>, what: RegExp])[] = [
  [['servce'], {}, /Did you mean kecs serve\?/],
  [['--api-port', '1'], {}, /Put it behind one/],
  [['serve', '--api-prt', '1'], {}, /no flag --api-prt[\s\S]*Did you mean --api-port\?/],
  [['serve', '-p', '1'], {}, /no flag -p/],
  [['serve', 'now'], {}, /"now" is one argument too many/],
  [['serve', '--api-port', '70000'], {}, /--api-port is "70000"/],
  [['serve', '--api-port'], {}, /--api-port has no value/],
  [['serve', '--data-dir', '--memory'], {}, /--data-dir has no value/],
  [['serve', '--memory=yes'], {}, /--memory takes no value/],
  [['serve'], { KECS_ADMIN_PORT: 'x' }, /KECS_ADMIN_PORT is "x"/],
  [['serve', '--runtime', 'docker'], {}, /simulated, process/],
  [['serve', '--log-level', 'loud'], {}, /debug, info, warn, error/],
  [['serve', '--account-id', '12'], {}, /exactly 12 digits/],
  [['serve', '--backend', 'localhost:4567'], {}, /--backend http:\/\/localhost:4567/],
  [['serve', '--memory', '--data-dir', 'x'], {}, /contradict/],
  [['serve', '--api-port', '5000', '--admin-port', '5000'], {}, /both 5000/],
  [['serve', '--runtime', 'process', '--host', '0.0.0.0'], {}, /is refused together with --host/],
  [['sql'], {}, /needs STATEMENT/],
  [['reset', '--admin-url', 'http://127.0.0.1:1'], {}, /needs a yes/],
  [['status', '--admin-url', 'here'], {}, /--admin-url is "here"/],
]
for (const [args, env, what] of REFUSED) {
  const given = [...Object.entries(env).map((pair) => pair.join('=')), 'kecs', ...args].join(' ')
  cli(`${given}: refused in three lines, exit code 2`, async ({ shop }) => {
    assertExplained(await shop.run(args, env), 2, what)
  })
}

cli('status, sql: nobody answers is exit code 1', async ({ shop }) => {
  const url = ['--admin-url', 'http://127.0.0.1:1']
  const [status, sql] = await Promise.all([
    shop.run(['status', ...url]),
    shop.run(['sql', 'SELECT 1', ...url]),
  ])
  assertExplained(status, 1, /no kecs answers at http:\/\/127\.0\.0\.1:1/)
  assertExplained(sql, 1, /no kecs answers/)
})

cli('serve: a taken port names its flag', async ({ shop }) => {
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  const port = String((holder.address() as { port: number }).port)
  const [api, admin] = await Promise.all([
    shop.run(['serve', '--memory', '--admin-port', '0', '--api-port', port]),
    shop.run(['serve', '--memory', '--api-port', '0', '--admin-port', port]),
  ])
  holder.close()
  assertExplained(api, 1, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is taken[\\s\\S]*--api-port`))
  assertExplained(admin, 1, /--admin-port/)
  if (process.platform === 'linux') assert.match(api.stderr, `(pid ${process.pid})`)
})

cli('serve: a data directory that another kecs uses names its process', async ({ shop }) => {
  const dir = shop.folder()
  const { program } = await shop.serve('--data-dir', dir)
  const second = ['serve', '--data-dir', dir, '--api-port', '0', '--admin-port', '0']
  assertExplained(await shop.run(second), 1, new RegExp(`in use[\\s\\S]*${program.pid}`))
})

cli('serve: a data directory where no folder can be made does not hang', async ({ shop }) => {
  if (process.platform !== 'linux') return
  const ended = await shop.run(['serve', '--data-dir', '/proc/kecs/data', '--api-port', '0'])
  assertExplained(ended, 1, /cannot be written/)
})

cli('serve: a data directory that cannot be', async ({ shop }) => {
  const file = join(shop.folder(), 'file')
  writeFileSync(file, '')
  const dir = ['--data-dir', join(file, 'state'), '--api-port', '0', '--admin-port', '0']
  assertExplained(await shop.run(['serve', ...dir]), 1, /cannot be written/)
})

cli('serve: a data directory of a newer kecs', async ({ shop }) => {
  const dir = join(shop.folder(), 'state')
  mkdirSync(dir)
  writeFileSync(join(dir, 'format.json'), '{"format":999}\n')
  const flags = ['--data-dir', dir, '--api-port', '0', '--admin-port', '0']
  assertExplained(await shop.run(['serve', ...flags]), 1, /999/)
  assert.equal(namesIn(dir), ['format.json'])
})

cli('reset: without a running kecs the files of the data directory go', async ({ shop }) => {
  const dir = shop.folder()
  const { program } = await shop.serve('--data-dir', dir)
  program.kill('SIGTERM')
  await program.ended
  writeFileSync(join(dir, 'mine.txt'), 'kept')
  const flags = ['--data-dir', dir, '--admin-url', 'http://127.0.0.1:1']
  const { code, stdout } = await shop.run(['reset', '--yes', ...flags])
  assert.is(code, 0)
  assert.is(stdout, `${dir} is as new.\n`)
  assert.equal(namesIn(dir), ['mine.txt'])
})

cli('reset: not under a kecs that uses the directory', async ({ shop }) => {
  const dir = shop.folder()
  await shop.serve('--data-dir', dir)
  const flags = ['--yes', '--data-dir', dir, '--admin-url', 'http://127.0.0.1:1']
  assertExplained(await shop.run(['reset', ...flags]), 1, /in use/)
})

cli.run()
