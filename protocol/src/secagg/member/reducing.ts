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
import { type GateInput, passReduced, type Release } from '../gate.js'
import type { Added } from '../opening.js'
import { attemptKey, audit, type Turn, update } from './state.js'

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

/** Asks for the outcome, once; the answer is a `reduced` event. */
export function startReducing(turn: Turn, input: GateInput, added: Added, sums: Reducible): void {
  const { context, job, jobId } = turn
  if (turn.state._reducing !== undefined || job.image === null) return
  const attested = imageAttestation(context.roster, job.analysis.hash) !== undefined
  const code = attested ? (isApproved(turn) ? undefined : 'image-not-approved') : 'image-not-attested'
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

/** What this member signs; undefined if the image failed here: others may do without this member. */
export function releaseOfReduced(
  turn: Turn,
  tag: string,
  outcome: ContributeOutcome,
): { readonly added: Added; readonly release: Release } | undefined {
  const { _reducing } = turn.state
  if (_reducing === undefined || _reducing.code !== undefined || tag !== attemptKey(turn.state.progress))
    return undefined
  if (!outcome.ok) {
    audit(turn, 'reduce-failed', { code: outcome.code })
    update(turn, { _reducing: { ..._reducing, code: outcome.code } })
    return undefined
  }
  const { added, input, contributors } = _reducing
  return { added, release: passReduced(input, [...outcome.values], contributors) }
}
