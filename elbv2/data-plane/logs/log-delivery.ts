/** Files of log lines for the backend's S3: in batches, gzipped, under the keys that ELB gives them. */
import { Buffer } from 'node:buffer'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Timer } from '../../../gateway/core/clock.ts'
import { messageOf } from '../../../gateway/core/fault.ts'
import type { Elbv2Context } from '../../context.ts'
import { shortNameOf } from '../../names.ts'
import type { LoadBalancerRow } from '../../rows.ts'
import type { LogDelivery } from '../settings.ts'
import { NODE_ADDRESS } from './access-log-line.ts'

/** ELB's files end with the clock's five minutes. */
export const DELIVERY_INTERVAL_MS = 300_000
/** A file that grows larger goes at once: of text, before gzip. */
export const MAX_FILE_BYTES = 5_000_000
/** Gzipped files that S3 did not take; beyond, the oldest are lost. */
export const MAX_WAITING_BYTES = 32_000_000
export const RETRY_MS = 60_000
const PUT_TIMEOUT_MS = 10_000
const RANDOM_CHARS = 8

const zip = promisify(gzip)

export type LogKind = 'access' | 'connection'

const KINDS = {
  access: { testFile: 'ELBAccessLogTestFile', title: 'AccessLog', prefix: '' },
  connection: { testFile: 'ELBConnectionLogTestFile', title: 'ConnectionLog', prefix: 'conn_log_' },
} as const

export type DeliveryContext = Pick<Elbv2Context, 'clock' | 'ids' | 'log' | 'callBackend'>

interface File {
  readonly bucket: string
  readonly key: string
  readonly body: Buffer
  readonly lines: number
}

interface Batch {
  readonly destination: LogDelivery
  /** When ELB's interval ends in which the batch began. */
  readonly endMs: number
  text: string
  lines: number
}

/** The deliveries of one kind of log of one load balancer. */
export class LogFiles {
  readonly #context: DeliveryContext
  readonly #kind: LogKind
  readonly #row: LoadBalancerRow
  #batch: Batch | undefined
  #timer: Timer | undefined
  #retry: Timer | undefined
  #waiting: File[] = []
  #waitingBytes = 0
  #sending: Promise<void> | undefined
  #isSending = false
  #packing: Promise<void> = Promise.resolve()
  #trouble: string | undefined
  #noBackend = false

  constructor(context: DeliveryContext, row: LoadBalancerRow, kind: LogKind) {
    this.#context = context
    this.#row = row
    this.#kind = kind
  }

  /** Whether lines get anywhere: without a backend none do, and need not be made. */
  get open(): boolean {
    return !this.#noBackend
  }

