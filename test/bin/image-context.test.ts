import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fingerprint, placedPackages, withImageContext } from '../../bin/k3d/image-context.ts'
import { withTempDir } from '../temp-dir.ts'

const context = suite('image context')

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

function manifest(dependencies: readonly string[], optional: readonly string[] = []): string {
  const versions = (names: readonly string[]) => Object.fromEntries(names.map((n) => [n, '*']))
  const all = { dependencies: versions(dependencies), optionalDependencies: versions(optional) }
  return JSON.stringify({ version: '1.0.0', ...all })
}

/** An installed package of kecs: dependencies beside it, as npm hoists them, and one conflict. */
function installed(dir: string): string {
  write(dir, {
    'node_modules/kecs/package.json': manifest(['a', 'b'], ['not-here']),
    'node_modules/kecs/LICENSE': '',
    'node_modules/kecs/NOTICE': '',
    'node_modules/kecs/k8s/Dockerfile': 'FROM scratch',
    'node_modules/kecs/dist/bin/kecs.js': 'run()',
    'node_modules/kecs/dist/test/run.js': '',
    'node_modules/a/package.json': manifest(['c']),
    'node_modules/a/index.js': '',
    'node_modules/a/index.d.ts': '',
    'node_modules/b/package.json': manifest(['c']),
    'node_modules/b/node_modules/c/package.json': manifest(['d']),
    'node_modules/b/node_modules/c/old.js': '',
    'node_modules/c/package.json': manifest(['d']),
    'node_modules/d/package.json': manifest(['a']),
    'node_modules/unrelated/package.json': manifest([]),
  })
  return join(dir, 'node_modules/kecs')
}

context('placedPackages: what runs, once, where Node.js will look for it', () =>
  withTempDir(async (dir) => {
    const places = placedPackages(installed(dir)).map(({ to }) => to)
    assert.equal(places, [
      'node_modules/a',
      'node_modules/b',
      'node_modules/c',
      'node_modules/b/node_modules/c',
      'node_modules/d',
    ])
  }),
)

context('withImageContext: the compiled program and its packages, gone afterwards', () =>
  withTempDir(async (dir) => {
    const folder = await withImageContext(installed(dir), async (made) => {
      const has = (path: string) => existsSync(join(made, path))
      for (const path of [
        'dist/bin/kecs.js',
        'k8s/Dockerfile',
        'node_modules/a/index.js',
        'node_modules/b/node_modules/c/old.js',
      ]) {
        assert.ok(has(path), path)
      }
      for (const path of ['dist/test', 'node_modules/unrelated', 'node_modules/a/index.d.ts']) {
        assert.not.ok(has(path), path)
      }
      return made
    })
    assert.not.ok(existsSync(folder))
  }),
)

context('fingerprint: changes with the program and with a package, not with tests', () =>
  withTempDir(async (dir) => {
    const root = installed(dir)
    const before = fingerprint(root)
    writeFileSync(join(root, 'dist/test/run.js'), 'changed')
    assert.is(fingerprint(root), before)
    writeFileSync(join(root, 'dist/bin/kecs.js'), 'run2()')
    const after = fingerprint(root)
    assert.is.not(after, before)
    writeFileSync(join(dir, 'node_modules/d/package.json'), '{"version":"2.0.0"}')
    assert.is.not(fingerprint(root), after)
  }),
)

context('fingerprint: a checkout that was not built says so', () =>
  withTempDir(async (dir) => {
    write(dir, { 'package.json': manifest([]), 'k8s/Dockerfile': '' })
    assert.throws(() => fingerprint(dir), /no compiled program/)
  }),
)

context.run()
