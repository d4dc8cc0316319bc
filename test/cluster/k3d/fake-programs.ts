import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

/** Programs on a PATH of their own: real processes that do what a test says and note their calls. */
export class FakePrograms {
  readonly dir = mkdtempSync(join(tmpdir(), 'kecs-fakes-'))

  constructor() {
    mkdirSync(join(this.dir, 'bin'))
  }

  /** `body` is shell; `$DIR` is a folder for what it remembers. */
  write(program: string, body: string): void {
    const path = join(this.dir, 'bin', program)
    const note = `printf '%s\\n' "${program} $*" >> "$DIR/calls"`
    writeFileSync(path, `#!/bin/sh\nDIR='${this.dir}'\n${note}\n${body}\n`)
    chmodSync(path, 0o755)
  }

  remember(name: string, text: string): void {
    writeFileSync(join(this.dir, name), text)
  }

  /** Each call of any program as one line, in order. */
  calls(): string[] {
    const path = join(this.dir, 'calls')
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  }

  get env(): { readonly PATH: string } {
    return { PATH: `${join(this.dir, 'bin')}:${process.env.PATH}` }
  }

  clean(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface FakeNode {
  readonly cluster?: string
  readonly role?: string
  readonly status?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly ports?: Readonly<Record<string, number>>
}

/** One container as `docker inspect` tells it. */
export function inspected(node: FakeNode): object {
  const { cluster = 'kecs', role = 'server', status = 'running', labels = {}, ports = {} } = node
  return {
    Name: `/k3d-${cluster}-${role}-0`,
    Config: {
      Image: 'rancher/k3s:v1.31.5-k3s1',
      Labels: { 'k3d.cluster': cluster, 'k3d.role': role, ...labels },
    },
    State: { Running: status === 'running', Status: status },
    HostConfig: {
      PortBindings: Object.fromEntries(
        Object.entries(ports).map(([inner, port]) => [
          `${inner}/tcp`,
          [{ HostIp: '127.0.0.1', HostPort: String(port) }],
        ]),
      ),
    },
  }
}

export interface FakeWorld {
  readonly apiPort: number
  readonly adminPort: number
  readonly dataDir: string
  /** Shell that takes the place of `kubectl get pods`. */
  readonly pods?: object
  /** What `kubectl get deployments` says. */
  readonly deployments?: object
  /** Shell that runs in place of `k3d cluster create`. */
  readonly create?: string
  /** Shell that runs in place of `k3d image import`. */
  readonly bring?: string
}

const READY = {
  items: [
    {
      metadata: { name: 'kecs-controlplane', generation: 1 },
      spec: { replicas: 1 },
      status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 },
    },
  ],
}

/** A Docker, a k3d and a kubectl that know one cluster, `kecs`, while the file `cluster` is there. */
export function fakeWorld(fakes: FakePrograms, world: FakeWorld): void {
  const node = inspected({
    labels: { 'kecs.dev/instance': 'kecs', 'kecs.dev/data-dir': world.dataDir },
    ports: { 30566: world.apiPort, 30081: world.adminPort },
  })
  fakes.remember('inspect.json', JSON.stringify([node]))
  fakes.remember('imported', '')
  fakes.remember('probes.json', JSON.stringify({ items: [] }))
  fakes.remember('pods.json', JSON.stringify(world.pods ?? { items: [] }))
  fakes.remember('deployments.json', JSON.stringify(world.deployments ?? READY))
  fakes.write('docker', DOCKER)
  fakes.write(
    'k3d',
    `case "$*" in
version) echo 'k3d version v5.8.3' ;;
'cluster create'*) ${world.create ?? 'touch "$DIR/cluster"; echo "INFO[0001] Prep: Network"'} ;;
'kubeconfig write'*) touch "$5" ;;
'cluster delete'*) rm -f "$DIR/cluster" ;;
'image import'*) ${world.bring ?? 'for image; do :; done; echo "$image" >> "$DIR/imported"'} ;;
esac`,
  )
  fakes.write('kubectl', KUBECTL)
}

const DOCKER = `case "$*" in
info*) echo '27.0.1 8589934592 4' ;;
'ps --all --quiet'*) if [ -f "$DIR/cluster" ]; then echo c1; fi ;;
'ps --all'*) if [ -f "$DIR/cluster" ]; then echo k3d-kecs-server-0; fi ;;
inspect*) cat "$DIR/inspect.json" ;;
logs*) if [ -f "$DIR/node.log" ]; then cat "$DIR/node.log" >&2; fi ;;
'image ls'*) echo sha256:1234 ;;
save*) touch "$3.beside" "$3"; echo "$4" > "$DIR/saved" ;;
exec*'images import'*) if [ ! -f "$DIR/cluster" ] || [ -f "$DIR/unmounted" ]; then exit 1; fi
  cat "$DIR/saved" >> "$DIR/imported" ;;
exec*crictl*) if [ ! -f "$DIR/cluster" ]; then exit 1; fi
   echo '{"images":[{"id":"sha256:1234","repoTags":["none:0"'
   if [ -f "$DIR/imported" ]
   then while read -r image; do printf ',"docker.io/library/%s"' "$image"; done < "$DIR/imported"
   fi
   echo ']}]}' ;;
esac`

const KUBECTL = `case "$*" in
*version*) echo 'Client Version: v1.31.0' ;;
*'wait --for'*) if [ ! -f "$DIR/asked" ]
  then touch "$DIR/asked"; echo 'error: no matching resources found' >&2; exit 1
  fi ;;
*'apply -k'*) cp "$5/kustomization.yaml" "$DIR/applied"; echo 'deployment.apps/kecs-controlplane created' ;;
*'get deployments'*) cat "$DIR/deployments.json" ;;
*'get pods'*) cat "$DIR/pods.json" ;;
*'get events'*'-o json'*) cat "$DIR/probes.json" ;;
*'get events'*) echo '3s Warning Failed pod/x Failed to pull image' ;;
*logs*) echo '[pod/x/kecs] error: it broke' ;;
esac`
