/**
 * `flamesh start`: the daemon, in this process until a signal or `flamesh stop` ends it, or with --detach in a process of
 * its own from which this one learns that it is ready, or why not.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { errorDocument } from '../../control/router.js'
import type { CommandContext } from '../context.js'

interface StartOptions {
  readonly detach?: boolean
  readonly listen?: readonly string[]
  readonly announce?: readonly string[]
  readonly peer?: readonly string[]
  readonly hubPollMs?: number
  readonly logLevel?: string
}

/** What the ready line says; with --json it is the document. */
interface Ready {
  readonly ready: true
  readonly name: string
  readonly pid: number
  readonly listen: readonly string[]
  readonly control: string
}

type Report = { readonly ready: Ready } | { readonly error: ReturnType<typeof errorDocument> }

/** Set for a detached daemon: it tells its parent how the start went. */
const REPORT_VARIABLE = 'FLAMESH_REPORT_START'

export async function start(context: CommandContext, options: StartOptions): Promise<undefined> {
  requireInitialised(context.folder)
  await requireOwner(context.folder)
  const { listen, announce, peer: peers, hubPollMs, logLevel } = options
  const flags = { listen, announce, peers, hubPollMs, logLevel }
  const { config } = context.config(flags)
  if (options.detach === true) {
    sayReady(context, await startDetached(context, options))
    return undefined
  }
  const report = reporter(context)
  try {
    const { startDaemon } = await import('../../daemon.js')
    const daemon = await startDaemon({ folder: context.folder, config })
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => daemon.stop())
    const ready: Ready = {
      ready: true,
      name: daemon.name,
      pid: process.pid,
      listen: daemon.listen,
      control: daemon.control,
    }
    sayReady(context, ready)
    report({ ready })
    // Everything is closed then; timers of the network stack would keep the process for another second.
    process.exit(await daemon.stopped)
  } catch (error) {
    report({ error: errorDocument(error) })
    throw error
  }
}

function sayReady({ out }: CommandContext, ready: Ready): void {
  out.result(ready, () => `ready: ${ready.name}, pid ${ready.pid}, listening on ${ready.listen.join(' ')}`)
}

function reporter({ env }: CommandContext): (report: Report) => void {
  return (report) => {
    if (env[REPORT_VARIABLE] !== '1' || process.send === undefined) return
    process.send(report)
    process.disconnect()
  }
}

async function startDetached({ folder, env }: CommandContext, options: StartOptions): Promise<Ready> {
  const log = openSync(folder.logFile, 'a', 0o600)
  const child = spawn(
    process.execPath,
    [...process.execArgv, process.argv[1] as string, 'start', '--dir', folder.dir, ...flagsOf(options)],
    { detached: true, stdio: ['ignore', log, log, 'ipc'], env: { ...env, [REPORT_VARIABLE]: '1' } },
  )
  closeSync(log)
  const report = await new Promise<Report>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Report))
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      const error = new FlameshError(
        'start-failed',
        `the daemon ended before it was ready (${signal ?? `exit ${code}`})`,
        {
          hint: `see the end of ${folder.logFile}`,
        },
      )
      reject(error)
    })
  })
  if (child.connected) child.disconnect()
  child.unref()
  if ('ready' in report) return report.ready
  const { code, message, hint } = report.error
  throw new FlameshError(code, message, hint === undefined ? {} : { hint })
}

function flagsOf(options: StartOptions): string[] {
  const repeated = (flag: string, values: readonly string[] = []): string[] => values.flatMap((value) => [flag, value])
  return [
    ...repeated('--listen', options.listen),
    ...repeated('--announce', options.announce),
    ...repeated('--peer', options.peer),
    ...repeated('--hub-poll-ms', options.hubPollMs === undefined ? [] : [String(options.hubPollMs)]),
    ...repeated('--log-level', options.logLevel === undefined ? [] : [options.logLevel]),
  ]
}
