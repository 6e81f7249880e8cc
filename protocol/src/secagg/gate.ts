/**
 * The release gate: between the sum that a committee opened and anything that leaves it, in every round. Deterministic, so
 * that all members commit to the same bytes. Implements docs/spec/secure-aggregation.md, "Release". It cannot bind a
 * dishonest member, which saw the sum before the gate.
 */
import { findAnalysis } from '../analyses/registry.js'
import type { Hex } from '../crypto/hash.js'
import { encode } from '../encoding/canonical.js'
import { type KnownSet, strictestFloor } from '../history.js'
import type { Job } from '../jobs/job.js'
import { derivableContributors } from './guard.js'

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

/** Total: whatever a lying site added to the sum, every member comes to the same release. */
export function passGate(input: GateInput): Release {
  try {
    return judgeSum(input)
  } catch {
    return { kind: 'suppressed', code: 'no-result' }
  }
}

function judgeSum(input: GateInput): Release {
  const { job, sum } = input
  const analysis = findAnalysis(job.analysis.name, job.analysis.version)
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
  const rules = { minimumCell: job.minimumCell, minimumContributors: input.minCohort }
  const outcome = analysis.combine(
    sum,
    { parameters: job.parameters, rules, survivors: input.survivors.length },
    input.state,
  )
  switch (outcome.kind) {
    case 'state':
      if (input.round >= job.maxRounds) return { kind: 'suppressed', code: 'not-converged' }
      return { kind: 'state', bytes: encode(outcome.state), contributors }
    case 'result':
      return { kind: 'result', bytes: encode(outcome.released), contributors }
    case 'suppressed':
      return { kind: 'suppressed', code: outcome.code }
  }
}
