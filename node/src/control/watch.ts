/**
 * A job as it goes on: its document whenever it differs from the last one sent, until nothing more will happen. Whoever
 * reads slowly misses steps in between, never the latest.
 */
import type { JobId } from '@flamesh/protocol/jobs/job.js'
import type { Daemon } from './daemon.js'
import { isFinal, type JobDocument, jobDocument } from './documents.js'
import { toJson } from './json.js'

/** A change that no event announces is seen this late (milliseconds). */
const LOOK_AGAIN_MS = 500

export async function* watchJob(
  daemon: Pick<Daemon, 'peer' | 'onChange'>,
  id: JobId,
  signal: AbortSignal,
): AsyncGenerator<JobDocument> {
  let sent = ''
  while (!signal.aborted) {
    const changed = nextChange(daemon, signal)
    const view = daemon.peer.job(id)
    if (view === undefined) return
    const document = jobDocument(view)
    const text = toJson(document)
    if (text !== sent) {
      sent = text
      yield document
    }
    if (isFinal(view.status)) return
    await changed
  }
}

/** Resolves at the next event, when it is time to look again, or when the reader leaves. */
function nextChange(daemon: Pick<Daemon, 'onChange'>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      unsubscribe()
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, LOOK_AGAIN_MS)
    const unsubscribe = daemon.onChange(finish)
    signal.addEventListener('abort', finish)
  })
}
