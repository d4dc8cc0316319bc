import type { ConnectionRecord } from '../../../elbv2/data-plane/logs/connection-log.ts'
import type { ConnectionWatch } from '../../../elbv2/data-plane/logs/connection-watch.ts'

/** Notes what ports tell of their connections. */
export class Watched implements ConnectionWatch {
  readonly records: ConnectionRecord[] = []
  readonly failures: ConnectionRecord[] = []
  flows = 0
  open = 0
  bytes = 0
  unreachedGroups: string[] = []
  turnedAway = 0

  connected(record: ConnectionRecord): () => void {
    this.records.push(record)
    return this.#opened()
  }

  failed(record: ConnectionRecord): void {
    this.failures.push(record)
  }

  began(): () => void {
    this.flows++
    return this.#opened()
  }

  passed(_balancer: unknown, bytes: number): void {
    this.bytes += bytes
  }

  unreached(_balancer: unknown, group: { readonly arn: string }): void {
    this.unreachedGroups.push(group.arn)
  }

  rejected(): void {
    this.turnedAway++
  }

  #opened(): () => void {
    this.open++
    return () => {
      this.open--
    }
  }
}
