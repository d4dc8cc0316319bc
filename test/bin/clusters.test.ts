import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakePrograms, fakeWorld } from '../cluster/k3d/fake-programs.ts'
import { Workshop } from './program.ts'

interface World {
  shop: Workshop
  fakes: FakePrograms
  dataDir: string
  home: string
  run: (...args: string[]) => ReturnType<Workshop['run']>
}

const clusters = suite<World>('kecs cluster, kubeconfig, stop-v2, doctor')

clusters.before.each((context) => {
  const shop = new Workshop()
  const fakes = new FakePrograms()
  const home = shop.folder()
  const dataDir = join(home, '.kecs/instances/kecs')
  fakeWorld(fakes, { apiPort: 4566, adminPort: 8081, dataDir })
  fakes.remember('cluster', '')
  mkdirSync(dataDir, { recursive: true })
  const run = (...args: string[]) => shop.run(args, { ...fakes.env, HOME: home })
  Object.assign(context, { shop, fakes, home, dataDir, run })
})
clusters.after.each(async ({ shop, fakes }) => {
  await shop.clean()
  fakes.clean()
})

clusters('cluster list and info: for people and for programs', async ({ run, dataDir }) => {
  const list = await run('cluster', 'list')
  assert.match(list.stdout, /kecs {2}running {2}http:\/\/localhost:4566 {2}http:\/\/localhost:8081/)
  const info = await run('cluster', 'info')
  assert.match(info.stdout, 'The cluster kecs: running')
  assert.match(info.stdout, 'k3d-kecs-server-0')
  const json = JSON.parse((await run('cluster', 'info', 'kecs', '--json')).stdout)
  assert.equal([json.state, json.dataDir, json.kubeconfig], ['running', dataDir, null])
})

clusters('cluster: no such cluster, no such action', async ({ run }) => {
  const none = await run('cluster', 'info', 'two')
  assert.is(none.code, 1)
  assert.match(none.stderr, /there is no cluster two of kecs\.\n {2}why: There is kecs\./)
  const what = await run('cluster', 'restart')
  assert.is(what.code, 2)
  assert.match(what.stderr, 'create, delete, list, info')
  assert.is((await run('cluster')).code, 2)
  assert.is((await run('cluster', 'info', 'a', 'b')).code, 2)
})

clusters('kubeconfig: written to ~/.k3d, and its path printed', async ({ run, fakes, home }) => {
  const path = join(home, '.k3d/kubeconfig-kecs.yaml')
  assert.is((await run('kubeconfig')).stdout, `${path}\n`)
  const wrote = fakes.calls().find((call) => call.startsWith('k3d kubeconfig'))
  assert.match(wrote ?? '', `write kecs --output ${path} --overwrite`)
  assert.is((await run('kubeconfig', 'two')).code, 1)
})

clusters('stop-v2: the cluster and its kubeconfig go, the data stays', async (context) => {
  const { run, fakes, home, dataDir } = context
  const path = join(home, '.k3d/kubeconfig-kecs.yaml')
  mkdirSync(join(home, '.k3d'))
  writeFileSync(path, '')
  writeFileSync(join(dataDir, 'format.json'), '{"format":1}')
  const { code, stdout } = await run('stop')
  assert.is(code, 0)
  assert.is(stdout, `The k3d cluster kecs is gone. Its data stays in ${dataDir}.\n`)
  assert.match(fakes.calls().join('\n'), 'k3d cluster delete kecs')
  assert.not.ok(existsSync(path))
  assert.ok(existsSync(join(dataDir, 'format.json')))
  const again = await run('stop-v2')
  assert.is(again.stdout, `There is no k3d cluster kecs. Its data stays in ${dataDir}.\n`)
})

clusters('stop-v2 --delete-data: nothing is left of a directory of its own', async (context) => {
  const { run, dataDir } = context
  writeFileSync(join(dataDir, 'format.json'), '{"format":1}')
  for (const name of ['journal-000001.jsonl', 'lock-000002', 'flock']) {
    writeFileSync(join(dataDir, name), '')
  }
  const { stdout } = await run('stop-v2', '--delete-data')
  assert.is(stdout, `The k3d cluster kecs is gone. The data in ${dataDir} was deleted.\n`)
  assert.not.ok(existsSync(dataDir))
})

clusters('stop-v2 --delete-data: files of kecs go, others stay', async ({ run, dataDir }) => {
  writeFileSync(join(dataDir, 'format.json'), '{"format":1}')
  writeFileSync(join(dataDir, 'mine.txt'), '')
  const first = JSON.parse((await run('stop-v2', '--delete-data', '--json')).stdout)
  assert.equal(first, { name: 'kecs', deleted: true, dataDir, dataDeleted: true })
  assert.ok(existsSync(join(dataDir, 'mine.txt')))
  assert.not.ok(existsSync(join(dataDir, 'format.json')))
})

clusters(
  'stop-v2 --data-dir: another one than the cluster has is refused',
  async ({ run, fakes }) => {
    const { code, stderr } = await run('stop-v2', '--delete-data', '--data-dir', '/elsewhere')
    assert.is(code, 1)
    assert.match(stderr, 'Nothing was deleted.')
    assert.not.match(fakes.calls().join('\n'), 'cluster delete')
  },
)

clusters('doctor: what is well, an old k3d, and its remedy', async ({ run, fakes }) => {
  const well = await run('doctor', '--json')
  assert.is(well.code, 0, well.stderr)
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers freely
  const checks = JSON.parse(well.stdout).checks as any[]
  const status = Object.fromEntries(checks.map((check) => [check.name, check.status]))
  assert.equal([status.docker, status.k3d, status.kubectl], ['ok', 'ok', 'ok'])
  fakes.write('k3d', 'echo "k3d version v4.4.8"')
  const old = await run('doctor')
  assert.is(old.code, 1)
  assert.match(old.stdout, /FAIL {2}k3d +4\.4\.8 is older than 5\.4/)
  assert.match(old.stderr, 'It lacks k3d.')
})

clusters.run()
