/**
 * Where tasks run. The port speaks of tasks and containers only; it knows no AWS word beyond those
 * that containers share with it. Implementations live in local/ and kubernetes/.
 */

export type DependencyCondition = 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY'
export type TransportProtocol = 'tcp' | 'udp'

export interface PortSpec {
  readonly containerPort: number
  /** 0 or absent: the runtime chooses one (`bridge`), or the container port itself (`host`, `task`). */
  readonly hostPort?: number
  readonly protocol: TransportProtocol
}

export interface HealthCheckSpec {
  /** `['CMD', 'prog', 'arg']` or `['CMD-SHELL', 'line']`. */
  readonly command: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly retries: number
  readonly startPeriodMs: number
}

export interface MountSpec {
  readonly volume: string
  readonly containerPath: string
  readonly readOnly: boolean
}

export interface ContainerSpec {
  readonly name: string
  readonly image: string
  /** Replaces the image's; the process is `entryPoint` followed by `command`. */
  readonly entryPoint?: readonly string[]
  readonly command?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly workingDirectory?: string
  readonly user?: string
  /** When it stops, the task stops. */
  readonly essential: boolean
  readonly dependsOn: readonly {
    readonly container: string
    readonly condition: DependencyCondition
  }[]
  /** How long a dependency may take before the task fails to start. */
  readonly startTimeoutMs?: number
  /** Between the polite signal and SIGKILL. */
  readonly stopTimeoutMs: number
  readonly healthCheck?: HealthCheckSpec
  readonly ports: readonly PortSpec[]
  readonly mounts: readonly MountSpec[]
  readonly labels: Readonly<Record<string, string>>
  /** 1024 units are one virtual processor. */
  readonly cpuUnits?: number
  readonly memoryMiB?: number
  readonly memoryReservationMiB?: number
  readonly privileged?: boolean
  readonly readonlyRootFilesystem?: boolean
  readonly pseudoTerminal?: boolean
  readonly interactive?: boolean
  readonly hostname?: string
  readonly extraHosts?: readonly { readonly hostname: string; readonly ipAddress: string }[]
  readonly dnsServers?: readonly string[]
  readonly dnsSearchDomains?: readonly string[]
  readonly ulimits?: readonly {
    readonly name: string
    readonly softLimit: number
    readonly hardLimit: number
  }[]
  readonly systemControls?: readonly { readonly namespace: string; readonly value: string }[]
  readonly capabilities?: { readonly add: readonly string[]; readonly drop: readonly string[] }
  readonly initProcess?: boolean
  readonly sharedMemoryMiB?: number
  readonly tmpfs?: readonly {
    readonly containerPath: string
    readonly sizeMiB: number
    readonly mountOptions: readonly string[]
  }[]
}

export interface VolumeSpec {
  readonly name: string
  /** A folder of the host; absent, like a file system: empty, and gone with the task. */
  readonly hostPath?: string
  /** Tasks of one namespace that name it share it, one after another, too. */
  readonly fileSystem?: {
    readonly id: string
    /** Absolute, within the file system; made where it is not there. */
    readonly directory: string
  }
}

/** Everything a runtime needs to run one task; the same text runs the same task. */
export interface TaskSpec {
  /** Unique for ever; safe as a file and object name. */
  readonly id: string
  /** Tasks of one ECS cluster, account and region share one; free text. */
  readonly namespace: string
  /** For people and for finding tasks from outside, e.g. `kecs.dev/service`. */
  readonly labels: Readonly<Record<string, string>>
  /** `task`: an address of its own; `bridge`: host ports mapped; `host`: the host's ports; `none`. */
  readonly network: 'task' | 'bridge' | 'host' | 'none'
  /** The machine it must run on; absent: any that the runtime has. */
  readonly node?: string
  readonly cpuUnits?: number
  readonly memoryMiB?: number
  readonly ephemeralStorageGiB?: number
  /** In the order of the task definition; at least one is essential. */
  readonly containers: readonly ContainerSpec[]
  readonly volumes: readonly VolumeSpec[]
}

export type ContainerPhase = 'pending' | 'running' | 'stopped'
export type Health = 'unknown' | 'healthy' | 'unhealthy'

export interface PortBinding {
  readonly containerPort: number
  readonly hostPort: number
  readonly bindIp: string
  readonly protocol: TransportProtocol
}

