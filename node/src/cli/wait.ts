/**
 * Waiting for a job of one's own: progress on stderr, files in the folder, the result on stdout, an exit code that says how
 * it ended. The job goes on whatever becomes of the waiting. Implements docs/reference/cli.md, "Waiting".
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { isFinal, type JobDocument, type ResultDocument } from '../control/documents.js'
import type { CommandContext } from './context.js'
import { parseDuration } from './duration.js'
import { exitOfOutcome } from './exit-codes.js'
import { createProgress } from './progress.js'
import { renderOutcome } from './render-result.js'
import { resultFolder, writeResultFiles } from './result-files.js'

export interface WaitOptions {
  readonly wait?: boolean
  readonly timeout?: string
  /** where the files go, in the place of the folder's own */
  readonly out?: string
}

/** Exit code of an interrupted command, as shells have it: 128 + SIGINT. */
const INTERRUPTED = 130
const RECEIPT_LOOKS = 20
const RECEIPT_LOOK_MS = 100

export async function awaitResult(context: CommandContext, job: string, options: WaitOptions): Promise<number> {
  const timeoutMs = options.timeout === undefined ? undefined : parseDuration('--timeout', options.timeout)
  const later = `flamesh job result ${job} --dir ${context.folder.dir}`
  const stop = new AbortController()
  const timedOut = new FlameshError('timed-out', `no result after ${options.timeout}; the job goes on`, {
    meta: { job },
    hint: `fetch the result later: ${later}`,
  })
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop.abort(timedOut), timeoutMs)
  const interrupt = (): void => stop.abort(INTERRUPTED)
  process.once('SIGINT', interrupt)
  try {
    await follow(context, job, stop.signal)
  } catch (error) {
    if (error !== INTERRUPTED) throw error
    context.out.note(`The job goes on. Fetch the result later: ${later}`)
    return INTERRUPTED
  } finally {
    clearTimeout(timer)
    process.removeListener('SIGINT', interrupt)
  }
  await receiptComes(context, job)
  return fetchResult(context, job, options)
}

/** The public news of an end can be here a moment before the receipt is; a job nobody opened may have none. */
async function receiptComes(context: CommandContext, job: string): Promise<void> {
  for (let look = 0; look < RECEIPT_LOOKS; look++) {
    const { receipt, status } = await context.control().get<ResultDocument>(`/jobs/${job}/result`)
    if (receipt !== null || status === 'expired') return
    await sleep(RECEIPT_LOOK_MS)
  }
}

/** Returns when the job has ended. Throws the reason of the signal, or what the daemon says. */
async function follow(context: CommandContext, job: string, signal: AbortSignal): Promise<void> {
  const progress = createProgress(context.out.stderr)
  try {
    for await (const view of context.control().lines<JobDocument>(`/jobs/${job}/watch`, signal)) {
      progress.update(view)
      if (isFinal(view.status)) return
    }
  } finally {
    progress.finish()
  }
}

/** Fetches what there is, keeps it in files, prints it, and says by the exit code how the job stands. */
export async function fetchResult(context: CommandContext, job: string, { out }: WaitOptions): Promise<number> {
  const document = await context.control().get<ResultDocument>(`/jobs/${job}/result`)
  const written = await writeResultFiles(resultFolder(context.folder, job, out), document)
  const { resultFile, receiptFile, files } = written
  const printed = { ...document, receipt: receiptFile ?? null, resultFile: resultFile ?? null, files }
  context.out.result(printed, () => renderOutcome(document, written))
  return exitOfOutcome(document)
}
