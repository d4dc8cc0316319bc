import process from 'node:process'
import { messageOf } from '../../gateway/core/fault.ts'
import { createLogger, type Logger } from '../../gateway/core/log.ts'
import { renderBanner, renderJsonBanner } from '../banner.ts'
import { command, type Values } from '../command.ts'
import { EXIT, print } from '../output.ts'
import { startGateway } from '../serve.ts'
import { readSettings, SERVE_FLAGS } from '../settings.ts'

export default command({
  name: 'serve',
  summary:
    'Runs the AWS endpoint: ECS and ELBv2 are answered here, every other service by the backend. It runs ' +
    'until Ctrl-C or SIGTERM.',
  flags: SERVE_FLAGS,
  examples: [
    ['Start it, then follow what it prints', 'kecs serve'],
    ['Leave nothing behind', 'kecs serve --memory'],
    ['Beside a LocalStack on port 4567', 'kecs serve --backend http://localhost:4567'],
    ['Run the commands of containers as processes of yours', 'kecs serve --runtime process'],
    ['Let other machines call', 'kecs serve --host 0.0.0.0 --allow-host build-box.lan'],
    ['On free ports, for a script', 'kecs serve --api-port 0 --admin-port 0 --log-format json'],
  ],
  notes: [
    'Each flag wins over its environment variable. AWS_ENDPOINT_URL is not looked at: it is for ' +
      'clients, and names this endpoint.',
    'The banner goes to stdout, the log to stderr. The first Ctrl-C lets requests under way ' +
      'finish, the second ends at once.',
    'Exit codes: 0 it was told to stop, 1 it could not start or failed, 2 it was not understood.',
  ],
  run: serve,
})

async function serve(values: Values): Promise<void> {
  const settings = readSettings(values, process.env)
  const log = createLogger({
    level: settings.logLevel,
    format: settings.logFormat,
    write: (line) => process.stderr.write(`${line}\n`),
    now: Date.now,
  })
  survey(log)
  // A log that nobody reads any more is no reason to end.
  process.stderr.on('error', () => {})
  const stopped = untilToldToStop()
  const running = await startGateway({ settings, log })
  const banner =
    settings.logFormat === 'json'
      ? renderJsonBanner(running.banner, Date.now())
      : renderBanner(running.banner, process.env)
  print(banner)
  const signal = await stopped
  log.info('stopping', { signal })
  await running.close()
  log.info('stopped')
  // Whatever a library still holds open is not waited for.
  process.exit(EXIT.ok)
}

/** What nobody caught is in the log; state is durable, so to end is safe where that state is unknown. */
function survey(log: Logger): void {
  process.on('unhandledRejection', (reason) => {
    log.error(`bug: ${messageOf(reason)}`, { stack: stackOf(reason) })
  })
  process.on('uncaughtException', (error) => {
    log.error(`bug: ${messageOf(error)}`, { stack: error.stack })
    process.exit(EXIT.failed)
  })
}

function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.stack : undefined
}

/** Resolves with the first signal; the second ends the process at once. */
function untilToldToStop(): Promise<string> {
  return new Promise((resolve) => {
    let told = false
    const onSignal = (signal: string) => {
      if (told) process.exit(EXIT.failed)
      told = true
      resolve(signal)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}