export interface ContainerState {
  readonly name: string
  readonly phase: ContainerPhase
  /** The runtime's own id for it, e.g. a process id or a container id; absent before it started. */
  readonly runtimeId?: string
  readonly imageDigest?: string
  /** Only once stopped, and only where a process really ended. */
  readonly exitCode?: number
  /** Why it stopped or cannot start, e.g. `CannotPullContainerError: …`, `OutOfMemoryError: …`. */
  readonly reason?: string
  readonly health: Health
  readonly ports: readonly PortBinding[]
}

/** `pending`: accepted; `pulling`: images on their way; `running`: as below; `stopping`; `stopped`. */
export type TaskPhase = 'pending' | 'pulling' | 'running' | 'stopping' | 'stopped'

/** Why a task stopped, where the runtime (not its caller) decided so. */
export interface StopCause {
  readonly code: 'TaskFailedToStart' | 'EssentialContainerExited' | 'Lost'
  readonly reason: string
}

/**
 * One task as the runtime sees it now, whole (level, not edge): whoever missed ten events knows
 * everything from the eleventh. `running` means that each essential container is or was running and
 * every container whose conditions are met has started.
 */
export interface TaskState {
  readonly id: string
  readonly phase: TaskPhase
  readonly containers: readonly ContainerState[]
  /** Where the task's own containers listen; absent where it has no address. */
  readonly address?: string
  /** Name of the machine that runs it. */
  readonly node?: string
  /** Why no machine takes it, while it waits for one that does. */
  readonly unplaced?: string
  readonly cause?: StopCause
  readonly pullStartedAtMs?: number
  readonly pullStoppedAtMs?: number
  readonly startedAtMs?: number
  readonly stoppingAtMs?: number
  readonly stoppedAtMs?: number
  /** What of the spec this runtime could not honour, for people. */
  readonly warnings?: readonly string[]
}

/** A task as its caller remembers it from before a restart. */
export interface BelievedTask {
  readonly spec: TaskSpec
  /** The last state its caller stored; absent when `run` was never seen to take effect. */
  readonly state?: TaskState
}

export interface RuntimeHealth {
  readonly status: 'up' | 'degraded' | 'down'
  readonly detail: string
}

export interface RuntimeNode {
  readonly name: string
  readonly cpuUnits: number
  readonly memoryMiB: number
  readonly address?: string
  /** Whether it answers and takes tasks. */
  readonly ready: boolean
  /** Whether it takes no more than it has: a task that does not fit waits. */
  readonly bounded: boolean
}

export interface LogLine {
  readonly atMs: number
  readonly container: string
  readonly stream: 'stdout' | 'stderr'
  readonly line: string
}

export interface LogQuery {
  readonly container?: string
  /** Only the last so many lines of what is there already. */
  readonly tail?: number
  /** Go on with new lines until the task is stopped. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

/** The world failed: the caller may try again. `code` stands before the text in ECS's reasons. */
export class RuntimeFault extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RuntimeFault'
    this.code = code
  }
}

export interface TaskRuntime {
  /** `simulated`, `process` or `kubernetes`. */
  readonly name: string
  /** What it does and does not do, in one sentence for the banner and for `kecs status`. */
  readonly honesty: string
  /** Attributes every task of this runtime bears in DescribeTasks, e.g. `kecs.runtime=simulated`. */
  readonly attributes: Readonly<Record<string, string>>

  /**
   * Starts watching; called once and first. `believed` is what the caller remembers as not stopped;
   * the answer is the truth about every task that exists here, believed or not. A believed task that
   * is missing from it is lost. `onState` is called with each later state, never re-entrantly.
   */
  start(
    believed: readonly BelievedTask[],
    onState: (state: TaskState) => void,
  ): Promise<readonly TaskState[]>
  /** Accepts a task; its states follow by `onState`. Again with an id that exists: no effect. Faults: RuntimeFault. */
  run(spec: TaskSpec): Promise<void>
  /** Asks a task to stop, politely and then by force; unknown and stopped ids are no fault. */
  stop(id: string): Promise<void>
  /** Forgets a stopped task and whatever is kept of it (logs, objects); unknown ids are no fault. */
  remove(id: string): Promise<void>
  /** What the task wrote, oldest first; nothing for an unknown id. */
  logs(id: string, query: LogQuery): AsyncIterable<LogLine>
  nodes(): readonly RuntimeNode[]
  health(): RuntimeHealth
  /** Stops watching. Tasks that can outlive this process are left alone; others are stopped. */
  close(): Promise<void>
}
