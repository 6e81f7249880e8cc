/**
 * The one layout of every round: `contributors`, then counts, then sums. A sum is one integer in units of 2^-130 that takes two
 * words of a 128-bit ring: up to 2^100, so that nothing a double can say is lost and columns need no common scale.
 * Implements docs/spec/analyses.md, "Vectors".
 */
import { FlameshError } from '../errors.js'
import { checkContributors, implausible } from '../privacy/disclosure.js'
import { SUM_BITS } from '../secagg/ring.js'
import type { AnalysisContext, RoundPlan, Slot, Suppression } from './analysis.js'
import type { Sums } from './double-double.js'

export { SUM_BITS }

/** Bits after the binary point of a word that is a count. */
export const FRACTION_BITS = 60
/** 2^55: 2048 sites · 2^55 · 2^60 = 2^126 stays below the 2^127 that a 128-bit word holds with its sign. */
export const BOUND = 36028797018963968
/** Bits of a site's word beside its sign: the first word of a sum counts so many bits more than the second. */
export const WORD_BITS = 115
/** 2^100, what two words have room for. */
export const SUM_BOUND = 2 ** (2 * WORD_BITS - SUM_BITS)

/** No cohort has more rows, and a table's cells still add up exactly. */
const MAX_COUNT = 1n << 40n

/** What a round's vector holds, by name. */
export interface Layout {
  readonly counts: readonly string[]
  readonly sums: readonly string[]
}

export function planOf({ counts, sums }: Layout): RoundPlan {
  const slots: Slot[] = [{ name: 'contributors', kind: 'count' }]
  for (const name of counts) slots.push({ name, kind: 'count' })
  for (const name of sums) slots.push({ name, kind: 'sum' }, { name: `${name}${SECOND}`, kind: 'sum' })
  return { slots, bound: BOUND, fractionBits: FRACTION_BITS }
}

const SECOND = ' (second word)'

/** How many words of a plan are counts; they come first. */
export function countSlots({ slots }: RoundPlan): number {
  return slots.filter(({ kind }) => kind === 'count').length
}

/** What the words of a plan hold, a sum once. */
export function valuesOf(plan: RoundPlan): readonly Slot[] {
  const counts = countSlots(plan)
  return plan.slots.filter((_, at) => at < counts || (at - counts) % 2 === 0)
}

/** Sums from their words, as integers in units of 2^-130. */
function sumsOf(words: readonly bigint[]): readonly bigint[] {
  return Array.from(
    { length: words.length / 2 },
    (_, at) => ((words[2 * at] as bigint) << BigInt(WORD_BITS)) + (words[2 * at + 1] as bigint),
  )
}

/** What an opened vector says, in the order of `valuesOf`, for people to look at. */
export function numbersIn(plan: RoundPlan, opened: readonly bigint[]): readonly number[] {
  const counts = countSlots(plan)
  const unit = 1n << BigInt(plan.fractionBits)
  return [
    ...opened.slice(0, counts).map((word) => quotient(word, unit)),
    ...sumsOf(opened.slice(counts)).map(sumToNumber),
  ]
}

function dimension({ counts, sums }: Layout): number {
  return 1 + counts.length + 2 * sums.length
}

export function zeroVector(layout: Layout): Float64Array {
  return new Float64Array(dimension(layout))
}

/**
 * A contributor's vector: counts, then the high and the low part of each sum, which become its words where the vector is encoded.
 * Throws `out-of-bound` if a value is too large to be summed, naming the slot.
 */
export function vectorOf(layout: Layout, counts: ArrayLike<number>, sums?: Sums): Float64Array {
  const vector = zeroVector(layout)
  vector[0] = 1
  vector.set(counts, 1)
  const first = 1 + layout.counts.length
  layout.sums.forEach((name, at) => {
    const high = sums?.high[at] ?? 0
    if (!(Math.abs(high) < SUM_BOUND)) {
      throw new FlameshError('out-of-bound', `${name} is too large to be summed`, {
        meta: { slot: name },
        hint: 'express the column in a larger unit, so that its values are smaller',
      })
    }
    vector[first + 2 * at] = high
    vector[first + 2 * at + 1] = sums?.low[at] ?? 0
  })
  return vector
}

/** An opened sum: whole numbers, and sums as integers in units of 2^-130. */
export interface Reading {
  readonly kind: 'reading'
  readonly contributors: number
  readonly counts: readonly number[]
  readonly sums: readonly bigint[]
}

/**
 * The sum of a round, if it may be looked at: enough contributors, and no count that honest sites cannot have added up to
 * (below zero, not whole, beyond reason).
 */
export function openSum(
  layout: Layout,
  sum: readonly bigint[],
  context: AnalysisContext<unknown>,
): Reading | Suppression {
  const counts = sum.slice(0, 1 + layout.counts.length).map((fixed) => fixed >> BigInt(FRACTION_BITS))
  const whole = counts.every(
    (count, at) => count >= 0n && count <= MAX_COUNT && count << BigInt(FRACTION_BITS) === sum[at],
  )
  const contributors = Number(counts[0] ?? -1n)
  if (sum.length !== dimension(layout) || !whole || contributors > context.survivors) return implausible()
  return (
    checkContributors(contributors, context.rules) ?? {
      kind: 'reading',
      contributors,
      counts: counts.slice(1).map(Number),
      sums: sumsOf(sum.slice(1 + layout.counts.length)),
    }
  )
}

/** A sum as the nearest double. */
export function sumToNumber(sum: bigint): number {
  return quotient(sum, 1n << BigInt(SUM_BITS))
}

/** a ÷ b as a double, within two roundings of exact. b is not 0. */
export function quotient(a: bigint, b: bigint): number {
  // + 0 turns a negative zero, which has no canonical encoding of its own, into zero
  return Number(a) / Number(b) + 0
}
