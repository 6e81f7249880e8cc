/**
 * From sums that passed the gate to an outcome by an image's own `reduce`, which each member that opens runs for itself: the
 * opening they sign is over the bytes, so that a quorum came to the same ones or there is none. Implements
 * docs/spec/images.md, "Reducing". A member runs no image that this node has not approved.
 */
import type { Reducible } from '../../analyses/analysis.js'
import { openSigned } from '../../encoding/signed.js'
import { imageAttestation } from '../../identity/roster.js'
import { evaluatePolicy } from '../../jobs/evaluate.js'
import { DECISION } from '../../jobs/messages.js'
import type { ContributeOutcome } from '../../ports.js'
import { type GateInput, passReduced, type Reducing, type Release } from '../gate.js'
import type { Added } from '../opening.js'
import { attemptKey, audit, type MemberState, type Turn, update } from './state.js'

/** This node's approval as a site of the job, or else what its policy says of the image by itself. */
function isApproved(turn: Turn): boolean {
  const { context, job, committee } = turn
  const own = turn.state.decisions.get(context.self)
  if (own !== undefined) return openSigned(own, DECISION).body.decision === 'approve'
  // a member needs no rows of its own to add up those of others
  const dataset = { name: job.dataset, columns: [], roundedRows: 0 }
  const { nowMs, roster, log } = context
  const about = { nowMs, roster, dataset, committee, recentJobs: 0, checkpointAgeMs: log.checkpointAgeMs }
  return evaluatePolicy(context.policy, job, about).decision === 'approve'
}

const isAttested = ({ context, job }: Turn): boolean =>
  imageAttestation(context.roster, job.analysis.hash) !== undefined

/** Whether this member is still to sign what an image's `reduce` comes to in an attempt, by its name. */
export const isReducing = ({ progress, attempt, _reducing }: MemberState, tag: string): boolean =>
  _reducing !== undefined &&
  _reducing.code === undefined &&
  tag === attemptKey(progress) &&
  progress.ended === null &&
  !attempt.halted

/** Asks for the outcome, once; the answer is a `reduced` event. */
export function startReducing(turn: Turn, input: GateInput, added: Added, sums: Reducible): void {
  const { job, jobId } = turn
  if (turn.state._reducing !== undefined || job.image === null) return
  const code = isAttested(turn) ? (isApproved(turn) ? undefined : 'image-not-approved') : 'image-not-attested'
  update(turn, { _reducing: { added, input, contributors: sums.contributors, code } })
  if (code !== undefined) return audit(turn, 'reduce-refused', { code })
  const request = {
    job: jobId,
    image: job.image,
    round: input.round,
    parameters: job.parameters,
    state: input.state,
    sums: Float64Array.from(sums.values),
  }
  turn.effects.push({ type: 'reduce', tag: attemptKey(turn.state.progress), request })
}

/** The log may have changed while the image is at work: without an attestation it is not waited for. */
export function leaveWithdrawn(turn: Turn): void {
  if (!isReducing(turn.state, attemptKey(turn.state.progress)) || isAttested(turn)) return
  audit(turn, 'reduce-refused', { code: 'image-not-attested' })
  endReducing(turn, 'image-not-attested')
}

const endReducing = (turn: Turn, code: string): void =>
  update(turn, { _reducing: { ...(turn.state._reducing as Reducing), code } })

/** What this member signs; undefined if the image failed here: others may do without this member. */
export function releaseOfReduced(
  turn: Turn,
  outcome: ContributeOutcome,
): { readonly added: Added; readonly release: Release } | undefined {
  if (!outcome.ok) {
    audit(turn, 'reduce-failed', { code: outcome.code })
    endReducing(turn, outcome.code)
    return undefined
  }
  const { added, input, contributors } = turn.state._reducing as Reducing
  return { added, release: passReduced(input, [...outcome.values], contributors) }
}
