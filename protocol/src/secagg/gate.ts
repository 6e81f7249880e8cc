/**
 * The release gate: between the sum that a committee opened and anything that leaves it, in every round. Deterministic, so
 * that all members commit to the same bytes. Implements docs/spec/secure-aggregation.md, "Release". It cannot bind a
 * dishonest member, which saw the sum before the gate.
 */

import type { AnalysisContext, Outcome, Reducible } from '../analyses/analysis.js'
import type { Hex } from '../crypto/hash.js'
import { encode } from '../encoding/canonical.js'
import { type KnownSet, strictestFloor } from '../history.js'
import { analysisOf } from '../jobs/analysis-of.js'
import type { Job } from '../jobs/job.js'
import { derivableContributors } from './guard.js'
import type { Added } from './opening.js'

export type Release =
  | { readonly kind: 'state' | 'result'; readonly bytes: Uint8Array; readonly contributors: number }
  | { readonly kind: 'suppressed'; readonly code: string }

export interface GateInput {
  readonly job: Job
  readonly round: number
  readonly minCohort: number
  /** of the opened sum, in fixed point */
  readonly sum: readonly bigint[]
  readonly fractionBits: number
  readonly survivors: readonly Hex[]
  /** the state this round started from, decoded */
  readonly state: unknown
  /** what the specification names, so that every member computes on the same */
  readonly history: readonly KnownSet[]
  /** sites whose own aggregate may become derivable */
  readonly consents: ReadonlySet<Hex>
}

/** Sums that an image's `reduce` was given, and what came of that: with a code they are not given to it again. */
export interface Reducing {
  readonly added: Added
  readonly input: GateInput
  readonly contributors: number
  readonly code: string | undefined
}

/** Total: whatever a lying site added to the sum, every member comes to the same release. */
export function passGate(input: GateInput): Release | Reducible {
  try {
    return judgeSum(input)
  } catch {
    return { kind: 'suppressed', code: 'no-result' }
  }
}

function judgeSum(input: GateInput): Release | Reducible {
  const { job, sum } = input
  const analysis = analysisOf(job)
  if (analysis === undefined) return { kind: 'suppressed', code: 'analysis-unknown' }
  const contributors = Number((sum[0] as bigint) >> BigInt(input.fractionBits))
  if (contributors < input.minCohort || contributors > input.survivors.length)
    return { kind: 'suppressed', code: 'too-few-contributors' }
  const earlier = input.history.flatMap((one) =>
    one.contributors === null ? [] : [{ set: new Set(one.sites), contributors: one.contributors }],
  )
  const floor = strictestFloor(input.history, input.minCohort)
  const derivable = derivableContributors(
    earlier,
    { set: new Set(input.survivors), contributors },
    floor,
    input.consents,
  )
  if (!derivable.ok) return { kind: 'suppressed', code: 'derivable-contributors' }
  if (analysis.reduction !== undefined) {
    const sums = analysis.reduction.sums(sum, contextOf(input))
    return sums.kind === 'suppressed' ? { kind: 'suppressed', code: sums.code } : sums
  }
  return releaseOf(input, analysis.combine(sum, contextOf(input), input.state), contributors)
}

function contextOf({ job, minCohort, survivors }: GateInput): AnalysisContext<unknown> {
  const rules = { minimumCell: job.minimumCell, minimumContributors: minCohort }
  return { parameters: job.parameters, rules, survivors: survivors.length, everyRow: job.where.length === 0 }
}

/** What the image's `reduce` made, at this member, of sums that passed the gate. Total as well. */
export function passReduced(input: GateInput, values: readonly number[], contributors: number): Release {
  try {
    const reduction = analysisOf(input.job)?.reduction
    const outcome = reduction?.outcome(values, contributors, contextOf(input), input.state)
    if (outcome !== undefined) return releaseOf(input, outcome, contributors)
  } catch {
    // as below
  }
  return { kind: 'suppressed', code: 'no-result' }
}

function releaseOf({ job, round }: GateInput, outcome: Outcome<unknown, unknown>, contributors: number): Release {
  switch (outcome.kind) {
    case 'state':
      if (round >= job.maxRounds) return { kind: 'suppressed', code: 'not-converged' }
      return { kind: 'state', bytes: encode(outcome.state), contributors }
    case 'result':
      return { kind: 'result', bytes: encode(outcome.released), contributors }
    case 'suppressed':
      return { kind: 'suppressed', code: outcome.code }
  }
}
