/** Bulk arithmetic of a round, kept out of the steps: the engine runs a task and hands its answer back as an event. */
import type { Hex } from '../crypto/hash.js'
import { errorCode } from '../errors.js'
import type { Specification } from './messages.js'
import { type PartialSum, partialSums } from './opening.js'
import {
  type Delivery,
  type Holdings,
  holdingsOf,
  type PreparedSubmission,
  type PrepareInput,
  prepareSubmission,
} from './submission.js'

export type ComputeTask =
  | { readonly kind: 'prepare'; readonly input: PrepareInput }
  | {
      readonly kind: 'partials'
      readonly specification: Specification
      readonly roundId: Hex
      readonly survivors: Hex
      readonly seat: number
      readonly secret: Uint8Array | undefined
      /** the survivors' deliveries, opened already or not, in cohort order; null where this member has nothing of one */
      readonly deliveries: readonly (Delivery | Holdings | null)[]
    }

export type ComputeAnswer =
  | { readonly kind: 'prepared'; readonly submission: PreparedSubmission }
  | { readonly kind: 'partials'; readonly sums: readonly PartialSum[]; readonly holdings: readonly Holdings[] }
  | { readonly kind: 'failed'; readonly code: string }

/** Of a survivor without a delivery: no sum over the others may be taken for the sum over all. */
const NOTHING: Holdings = { seeds: new Map(), slices: new Map(), whole: false }

export function compute(task: ComputeTask): ComputeAnswer {
  try {
    if (task.kind === 'prepare') return { kind: 'prepared', submission: prepareSubmission(task.input) }
    const { specification, roundId, survivors, seat, secret, deliveries } = task
    const holdings = deliveries.map((one) => {
      if (one === null) return NOTHING
      return 'whole' in one ? one : holdingsOf(specification, roundId, seat, secret, one)
    })
    return { kind: 'partials', sums: partialSums(specification, roundId, survivors, holdings), holdings }
  } catch (error) {
    return { kind: 'failed', code: errorCode(error) }
  }
}