  /** Takes a line of ASCII, without its line feed. */
  add(line: string, destination: LogDelivery): void {
    const { clock } = this.#context
    if (this.#batch && !sameDestination(this.#batch.destination, destination)) this.#pack()
    if (!this.#batch) {
      const leftMs = DELIVERY_INTERVAL_MS - (clock.now() % DELIVERY_INTERVAL_MS)
      this.#batch = { destination, endMs: clock.now() + leftMs, text: '', lines: 0 }
      this.#timer = clock.after(leftMs, () => this.#pack())
    }
    this.#batch.text += `${line}\n`
    this.#batch.lines++
    if (this.#batch.text.length >= MAX_FILE_BYTES) this.#pack()
  }

  /** Tries to deliver all that is there; what then is left is lost, and that is said. */
  async flush(): Promise<void> {
    this.#retryNoMore()
    if (this.#batch) this.#pack()
    else this.#startSending()
    await this.#packing
    while (this.#isSending) await this.#sending
    this.#retryNoMore()
    const lost = this.#waiting.reduce((sum, { lines }) => sum + lines, 0)
    this.#forget()
    if (lost > 0) this.#lost(lost, this.#trouble)
  }

  /** The file that ELB writes when logs are switched on, to see whether it may. */
  async writeTestFile(destination: LogDelivery): Promise<void> {
    const row = this.#row
    const { testFile, title } = KINDS[this.#kind]
    const time = new Date(this.#context.clock.now()).toISOString()
    const trouble = await this.#put({
      bucket: destination.bucket,
      key: `${folderOf(destination, row)}/${testFile}`,
      body: Buffer.from(`Enable ${title} for ELB: ${row.name} at ${time}`),
      lines: 0,
    })
    if (trouble === undefined) return
    this.#trouble = trouble
    this.#warn(`the ${this.#kind} log cannot be written to bucket ${destination.bucket}`, trouble)
  }

  #pack(): void {
    const batch = this.#batch
    if (!batch) return
    this.#timer?.cancel()
    this.#batch = undefined
    const key = this.#keyOf(batch)
    this.#packing = this.#packing
      .then(async () => {
        const body = await zip(Buffer.from(batch.text, 'latin1'))
        this.#waiting.push({ bucket: batch.destination.bucket, key, body, lines: batch.lines })
        this.#waitingBytes += body.length
        this.#dropOldest()
        this.#startSending()
      })
      .catch((thrown) => this.#lost(batch.lines, messageOf(thrown)))
  }

  #keyOf({ destination, endMs }: Batch): string {
    const { account, region, arn } = this.#row
    const end = new Date(endMs).toISOString()
    const day = end.slice(0, 10).replaceAll('-', '/')
    const minute = `${end.slice(0, 16).replace(/[-:]/g, '')}Z`
    const id = shortNameOf(arn).replaceAll('/', '.')
    const random = this.#context.ids.hex().slice(-RANDOM_CHARS)
    const name = `${account}_elasticloadbalancing_${region}_${id}_${minute}_${NODE_ADDRESS}_${random}`
    const folder = `${folderOf(destination, this.#row)}/elasticloadbalancing/${region}/${day}`
    return `${folder}/${KINDS[this.#kind].prefix}${name}.log.gz`
  }

  #dropOldest(): void {
    let lost = 0
    while (this.#waitingBytes > MAX_WAITING_BYTES && this.#waiting.length > 1) {
      const oldest = this.#waiting.shift() as File
      this.#waitingBytes -= oldest.body.length
      lost += oldest.lines
    }
    if (lost > 0) this.#lost(lost, `too many wait: ${this.#trouble}`)
  }

  #startSending(): void {
    if (this.#isSending) return
    this.#isSending = true
    this.#sending = this.#send()
  }

  async #send(): Promise<void> {
    this.#retryNoMore()
    for (let file = this.#waiting[0]; file; file = this.#waiting[0]) {
      const trouble = await this.#put(file)
      if (trouble !== undefined) return this.#failed(trouble)
      if (this.#trouble !== undefined) {
        this.#context.log.info(`the ${this.#kind} log reaches S3 again`, this.#fields())
      }
      this.#trouble = undefined
      // While it was sent it may have been dropped as the oldest.
      if (this.#waiting[0] === file) {
        this.#waiting.shift()
        this.#waitingBytes -= file.body.length
      }
    }
    this.#isSending = false
  }

  #failed(trouble: string): void {
    this.#isSending = false
    if (this.#noBackend) {
      this.#forget()
      this.#warn(`the ${this.#kind} log is not written to S3`, trouble)
      return
    }
    // Said once, not every minute.
    if (this.#trouble === undefined) {
      this.#warn(`the ${this.#kind} log does not reach S3; it is kept and tried again`, trouble)
    }
    this.#trouble = trouble
    this.#retry = this.#context.clock.after(RETRY_MS, () => this.#startSending())
  }

  #retryNoMore(): void {
    this.#retry?.cancel()
    this.#retry = undefined
  }

  #forget(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** Why it failed, if it did; never rejects. */
  async #put({ bucket, key, body }: File): Promise<string | undefined> {
    try {
      const answer = await this.#context.callBackend({
        scope: this.#row,
        service: 's3',
        method: 'PUT',
        path: `/${[bucket, ...key.split('/')].map(encodeURIComponent).join('/')}`,
        headers: {
          'content-type': 'application/octet-stream',
          'x-amz-acl': 'bucket-owner-full-control',
        },
        body,
        timeoutMs: PUT_TIMEOUT_MS,
      })
      if (answer === undefined) {
        this.#noBackend = true
        return 'there is no backend with an S3'
      }
      if (answer.status < 300) return undefined
      const code = /<Code>([^<]{1,100})<\/Code>/.exec(answer.body.toString('latin1'))?.[1]
      return `S3 answered ${answer.status}${code === undefined ? '' : ` ${code}`}`
    } catch (thrown) {
      return messageOf(thrown)
    }
  }

  #lost(lines: number, reason: string | undefined): void {
    this.#warn(`${lines} lines of the ${this.#kind} log are lost`, reason)
  }

  #warn(message: string, reason: string | undefined): void {
    this.#context.log.warn(message, { ...this.#fields(), reason })
  }

  #fields() {
    return { loadBalancer: this.#row.arn }
  }
}

function sameDestination(one: LogDelivery, other: LogDelivery): boolean {
  return one.bucket === other.bucket && one.prefix === other.prefix
}

function folderOf({ prefix }: LogDelivery, { account }: LoadBalancerRow): string {
  return `${prefix === '' ? '' : `${prefix}/`}AWSLogs/${account}`
}
