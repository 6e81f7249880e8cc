/**
 * The one layout of every round: `contributors`, then counts, then sums as two words each. A sum's first word is a multiple
 * of 2^-60, the second what is left of it times 2^50: 110 bits after the point from a 128-bit ring, so that nothing a
 * double can say is lost and columns need no common scale. Implements docs/spec/analyses.md, "Vectors".
 */
import { FlameshError } from '../errors.js'
import { checkContributors, implausible } from '../privacy/disclosure.js'
import type { AnalysisContext, RoundPlan, Slot, Suppression } from './analysis.js'
import type { Sums } from './double-double.js'

/** Bits after the binary point of every word. */
export const FRACTION_BITS = 60
/** The second word of a sum counts in units smaller by this many bits. */
export const REST_BITS = 50
/** Bits after the point of a sum once its two words are put together. */
export const SUM_BITS = FRACTION_BITS + REST_BITS
/** 2^55: 2048 sites · 2^55 · 2^60 = 2^126 stays below the 2^127 that a 128-bit word holds with its sign. */
export const BOUND = 36028797018963968

/** No cohort has more rows, and a table's cells still add up exactly. */
const MAX_COUNT = 1n << 40n

const WORD_UNIT = Number(1n << BigInt(FRACTION_BITS))
const REST_UNIT = Number(1n << BigInt(REST_BITS))

/** What a round's vector holds, by name. */
export interface Layout {
  readonly counts: readonly string[]
  readonly sums: readonly string[]
}

export function planOf({ counts, sums }: Layout): RoundPlan {
  const slots: Slot[] = [{ name: 'contributors', kind: 'count' }]
  for (const name of counts) slots.push({ name, kind: 'count' })
  for (const name of sums) slots.push({ name, kind: 'sum' }, { name: `${name}${REST}`, kind: 'sum' })
  return { slots, bound: BOUND, fractionBits: FRACTION_BITS }
}

const REST = ` (rest × 2^${REST_BITS})`

/** What the words of a plan hold, a sum once. */
export function valuesOf({ slots }: RoundPlan): readonly Slot[] {
  return slots.filter(({ name, kind }) => kind === 'count' || !name.endsWith(REST))
}

function dimension({ counts, sums }: Layout): number {
  return 1 + counts.length + 2 * sums.length
}

export function zeroVector(layout: Layout): Float64Array {
  return new Float64Array(dimension(layout))
}

/** A contributor's vector. Throws `out-of-bound` if a value is too large to be summed, naming the slot. */
export function vectorOf(layout: Layout, counts: ArrayLike<number>, sums?: Sums): Float64Array {
  const vector = zeroVector(layout)
  vector[0] = 1
  vector.set(counts, 1)
  const first = 1 + layout.counts.length
  layout.sums.forEach((name, at) => {
    const high = sums?.high[at] ?? 0
    // beyond 2^53 units a double is a whole number of them anyway
    const word = Math.round(high * WORD_UNIT) / WORD_UNIT
    const rest = (high - word + (sums?.low[at] ?? 0)) * REST_UNIT
    if (!(Math.abs(word) <= BOUND && Math.abs(rest) <= BOUND)) {
      throw new FlameshError('out-of-bound', `${name} is too large to be summed`, {
        meta: { slot: name },
        hint: 'express the column in a larger unit, so that its values are smaller',
      })
    }
    vector[first + 2 * at] = word
    vector[first + 2 * at + 1] = rest
  })
  return vector
}

/** An opened sum: whole numbers, and sums as integers in units of 2^-110. */
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
  const words = sum.slice(1 + layout.counts.length)
  const sums = layout.sums.map(
    (_, at) => ((words[2 * at] as bigint) << BigInt(REST_BITS)) + (words[2 * at + 1] as bigint),
  )
  return (
    checkContributors(contributors, context.rules) ?? {
      kind: 'reading',
      contributors,
      counts: counts.slice(1).map(Number),
      sums,
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
