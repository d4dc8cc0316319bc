import type { KubeClient, KubeRequest } from '../../../cluster/kubernetes/client.ts'

type Step = readonly string[] | Error

/** An API server by script: each request and each stream takes the next answer. */
export class FakeClient implements KubeClient {
  readonly server = 'https://fake.test'
  readonly requests: KubeRequest[] = []
  readonly streams: Readonly<Record<string, string | undefined>>[] = []
  /** A function makes the answer; an error is thrown. */
  answers: (unknown | Error)[] = []
  /** Lines of each stream; after the last script streams stay open and silent. */
  scripts: Step[] = []

  async request<T>(request: KubeRequest): Promise<T> {
    this.requests.push(request)
    const answer = this.answers.shift()
    if (answer instanceof Error) throw answer
    return answer as T
  }

  async *lines({ query, signal }: Parameters<KubeClient['lines']>[0]): AsyncGenerator<string> {
    this.streams.push(query)
    const script = this.scripts.shift()
    if (script instanceof Error) throw script
    if (script) yield* script
    else {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve())
        if (signal.aborted) resolve()
      })
    }
  }

  close(): void {}
}

/** Lets whatever is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}
