/**
 * What tells rows of a dataset apart, in one version or in several: a hash of their values. Rows have no identity of their own
 * here; two with the same values are two of the same. Numbers are compared as numbers, levels as text.
 */
import { createHash } from 'node:crypto'
import { readGroups } from './rows-file.js'
import type { StoredDataset } from './stored-schema.js'

export interface StoredVersion {
  readonly schema: StoredDataset
  readonly rowsFile: string
}

type StoredColumn = StoredDataset['columns'][number]

const isNumeric = ({ type }: StoredColumn): boolean => type === 'integer' || type === 'number'

/** Columns that are stored, of a kind that can be compared between versions. */
export const comparedColumns = ({ columns }: StoredDataset): readonly StoredColumn[] =>
  columns.filter(({ type }) => type !== 'text')

/** Names of the columns that both versions keep, in the order of the later one. */
export function sharedColumns(before: StoredDataset, now: StoredDataset): readonly string[] {
  const old = new Map(comparedColumns(before).map((column) => [column.name, column] as const))
  const shared = comparedColumns(now).filter((column) => {
    const other = old.get(column.name)
    return other !== undefined && isNumeric(other) === isNumeric(column)
  })
  return shared.map(({ name }) => name)
}

const NUMBER_BYTES = 8

/**
 * A hash of 64 bits for every row, in their order, over these columns in this order: 8 bytes of memory a row. Two rows that
 * differ have the same one with a chance of 2^-64. Whoever lacks `salt` cannot try guesses of a row. Throws `dataset-damaged`.
 */
export function rowHashes(
  { schema, rowsFile }: StoredVersion,
  names: readonly string[],
  salt: Uint8Array,
): BigUint64Array {
  const hashes = new BigUint64Array(schema.rows)
  const row = Buffer.alloc(salt.length + names.length * NUMBER_BYTES)
  row.set(salt)
  const levels = new Map<string, Buffer>()
  const levelBytes = (text: string): Buffer => {
    const known = levels.get(text) ?? createHash('sha256').update(text).digest().subarray(0, NUMBER_BYTES)
    levels.set(text, known)
    return known
  }
  let next = 0
  for (const group of readGroups(rowsFile, schema)) {
    const columns = names.map((name) => group.column(name))
    for (let index = 0; index < group.count; index++) {
      for (const [place, column] of columns.entries()) {
        const value = column[index]
        const at = salt.length + place * NUMBER_BYTES
        if (typeof value === 'string') row.set(levelBytes(value), at)
        // one missing value, and one zero
        else row.writeDoubleLE(typeof value === 'number' && !Number.isNaN(value) ? value + 0 : Number.NaN, at)
      }
      hashes[next++] = createHash('sha256').update(row).digest().readBigUInt64LE()
    }
  }
  return hashes
}
