/**
 * How a job ends at a member whose committee is succeeded: what is certified is still opened, for a while, and nothing else is
 * voted for. Implements docs/spec/secure-aggregation.md, "Handover". What the member leaves behind for the successor is told for
 * all its jobs at once (engine/handover.ts).
 */
import { successionOf } from '../../identity/roster.js'
import { OPEN_MARGIN_MS } from '../../limits.js'
import { close } from './closing.js'
import { type MemberState, send, setTimer, specificationOf, type Turn } from './state.js'

/** Closes the job as soon as the log names a successor, unless a certified set is just being opened. */
export function advanceRetiring(turn: Turn): void {
  const { context, job, state } = turn
  const succession = state.progress.ended === null && successionOf(context.roster, job.committee, job.dataset)
  if (!succession) return
  const untilMs = openingUntil(turn, succession.at)
  if (context.nowMs < untilMs) return setTimer(turn, 'retire', untilMs)
  close(turn, { status: 'failed', code: 'committee-retired' })
  send(turn, 'retired', job.researcher, { type: 'retired', job: turn.jobId })
}

/** Until when what is certified may be opened here; nothing if nothing is. */
function openingUntil(turn: Turn, succeededAtMs: number): number {
  const specification = specificationOf(turn)
  if (turn.state.certificate?.value.kind !== 'survivors' || specification === undefined) return 0
  return Math.min(specification.body.openBy, succeededAtMs + OPEN_MARGIN_MS)
}

/** However it ended, it may have been the last job that this member's retirement waited for. */
export function noteRetired(turn: Turn, before: MemberState): void {
  const { context, job, state } = turn
  if (before.progress.ended !== null || state.progress.ended === null) return
  if (successionOf(context.roster, job.committee, job.dataset) !== undefined) turn.effects.push({ type: 'retire' })
}
