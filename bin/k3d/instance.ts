import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Flag, Values } from '../command.ts'
import { usageError } from '../output.ts'

export const DEFAULT_INSTANCE = 'kecs'

export const NAME_FLAG: Flag = {
  name: 'name',
  value: 'NAME',
  env: 'KECS_INSTANCE',
  fallback: DEFAULT_INSTANCE,
  about: 'The instance, and the name of its k3d cluster.',
}

export const INSTANCE_DATA_FLAG: Flag = {
  name: 'data-dir',
  value: 'DIR',
  fallback: '~/.kecs/instances/NAME',
  about: 'Where state is kept on this machine, over restarts and when the cluster is deleted.',
}

// k3d makes host names of it and allows no more.
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/

export function checkName(name: string, source: string): string {
  if (NAME.test(name)) return name
  throw usageError(
    `${source} is ${JSON.stringify(name)}.`,
    'A name has up to 32 lower-case letters, digits and dashes, no dash at either end.',
    `Give another one, e.g. ${DEFAULT_INSTANCE}.`,
  )
}

export function instanceNameOf(values: Values): string {
  return checkName(values.text('name') ?? DEFAULT_INSTANCE, values.source('name'))
}

/** The first positional, else the usual instance. */
export function positionalName(values: Values, at = 0): string {
  return checkName(values.positionals[at] ?? DEFAULT_INSTANCE, 'the name')
}

/** Undefined where the flag says nothing. */
export function givenDataDir(values: Values): string | undefined {
  const text = values.text('data-dir')
  if (text === undefined) return undefined
  const dir = resolve(text)
  if (!dir.includes(':') && !dir.includes('\\')) return dir
  throw usageError(
    `--data-dir is ${JSON.stringify(text)}.`,
    'Docker cannot mount a directory with a colon or a backslash in its name.',
    'Give another directory.',
  )
}

export function defaultDataDir(name: string): string {
  return join(homedir(), '.kecs', 'instances', name)
}

export function kubeconfigPath(name: string): string {
  return join(homedir(), '.k3d', `kubeconfig-${name}.yaml`)
}
