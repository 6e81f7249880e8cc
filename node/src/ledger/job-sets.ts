/**
 * Which rows the sums of a job are about: those that its conditions keep, what its factors leave of them, and those of each level. Implements
 * docs/spec/analyses.md, "Rows that earlier questions left". Rows that lack a value, and bins of numbers, are not looked at.
 */
import type { ColumnUse, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { codesOf, type Factor, levelsOfFactor } from '@flamesh/protocol/analyses/columns.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { StoredDataset } from '../data/stored-schema.js'
import { type RowSet, rowSetOf } from './row-set.js'

export interface JobSets {
  /** that sums may run over: what `where` keeps is the first */
  readonly wholes: readonly RowSet[]
  /** that sums over a whole are cut into: a level each, or levels of both of two factors */
  readonly parts: readonly RowSet[]
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
  kept: readonly number[],
  numbers: Uint32Array,
  factors: readonly Factor[],
  schema: StoredDataset,
  all: boolean,
): JobSets {
  const setOf = (places: readonly number[]): RowSet => rowSetOf(places.map((row) => numbers[row] as number))
  const cut = factors.map((factor) => {
    const codes = codesOf(rows, factor)
    return { codes, width: levelsOfFactor(factor).length, isOut: leftOut(rows, factor, codes, schema) }
  })
  const shorter = [...cut.map(({ isOut }) => isOut), (row: number) => cut.some(({ isOut }) => isOut(row))]
    .map((isOut) => kept.filter((row) => !isOut(row)))
    .filter(({ length }) => !all && length < kept.length)
  const [first, second] = cut
  const both =
    first === undefined || second === undefined || cut.length > 2
      ? []
      : byCode(kept, first.width * second.width, (row) => {
          const [a, b] = [first.codes[row] as number, second.codes[row] as number]
          return a < 0 || b < 0 ? -1 : a * second.width + b
        })
  const single = cut.flatMap(({ codes, width }) => byCode(kept, width, (row) => codes[row] as number))
  return {
    wholes: [kept, ...shorter].map(setOf),
    parts: [...single, ...both].filter(({ length }) => length > 0).map(setOf),
  }
}

function byCode(kept: readonly number[], width: number, codeOf: (row: number) => number): number[][] {
  const places = Array.from({ length: width }, (): number[] => [])
  for (const row of kept) places[codeOf(row)]?.push(row)
  return places
}

/** All but the first whole: how many wholes, then each set with its length in words before it. Empty if there is nothing else. */
export function encodeSets({ wholes, parts }: JobSets): Uint8Array {
  const sets = [...wholes.slice(1), ...parts]
  if (sets.length === 0) return new Uint8Array()
  const words = new Uint32Array(1 + sets.reduce((sum, { length }) => sum + 1 + length, 0))
  words[0] = wholes.length - 1
  let at = 1
  for (const set of sets) {
    words[at] = set.length
    words.set(set, at + 1)
    at += 1 + set.length
  }
  return new Uint8Array(words.buffer)
}

/** Throws `ledger-damaged`; what has the hash that it was written with is what it was. */
export function decodeSets(first: RowSet, words: Uint32Array): JobSets {
  const sets: RowSet[] = []
  for (let at = 1; at < words.length; at += 1 + (words[at] as number)) {
    const end = at + 1 + (words[at] as number)
    if (end > words.length) throw new FlameshError('ledger-damaged', 'sets of rows in the ledger are cut short')
    sets.push(words.subarray(at + 1, end))
  }
  const wholes = words[0] ?? 0
  return { wholes: [first, ...sets.slice(0, wholes)], parts: sets.slice(wholes) }
}
