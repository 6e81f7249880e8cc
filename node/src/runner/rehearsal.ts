/**
 * An image on local splits of one file, before anyone submits it: the sandbox, the checks, the masking, the release gate and
 * `reduce` are those of production; sites and committee are not there, and one process sees everything.
 */
import type { RoundPlan } from '@flamesh/protocol/analyses/analysis.js'
import { countSlots, numbersIn, valuesOf } from '@flamesh/protocol/analyses/layout.js'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type ImageParameters, imageAnalysis } from '@flamesh/protocol/images/analysis.js'
import { descriptionHash, type ImageDescription } from '@flamesh/protocol/images/description.js'
import { DEFAULT_MIN_CELL } from '@flamesh/protocol/limits.js'
import type { ContributeOutcome } from '@flamesh/protocol/ports.js'
import { profileOf, subsets } from '@flamesh/protocol/secagg/committee.js'
import { deriveSeeds, maskVector, sumMasks } from '@flamesh/protocol/secagg/mask.js'
import { addInto, decodeVector, encodeVector, subtractInto } from '@flamesh/protocol/secagg/ring.js'
import type { ImageRunner } from './image-runner.js'

const RING = 128
const COMMITTEE = 3

export interface RehearsedRound {
  readonly round: number
  /** by split: the vector in the clear, which only the site itself sees, and how the masked one begins, which members see */
  readonly sites: readonly { readonly values: readonly number[]; readonly masked: string }[]
  /** what members see when they open the sum */
  readonly opened: readonly number[]
  /** what goes back to the sites, or is released; null if the gate withholds it */
  readonly outcome: readonly number[] | null
  readonly code: string
}

export interface Rehearsal {
  readonly slots: readonly string[]
  readonly rounds: readonly RehearsedRound[]
  /** as a recipient would read it; null if nothing is released */
  readonly result: Readonly<Record<string, unknown>> | null
}

export interface RehearsalRequest {
  readonly image: ImageDescription
  readonly rounds: number
  readonly parameters: ImageParameters
  /** names of registered splits, each with its version */
  readonly splits: readonly { readonly dataset: string; readonly version: string }[]
  readonly random: (length: number) => Uint8Array
}

/** Throws the code with which the image failed. */
export async function rehearse(
  runner: Pick<ImageRunner, 'contribute' | 'reduce'>,
  request: RehearsalRequest,
): Promise<Rehearsal> {
  const { image, parameters, splits } = request
  const analysis = imageAnalysis(image, request.rounds)
  const plan = analysis.plan(parameters, undefined)
  const counts = countSlots(plan)
  const slots = valuesOf(plan).map((one) => one.name)
  const rules = { minimumCell: DEFAULT_MIN_CELL, minimumContributors: Math.min(3, splits.length) }
  const context = { parameters, rules, survivors: splits.length }
  const rounds: RehearsedRound[] = []
  let state: unknown
  for (let round = 1; ; round++) {
    const vectors: Float64Array[] = []
    for (const { dataset, version } of splits) {
      const about = { job: 'rehearsal', analysis: 'image', analysisVersion: 1, image, round, parameters, state }
      vectors.push(written(await runner.contribute({ ...about, dataset, datasetVersion: version, where: [] })))
    }
    const { sum, masked } = maskAndOpen(request, vectors, round, plan)
    const seen = {
      round,
      sites: vectors.map((values, at) => ({
        values: [...values].filter((_, slot) => slot < counts || (slot - counts) % 2 === 0),
        masked: masked[at] as string,
      })),
      opened: numbersIn(plan, sum),
    }
    let outcome = analysis.combine(sum, context, state)
    const sums = analysis.reduction?.sums(sum, context)
    if (analysis.reduction !== undefined && sums?.kind === 'reducible') {
      const about = { job: 'rehearsal', image, round, parameters, state, sums: Float64Array.from(sums.values) }
      const [once, again] = [written(await runner.reduce(about)), written(await runner.reduce(about))]
      if (once.some((value, at) => value !== again[at]) || once.length !== again.length)
        throw new FlameshError('not-deterministic', '`reduce` wrote other numbers when it was run again', {
          hint: 'no clock, no random numbers, no order of threads; or describe another way to combine',
        })
      outcome = analysis.reduction.outcome([...once], sums.contributors, context, state)
    }
    if (outcome.kind === 'suppressed')
      return {
        slots,
        rounds: [...rounds, { ...seen, outcome: null, code: outcome.code }],
        result: null,
      }
    const numbers = (outcome.kind === 'state' ? outcome.state : outcome.released) as {
      readonly values: readonly number[]
    }
    rounds.push({ ...seen, outcome: numbers.values, code: outcome.kind })
    if (outcome.kind === 'result') return { slots, rounds, result: analysis.present(outcome.released, parameters) }
    state = outcome.state
  }
}

function written(outcome: ContributeOutcome): Float64Array {
  if (outcome.ok) return outcome.values
  throw new FlameshError(outcome.code, outcome.message)
}

const SHOWN_BYTES = 16

/** Each vector under masks of its own, their sum, and the sum of the masks taken off it again. */
function maskAndOpen(
  { image, random }: RehearsalRequest,
  vectors: readonly Float64Array[],
  round: number,
  plan: RoundPlan,
): { readonly sum: readonly bigint[]; readonly masked: readonly string[] } {
  const profile = profileOf(COMMITTEE)
  const roundId = descriptionHash({ ...image, maxRounds: round })
  const words = (vectors[0] as Float64Array).length
  const total = new Uint8Array((words * RING) / 8)
  const masked: string[] = []
  for (const values of vectors) {
    const seeds = deriveSeeds(
      random(32),
      roundId,
      bytesToHex(random(32)),
      profile === undefined ? [] : subsets(profile),
    )
    const encoded = encodeVector(values, RING, plan.fractionBits, plan.bound, countSlots(plan))
    const update = maskVector(encoded, seeds, RING)
    masked.push(bytesToHex(update.subarray(0, SHOWN_BYTES)))
    addInto(total, update, RING)
    subtractInto(total, sumMasks(seeds, RING, 0, words), RING)
  }
  return { sum: decodeVector(total, RING, plan.fractionBits), masked }
}
