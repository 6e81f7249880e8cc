/** `flamesh-hub serve`: the public API and the control socket, in the foreground, until SIGTERM or SIGINT. */
import { checkpointAge } from '@flamesh/protocol/identity/log.js'
import { type BaseLogger, pino } from 'pino'
import { serveControl } from '../http/control.js'
import { checkListen, listenPublic, parseListen, publicApp } from '../http/public.js'
import type { Hub } from '../hub.js'
import { openToServe } from './run.js'

/** Nodes accept a checkpoint for days; one of today's leaves time to notice that the hub is down. */
const REFRESH_AGE_MS = 24 * 3_600_000
const REFRESH_CHECK_MS = 15 * 60_000

export interface ServeOptions {
  readonly dir: string
  readonly listen: string
  readonly insecureListen?: boolean
  readonly logLevel: string
  readonly json?: boolean
}

export async function serve(options: ServeOptions): Promise<void> {
  const address = parseListen(options.listen)
  checkListen(address, options.insecureListen === true)
  const stopped = stopSignal()
  const logger = pino({ level: options.logLevel, base: null }, pino.destination({ fd: 2, sync: true }))
  const hub = await openToServe(options.dir)
  const opened: { close(): Promise<unknown> }[] = [hub]
  try {
    await hub.refreshCheckpoint()
    opened.unshift(await serveControl(hub, logger))
    const app = publicApp(hub, logger)
    opened.unshift(app)
    const url = await listenPublic(app, address)
    if (options.json === true) process.stdout.write(`${JSON.stringify({ event: 'ready', url, hubKey: hub.key })}\n`)
    process.stderr.write(`flamesh-hub ready: ${url} (hub key ${hub.key}, ${hub.state.leaves.length} statements)\n`)
    const timer = setInterval(() => void refresh(hub, logger), REFRESH_CHECK_MS)
    logger.info({ event: 'stopping', signal: await stopped })
    clearInterval(timer)
  } finally {
    for (const one of opened) await one.close()
  }
}

async function refresh(hub: Hub, logger: BaseLogger): Promise<void> {
  if (checkpointAge(hub.state, Date.now()) < REFRESH_AGE_MS) return
  try {
    await hub.refreshCheckpoint()
    logger.info({ event: 'checkpoint-signed', size: hub.state.leaves.length })
  } catch (error) {
    logger.error({ event: 'checkpoint-failed', error: (error as Error).message })
  }
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}
