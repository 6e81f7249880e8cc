/**
 * Which rows the sums of a job are about: those that its conditions keep, what its factors leave of them, and those of each level. Implements
 * docs/spec/analyses.md, "Rows that earlier questions left". Rows that lack a value, and bins of numbers, are not looked at.
 */
import type { ColumnUse, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { codesOf, type Factor, levelsOfFactor } from '@flamesh/protocol/analyses/columns.js'
import type { StoredDataset } from '../data/stored-schema.js'
import { type RowSet, rowSetOf, type SummedSets, sharedRows } from './row-set.js'

export interface JobSets {
  /** that sums may run over: what `where` keeps is the first */
  readonly wholes: readonly RowSet[]
  /** of each factor the rows of each level: what sums over a whole are cut into */
  readonly levels: readonly (readonly RowSet[])[]
}

/** What a job's sums are about: of two factors also the rows of two levels. */
export function summedSets({ wholes, levels }: JobSets): SummedSets {
  const [first = [], second = []] = levels
  const both = levels.length === 2 ? first.flatMap((a) => second.map((b) => sharedRows(a, b))) : []
  return { wholes, parts: [...levels.flat(), ...both].filter(({ length }) => length > 0) }
}

export function factorsOf(uses: readonly ColumnUse[]): readonly Factor[] {
  return uses.flatMap((use): Factor[] => {
    if (typeof use === 'string') return []
    const { column, levels, is } = use
    if (levels !== undefined) return [{ column, levels: [...levels] }]
    return is === undefined ? [] : [{ column, is }]
  })
}

/**
 * Whether a row has a value that the factor does not name: then the job leaves it out as a condition would. But where a job names all levels
 * except those that are rare at the site, and hence were not announced, these count as missing: nobody left them out.
 */
function leftOut(rows: Rows, factor: Factor, codes: Int32Array, { columns }: StoredDataset): (row: number) => boolean {
  const values = rows.columns.get(factor.column)
  if (values === undefined || 'is' in factor) return () => false
  const stored = columns.find(({ name }) => name === factor.column)?.levels
  if (stored?.every(({ value, rare }) => rare !== factor.levels.includes(value))) return () => false
  return (row) => codes[row] === -1 && values[row] !== null && !Number.isNaN(values[row])
}

/** Of the rows at these places, by the numbers that they have. `all`: the analysis uses rows of levels that it does not name, too. */
export function jobSetsOf(
  rows: Rows,
  kept: Uint32Array,
  numbers: Uint32Array,
  factors: readonly Factor[],
  schema: StoredDataset,
  all: boolean,
): JobSets {
  const byCode = (width: number, codeOf: (row: number) => number): readonly RowSet[] =>
    setsByCode(kept, numbers, width, codeOf)
  const cut = factors.map((factor) => {
    const codes = codesOf(rows, factor)
    return { codes, width: levelsOfFactor(factor).length, isOut: leftOut(rows, factor, codes, schema) }
  })
  const shortening = all ? [] : cut.map(({ isOut }) => isOut).filter((isOut) => kept.some(isOut))
  if (shortening.length > 1) {
    const each = [...shortening]
    shortening.push((row) => each.some((isOut) => isOut(row)))
  }
  return {
    wholes: [...byCode(1, () => 0), ...shortening.flatMap((isOut) => byCode(1, (row) => (isOut(row) ? -1 : 0)))],
    levels: cut.map(({ codes, width }) => byCode(width, (row) => codes[row] as number)),
  }
}

/** A set for each code, of the rows that have it; a code below 0 is none. */
function setsByCode(
  kept: Uint32Array,
  numbers: Uint32Array,
  width: number,
  codeOf: (row: number) => number,
): readonly RowSet[] {
  const sets = Array.from({ length: width }, (): number[] => [])
  for (const row of kept) sets[codeOf(row)]?.push(numbers[row] as number)
  return sets.map(rowSetOf)
}

/**
 * All but the first whole, empty if there is nothing else: how many sets each list has (wholes, then factor after factor), these numbers' number
 * before them; then each set, its length in words before it.
 */
export function encodeSets({ wholes, levels }: JobSets): Uint8Array {
  const lists = [wholes.slice(1), ...levels]
  const sets = lists.flat()
  if (sets.length === 0) return new Uint8Array()
  const words = new Uint32Array(1 + lists.length + sets.reduce((sum, { length }) => sum + 1 + length, 0))
  words.set([lists.length, ...lists.map(({ length }) => length)])
  let at = 1 + lists.length
  for (const set of sets) {
    words[at] = set.length
    words.set(set, at + 1)
    at += 1 + set.length
  }
  return new Uint8Array(words.buffer)
}

/** What has the hash that it was written with is what it was. */
export function decodeSets(first: RowSet, words: Uint32Array): JobSets {
  const lists = words[0] ?? 0
  let at = 1 + lists
  const [wholes = [], ...levels] = [...words.subarray(1, at)].map((count) =>
    Array.from({ length: count }, () => {
      const from = at + 1
      at = from + (words[at] as number)
      return words.subarray(from, at)
    }),
  )
  return { wholes: [first, ...wholes], levels }
}
