/**
 * Sets of rows as bits, and whether sums over a new one would, with sums over earlier ones, show few rows apart. Implements
 * docs/spec/analyses.md, "Rows that earlier questions left". Combinations of four and more sets are not looked at.
 */

/** Bit r stands for the row with the number r. Sets may differ in length: what lies beyond the end is not in the set. */
export type RowSet = Uint32Array

const WORD_BITS = 32

/** As short as it can be, so that equal sets are equal words. */
export function rowSetOf(numbers: Iterable<number>): RowSet {
  let words = new Uint32Array(64)
  let length = 0
  for (const number of numbers) {
    const at = number >>> 5
    if (at >= words.length) {
      const larger = new Uint32Array(Math.max(at + 1, 2 * words.length))
      larger.set(words)
      words = larger
    }
    words[at] = (words[at] as number) | (1 << (number & (WORD_BITS - 1)))
    length = Math.max(length, at + 1)
  }
  return words.slice(0, length)
}

function bitCount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

const isFew = (rows: number, minimum: number): boolean => rows > 0 && rows < minimum

/** How far a new set must be from earlier ones, unless it is equal to one. */
export interface DifferenceRule {
  /** rows */
  readonly minimum: number
  /** of two sets of one version of the rows each side must have so many by itself, or none, and so must what levels have of them */
  readonly eachSide: boolean
}

/** An earlier set, and whether it was kept of the very version of the rows that is asked about now. */
export interface EarlierSet {
  readonly set: RowSet
  readonly sameVersion: boolean
}

/** Of two sets: the rows in one of them only are what the difference of two sums is about. */
function pairIsClose(a: RowSet, { set: b, sameVersion }: EarlierSet, { minimum, eachSide }: DifferenceRule): boolean {
  const length = Math.max(a.length, b.length)
  let onlyA = 0
  let onlyB = 0
  for (let at = 0; at < length; at++) {
    const [x = 0, y = 0] = [a[at], b[at]]
    onlyA += bitCount(x & ~y)
    onlyB += bitCount(y & ~x)
    if (onlyA >= minimum && onlyB >= minimum) return false
  }
  if (isFew(onlyA + onlyB, minimum)) return true
  return eachSide && sameVersion && (isFew(onlyA, minimum) || isFew(onlyB, minimum))
}

/** Of three: the rows that a − b − c, a + b − c or a − b + c do not cancel. */
function tripleIsClose(a: RowSet, b: RowSet, c: RowSet, minimum: number): boolean {
  const length = Math.max(a.length, b.length, c.length)
  let [x, y, z] = [0, 0, 0]
  for (let at = 0; at < length; at++) {
    const [p = 0, q = 0, r = 0] = [a[at], b[at], c[at]]
    // a row cancels if it is in none, or in the two that are taken from each other; never if the two added ones hold it
    const odd = p ^ q ^ r
    x += bitCount(odd | (q & r))
    y += bitCount(odd | (p & q))
    z += bitCount(odd | (p & r))
    if (x >= minimum && y >= minimum && z >= minimum) return false
  }
  return isFew(x, minimum) || isFew(y, minimum) || isFew(z, minimum)
}

/** Whether two sets share rows, and some, but fewer than so many, are in one of them only: then a difference of sums is about these. */
function isNear(a: RowSet, b: RowSet, minimum: number): boolean {
  const length = Math.max(a.length, b.length)
  let apart = 0
  for (let at = 0; at < length; at++) {
    apart += bitCount((a[at] ?? 0) ^ (b[at] ?? 0))
    if (apart >= minimum) return false
  }
  return apart > 0 && a.some((word, at) => (word & (b[at] ?? 0)) !== 0)
}

/** As short as it can be. */
export function sharedRows(a: RowSet, b: RowSet): RowSet {
  const shared = a.map((word, at) => word & (b[at] ?? 0))
  return shared.subarray(0, shared.findLastIndex((word) => word !== 0) + 1)
}

function areEqual(a: RowSet, b: RowSet): boolean {
  return a.length === b.length && a.every((word, at) => word === b[at])
}

/**
 * Places of the earlier sets with which this one would show too few rows apart: one, or two; none if it may be summed.
 * Of N earlier sets every pair is looked at, each as far as it takes to see `minimum` rows.
 */
export function closeTo(set: RowSet, earlier: readonly EarlierSet[], rule: DifferenceRule): readonly number[] {
  const others = [...earlier.entries()].filter(([, one]) => !areEqual(set, one.set))
  for (const [place, one] of others) if (pairIsClose(set, one, rule)) return [place]
  for (const [at, [first, b]] of others.entries())
    for (const [second, c] of others.slice(at + 1))
      if (tripleIsClose(set, b.set, c.set, rule.minimum)) return [first, second]
  return []
}

/** What the sums of a job are about: sets that they run over, and parts that these are cut into. */
export interface SummedSets {
  readonly wholes: readonly RowSet[]
  readonly parts: readonly RowSet[]
}

/**
 * Places of the earlier jobs with which a new one would show too few rows apart: by its wholes as `closeTo` says, or since a part of one is
 * nearly a whole of the other, or with `eachSide` nearly a part of it. What cuts the same whole is not looked at: each of the two jobs
 * releases that anyway.
 */
export function closeJobs(
  { wholes, parts }: SummedSets,
  earlier: readonly (SummedSets & { readonly sameVersion: boolean })[],
  rule: DifferenceRule,
): readonly number[] {
  const known: { set: RowSet; sameVersion: boolean; place: number }[] = []
  for (const [place, job] of earlier.entries())
    for (const set of job.wholes) {
      const same = known.find((one) => areEqual(one.set, set))
      if (same === undefined) known.push({ set, sameVersion: job.sameVersion, place })
      else same.sameVersion ||= job.sameVersion
    }
  for (const whole of wholes) {
    const close = closeTo(whole, known, rule)
    if (close.length > 0) return close.map((at) => known[at]?.place as number)
  }
  const isIn = (sets: readonly RowSet[], one: RowSet): boolean => sets.some((set) => areEqual(set, one))
  const anyNear = (sets: readonly RowSet[], one: RowSet): boolean => sets.some((set) => isNear(set, one, rule.minimum))
  for (const { set, place } of known) if (!isIn(wholes, set) && anyNear(parts, set)) return [place]
  for (const [place, job] of earlier.entries()) {
    if (wholes.some((whole) => !isIn(job.wholes, whole) && anyNear(job.parts, whole))) return [place]
    if (!rule.eachSide || !job.sameVersion || wholes.some((whole) => isIn(job.wholes, whole))) continue
    if (parts.some((part) => anyNear(job.parts, part))) return [place]
  }
  return []
}
