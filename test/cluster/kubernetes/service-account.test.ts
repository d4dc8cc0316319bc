import { mkdirSync, writeFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serviceAccount } from '../../../cluster/kubernetes/service-account.ts'
import { withTempDir } from '../../temp-dir.ts'

const POD = { KUBERNETES_SERVICE_HOST: '10.43.0.1', KUBERNETES_SERVICE_PORT: '6443' }

function mounted(home: string): { readonly home: string; readonly folder: string } {
  const folder = join(home, 'account')
  mkdirSync(folder)
  writeFileSync(join(folder, 'token'), 'first\n')
  writeFileSync(join(folder, 'ca.crt'), 'authorities')
  return { home, folder }
}

test('serviceAccount: a pod is let in by what kubelet mounted, and a renewed token is seen', async () => {
  await withTempDir(async (dir) => {
    const places = mounted(dir)
    let nowMs = 0
    const access = serviceAccount(POD, () => nowMs, places)
    assert.is(access?.server, 'https://10.43.0.1:6443')
    const headers = async () => {
      const options: RequestOptions = { headers: { accept: 'application/json' } }
      await access?.applyTo(options)
      assert.is(String(options.ca), 'authorities')
      return options.headers
    }
    assert.equal(await headers(), { accept: 'application/json', authorization: 'Bearer first' })
    writeFileSync(join(places.folder, 'token'), 'second\n')
    nowMs = 59_999
    assert.match(JSON.stringify(await headers()), 'Bearer first')
    nowMs = 60_000
    assert.match(JSON.stringify(await headers()), 'Bearer second')
  })
})

test('serviceAccount: an IPv6 address stands in brackets, and 443 is the port where none is said', async () => {
  await withTempDir(async (dir) => {
    const access = serviceAccount({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, Date.now, mounted(dir))
    assert.is(access?.server, 'https://[fd00::1]:443')
  })
})

test('serviceAccount: none outside a pod, without an account, or where a kubeconfig comes first', async () => {
  await withTempDir(async (dir) => {
    const places = mounted(dir)
    const of = (env: Record<string, string>, where = places) => serviceAccount(env, Date.now, where)
    assert.is(of({}), undefined)
    assert.is(of({ ...POD, KUBECONFIG: '/some/where' }), undefined)
    assert.is(of(POD, { ...places, folder: join(dir, 'nothing') }), undefined)
    mkdirSync(join(dir, '.kube'))
    writeFileSync(join(dir, '.kube', 'config'), '')
    assert.is(of(POD), undefined)
  })
})

test.run()
