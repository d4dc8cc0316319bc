import { resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readValues } from '../../bin/command.ts'
import {
  LOCALSTACK_IMAGE,
  readStartOptions,
  START_FLAGS,
  TRAEFIK_IMAGE,
} from '../../bin/k3d/start-options.ts'
import { UserError } from '../../bin/output.ts'

const options = suite('start options')

function read(args: readonly string[], env: Record<string, string> = {}) {
  const spec = {
    name: 'start-v2',
    summary: '',
    flags: START_FLAGS,
    examples: [],
    notes: [],
    run: async () => {},
  }
  return readStartOptions(readValues(spec, args, env), env)
}

options('readStartOptions: the defaults leave to the cluster what it has', () => {
  const { name, apiPort, dataDir, agents, extraPorts, backend, timeoutMs } = read([])
  assert.equal([name, timeoutMs], ['kecs', 600_000])
  assert.equal([apiPort, dataDir, agents, extraPorts], Array(4).fill(undefined))
  assert.equal(backend, { kind: 'localstack', image: LOCALSTACK_IMAGE, token: undefined })
})

options('readStartOptions: each flag', () => {
  const read1 = read([
    ...'--name two --api-port 5000 --admin-port 5001 --data-dir d --agents 2'.split(' '),
    ...'--port 8080:80,8443:443 --k3s-image k --image i --timeout 1h30m --no-traefik'.split(' '),
  ])
  assert.equal([read1.name, read1.apiPort, read1.adminPort, read1.agents], ['two', 5000, 5001, 2])
  assert.equal([read1.image, read1.k3sImage, read1.timeoutMs], ['i', 'k', 5_400_000])
  assert.is(read1.dataDir, resolve('d'))
  assert.equal(read1.extraPorts, [
    { hostPort: 8080, innerPort: 80 },
    { hostPort: 8443, innerPort: 443 },
  ])
})

options('readStartOptions: who answers for the other services', () => {
  assert.equal(read(['--no-localstack']).backend, { kind: 'none' })
  assert.equal(read(['--backend', 'none']).backend, { kind: 'none' })
  assert.equal(read(['--no-localstack', '--backend', 'http://moto:5000/']).backend, {
    kind: 'url',
    url: 'http://moto:5000',
  })
  assert.equal(read(['--localstack-image', 'l:1'], { LOCALSTACK_AUTH_TOKEN: 't' }).backend, {
    kind: 'localstack',
    image: 'l:1',
    token: 't',
  })
  // A backend that is meant for kecs serve does not win over what was said here.
  assert.equal(read(['--no-localstack'], { KECS_BACKEND: 'http://a:1' }).backend, { kind: 'none' })
})

options('readStartOptions: a Traefik is there only where one is asked for', () => {
  const env = { KECS_TRAEFIK_IMAGE: 't:2' }
  assert.is(read([]).traefikImage, undefined)
  assert.is(read(['--no-traefik'], env).traefikImage, undefined)
  assert.is(read(['--traefik']).traefikImage, TRAEFIK_IMAGE)
  assert.is(read(['--traefik'], env).traefikImage, 't:2')
  assert.is(read(['--traefik', '--traefik-image', 't:1'], env).traefikImage, 't:1')
})

const REFUSED: readonly (readonly [args: string, what: RegExp])[] = [
  ['--traefik --no-traefik', /contradict one another/],
  ['--traefik-image t:1', /--traefik is not/],
  ['--no-localstack --backend localstack', /contradict one another/],
  ['--backend https://a', /--backend is "https:\/\/a"/],
  ['--api-port 0', /--api-port is "0"/],
  ['--admin-port 4566', /port 4566 is given twice/],
  ['--port 4566:80', /port 4566 is given twice/],
  ['--port 80', /--port is "80"/],
  ['--port 80:x', /--port is "80:x"/],
  ['--agents 21', /--agents is "21"/],
  ['--timeout 10', /--timeout is "10"/],
  ['--timeout 500ms', /--timeout is "500ms"/],
  ['--name Kecs', /--name is "Kecs"/],
  ['--name aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', /up to 32|--name is/],
  ['--data-dir a:b', /--data-dir is "a:b"/],
]
for (const [args, what] of REFUSED) {
  options(`readStartOptions: ${args} is refused`, () => {
    try {
      read(args.split(' '))
    } catch (error) {
      assert.instance(error, UserError)
      assert.is((error as UserError).exitCode, 2)
      return assert.match(`${(error as UserError).message} ${(error as UserError).why}`, what)
    }
    assert.unreachable()
  })
}

options.run()
