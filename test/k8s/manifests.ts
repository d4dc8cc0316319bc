/** The manifests as they lie in `k8s/`, read as YAML. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { root } from '../root.ts'

export const folder = join(root, 'k8s')

export interface Probe {
  readonly httpGet?: {
    readonly path: string
    readonly port: string
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
  }
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext?: {
    readonly runAsUser?: number
    readonly allowPrivilegeEscalation?: boolean
    readonly readOnlyRootFilesystem?: boolean
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] }
  }
  readonly resources?: { readonly requests?: object; readonly limits?: object }
  readonly startupProbe?: Probe
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
}

export interface PodSpec {
  readonly serviceAccountName?: string
  readonly automountServiceAccountToken?: boolean
  readonly enableServiceLinks?: boolean
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean
    readonly runAsUser?: number
    readonly runAsGroup?: number
    readonly seccompProfile?: { readonly type: string }
  }
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
}

export interface Manifest {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec?: {
    readonly type?: string
    readonly clusterIP?: string
    readonly replicas?: number
    readonly strategy?: { readonly type: string }
    readonly selector?: Readonly<Record<string, unknown>>
    readonly ports?: readonly {
      readonly port: number
      readonly targetPort: string
      readonly nodePort?: number
    }[]
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: PodSpec
    }
  }
  readonly rules?: readonly {
    readonly apiGroups: readonly string[]
    readonly resources: readonly string[]
    readonly verbs: readonly string[]
  }[]
  readonly data?: Readonly<Record<string, string>>
}

const files = readdirSync(folder, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
  .map((entry) => join(entry.parentPath, entry.name))

/** Each kustomization with the folder that its paths start from. */
export const kustomizations = files
  .filter((file) => basename(file) === 'kustomization.yaml')
  .map((file) => ({ folder: dirname(file), ...parse(readFileSync(file, 'utf8')) }))

/** Every object that some kustomization names as a resource, patches left away. */
export const manifests: readonly Manifest[] = kustomizations.flatMap(
  ({ folder: at, resources = [] }) =>
    resources
      .filter((name: string) => name.endsWith('.yaml'))
      .flatMap((name: string) =>
        parseAllDocuments(readFileSync(join(at, name), 'utf8')).map((document) => document.toJS()),
      ),
)

/** The object of that kind and name; an error where there is none. */
export function manifest(kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name)
  if (!found) throw new Error(`There is no ${kind} ${name} in ${folder}.`)
  return found
}

export function podOf(deployment: string): PodSpec {
  const spec = manifest('Deployment', deployment).spec?.template?.spec
  if (!spec) throw new Error(`${deployment} has no pod.`)
  return spec
}

export function environmentOf({ env = [] }: Container): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value = '' }) => [name, value]))
}
