import { ECSClient } from '@aws-sdk/client-ecs'
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2'
import { type GatewayOptions, type Running, startGateway } from '../bin/serve.ts'
import type { Settings } from '../bin/settings.ts'
import { silentLogger } from '../gateway/core/log.ts'

export interface TestGatewayOptions extends Partial<Omit<GatewayOptions, 'settings'>> {
  readonly settings?: Partial<Settings>
}

export interface ClientOptions {
  /** 12 digits are taken as the account. */
  readonly accessKeyId?: string
  readonly region?: string
}

export interface TestGateway extends Running {
  /** A client of the real SDK; the same options give a client of their own each time. */
  ecs(options?: ClientOptions): ECSClient
  elb(options?: ClientOptions): ElasticLoadBalancingV2Client
}

export const TEST_SETTINGS: Settings = {
  apiPort: 0,
  adminPort: 0,
  host: '127.0.0.1',
  dataDir: undefined,
  backend: undefined,
  runtime: 'simulated',
  account: '000000000000',
  logLevel: 'info',
  logFormat: 'text',
  allowedHosts: [],
  allowedOrigins: [],
  elbDomain: 'elb.localhost',
  listenerHost: undefined,
  taskEndpoint: undefined,
  endpoint: undefined,
}

/** A whole gateway in this process: free ports, state in memory, simulated tasks, no log. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { settings, log = silentLogger, ...rest } = options
  const running = await startGateway({
    ...rest,
    log,
    settings: { ...TEST_SETTINGS, ...settings },
  })
  const clients: { destroy(): void }[] = []
  const settingsOf = ({ accessKeyId = 'test', region = 'us-east-1' }: ClientOptions) => ({
    // By its address: how `localhost` resolves is not what tests are about.
    endpoint: `http://127.0.0.1:${running.apiPort}`,
    region,
    credentials: { accessKeyId, secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  function kept<T extends { destroy(): void }>(client: T): T {
    clients.push(client)
    return client
  }
  return {
    ...running,
    ecs: (options = {}) => kept(new ECSClient(settingsOf(options))),
    elb: (options = {}) => kept(new ElasticLoadBalancingV2Client(settingsOf(options))),
    async close() {
      for (const client of clients) client.destroy()
      await running.close()
    },
  }
}
