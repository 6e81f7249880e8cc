/**
 * What differs between two versions of a dataset: columns, levels, gaps, and how many rows, never which. Counts of single
 * patients are among it, so it stays at the site. Rows have no identity here: a changed row is one that was removed and one
 * that was added, and rows that only changed their places did not change.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { rowHashes, type StoredVersion, sharedColumns } from './row-hashes.js'

/** The hashes are compared here and kept nowhere. */
const NO_SALT = new Uint8Array()

export interface LevelCount {
  readonly value: string
  /** rows before and now; 0: there was or is no such level */
  readonly before: number
  readonly now: number
}

export interface ColumnDiff {
  readonly name: string
  /** null: there is no such column */
  readonly before: { readonly type: string; readonly missing: number } | null
  readonly now: { readonly type: string; readonly missing: number } | null
  /** those whose count changed */
  readonly levels: readonly LevelCount[]
}

export interface DatasetDiff {
  readonly from: { readonly version: Hex; readonly rows: number }
  readonly to: { readonly version: Hex; readonly rows: number }
  /** those that differ in type, gaps or levels */
  readonly columns: readonly ColumnDiff[]
  /** compared in the columns that both versions keep; null if there is none */
  readonly rows: { readonly same: number; readonly removed: number; readonly added: number } | null
}

/** As stored, or as proposed. */
interface ComparedColumn {
  readonly name: string
  readonly type: string
  readonly missing: number
  readonly levels?: readonly { readonly value: string; readonly rows: number }[] | undefined
}
type Columns = readonly ComparedColumn[]

/** What two versions say of their columns, without a look at the rows. */
export function diffColumns(before: Columns, now: Columns): readonly ColumnDiff[] {
  const names = new Set([...now, ...before].map((column) => column.name))
  const side = (column: ComparedColumn | undefined) =>
    column === undefined ? null : { type: column.type, missing: column.missing }
  return [...names].flatMap((name) => {
    const [a, b] = [before, now].map((columns) => columns.find((column) => column.name === name))
    const count = (column: ComparedColumn | undefined, value: string): number =>
      column?.levels?.find((level) => level.value === value)?.rows ?? 0
    const values = new Set([...(a?.levels ?? []), ...(b?.levels ?? [])].map((level) => level.value))
    const levels = [...values]
      .map((value) => ({ value, before: count(a, value), now: count(b, value) }))
      .filter((level) => level.before !== level.now)
    const same = a?.type === b?.type && a?.missing === b?.missing && levels.length === 0
    return same ? [] : [{ name, before: side(a), now: side(b), levels }]
  })
}

function countSame(a: BigUint64Array, b: BigUint64Array): number {
  let same = 0
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [x, y] = [a[i] as bigint, b[j] as bigint]
    if (x === y) same++
    if (x <= y) i++
    if (y <= x) j++
  }
  return same
}

/** Reads both versions whole. Throws `dataset-damaged`. */
export function diffVersions(from: StoredVersion, to: StoredVersion): DatasetDiff {
  const [before, now] = [from.schema, to.schema]
  const names = sharedColumns(before, now)
  const compare = () => {
    const same = countSame(rowHashes(from, names, NO_SALT).sort(), rowHashes(to, names, NO_SALT).sort())
    return { same, removed: before.rows - same, added: now.rows - same }
  }
  return {
    from: { version: before.version, rows: before.rows },
    to: { version: now.version, rows: now.rows },
    columns: diffColumns(before.columns, now.columns),
    rows: names.length === 0 ? null : compare(),
  }
}
