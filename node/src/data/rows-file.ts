/**
 * The rows of a dataset on disk: a compact columnar file, written once and read column by column. Local to a node, never
 * sent, so no part of docs/spec fixes it:
 *
 *     file   := group*                 the rows in order, 1024 a group, the last group with what is left
 *     group  := column*                every stored column in schema order
 *     column := float64le*  (integer, number; NaN for missing)  |  uint8*  (level; 0 for missing, else 1 + its place)
 *
 * Text columns are not stored at all. Size and layout follow from the schema. It does not detect changed bytes: the
 * dataset's version does (DatasetStore.verify).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { endianness } from 'node:os'
import type { Column, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { assert, FlameshError } from '@flamesh/protocol/errors.js'
import type { ColumnType } from './proposed-column.js'
import { changedFile, type ValueRow } from './schema.js'
import type { Value } from './values.js'

const GROUP_ROWS = 1024
/** How a value of each type is stored; undefined: not at all. */
const WIDTH_BYTES: Readonly<Record<ColumnType, number | undefined>> = {
  integer: 8,
  number: 8,
  level: 1,
  text: undefined,
}
/** What a value costs once loaded: a float64 or a reference to a shared string. */
const LOADED_BYTES = 8

/** What the layout depends on. */
export interface RowsLayout {
  readonly rows: number
  readonly columns: readonly {
    readonly name: string
    readonly type: ColumnType
    readonly levels?: readonly { readonly value: string }[] | undefined
  }[]
}

interface StoredColumn {
  readonly name: string
  readonly index: number
  readonly width: number
  /** of the column in a group of one row */
  readonly offset: number
  /** level → code */
  readonly codes: ReadonlyMap<string, number> | undefined
  readonly levels: readonly string[]
}

function storedColumns(layout: RowsLayout): { readonly stored: readonly StoredColumn[]; readonly rowBytes: number } {
  assert(endianness() === 'LE', 'flamesh needs a little-endian machine')
  let rowBytes = 0
  const stored = layout.columns.flatMap(({ name, type, levels = [] }, index) => {
    const width = WIDTH_BYTES[type]
    if (width === undefined) return []
    const offset = rowBytes
    rowBytes += width
    const values = type === 'level' ? levels.map((level) => level.value) : []
    const codes = type === 'level' ? new Map(values.map((value, place) => [value, place + 1])) : undefined
    return [{ name, index, width, offset, codes, levels: values }]
  })
  return { stored, rowBytes }
}

export function rowsFileBytes(layout: RowsLayout): number {
  return layout.rows * storedColumns(layout).rowBytes
}

/** A value as stored, or undefined if it is not what the schema says. */
function codeOf(value: Value, codes: StoredColumn['codes']): number | undefined {
  if (codes === undefined) return value === undefined ? Number.NaN : typeof value === 'number' ? value : undefined
  return value === undefined ? 0 : codes.get(String(value))
}

/**
 * Writes rows to an open file, group by group, and hands every group to `onBytes`. Throws `csv-changed` if a row is not
 * what the schema says.
 */
export async function writeRows(
  handle: FileHandle,
  layout: RowsLayout,
  batches: AsyncIterable<readonly ValueRow[]>,
  onBytes: (bytes: Uint8Array) => void,
): Promise<void> {
  const { stored, rowBytes } = storedColumns(layout)
  let written = 0
  let pending: ValueRow[] = []
  const flush = async (): Promise<void> => {
    const bytes = Buffer.alloc(pending.length * rowBytes)
    for (const { index, width, offset, codes } of stored) {
      for (const [row, values] of pending.entries()) {
        const code = codeOf(values[index], codes)
        if (code === undefined) throw changedFile()
        const at = pending.length * offset + row * width
        if (codes === undefined) bytes.writeDoubleLE(code, at)
        else bytes.writeUInt8(code, at)
      }
    }
    await handle.appendFile(bytes)
    onBytes(bytes)
    written += pending.length
    pending = []
  }
  for await (const batch of batches) {
    for (const values of batch) {
      if (pending.push(values) === GROUP_ROWS) await flush()
    }
  }
  await flush()
  if (written !== layout.rows) throw changedFile()
}

/** The values of a part of a column as it was stored. */
function valuesOf(raw: Uint8Array, { codes, levels }: StoredColumn): Column {
  if (codes === undefined) return new Float64Array(raw.buffer, raw.byteOffset, raw.byteLength / 8)
  const values: (string | null)[] = [null, ...levels]
  return Array.from(raw, (code) => values[code] ?? null)
}

function readColumn(file: number, column: StoredColumn, rows: number, rowBytes: number): Column {
  const { width, offset } = column
  const raw = new Uint8Array(rows * width)
  for (let start = 0; start < rows; start += GROUP_ROWS) {
    const count = Math.min(GROUP_ROWS, rows - start)
    readSync(file, raw, start * width, count * width, start * rowBytes + count * offset)
  }
  return valuesOf(raw, column)
}

function openChecked(path: string, bytes: number): number {
  const file = openSync(path, 'r')
  if (fstatSync(file).size === bytes) return file
  closeSync(file)
  throw new FlameshError('dataset-damaged', 'a dataset’s rows are not as they were written', {
    hint: 'add the dataset again from its source',
  })
}

/** A few rows, whole. */
export interface RowGroup {
  readonly count: number
  /** of one that is stored */
  column(name: string): Column
}

/** The rows of a file, group by group, in bounded memory. Throws `dataset-damaged`. */
export function* readGroups(path: string, layout: RowsLayout): Generator<RowGroup> {
  const { stored, rowBytes } = storedColumns(layout)
  const file = openChecked(path, layout.rows * rowBytes)
  try {
    for (let start = 0; start < layout.rows; start += GROUP_ROWS) {
      const count = Math.min(GROUP_ROWS, layout.rows - start)
      yield {
        count,
        column(name) {
          const column = stored.find((one) => one.name === name)
          assert(column !== undefined, 'a column that is not stored')
          const raw = new Uint8Array(count * column.width)
          readSync(file, raw, 0, raw.byteLength, start * rowBytes + count * column.offset)
          return valuesOf(raw, column)
        },
      }
    }
  } finally {
    closeSync(file)
  }
}

/**
 * The named columns of a rows file; names the dataset does not have, and text columns, are absent from the answer.
 * Synchronous, for the thread that analyses. Throws `dataset-damaged` if the file has not the size its schema implies,
 * and `out-of-memory` if the columns would take more than `maxBytes`.
 */
export function readRows(path: string, layout: RowsLayout, names: ReadonlySet<string>, maxBytes: number): Rows {
  const { stored, rowBytes } = storedColumns(layout)
  const wanted = stored.filter((column) => names.has(column.name))
  if (wanted.length * layout.rows * LOADED_BYTES > maxBytes) {
    throw new FlameshError(
      'out-of-memory',
      'the columns of this analysis do not fit into the memory an analysis may use',
      {
        hint: 'raise the memory limit of analyses in the node’s configuration',
      },
    )
  }
  const file = openChecked(path, layout.rows * rowBytes)
  try {
    return {
      count: layout.rows,
      columns: new Map(wanted.map((column) => [column.name, readColumn(file, column, layout.rows, rowBytes)])),
    }
  } finally {
    closeSync(file)
  }
}
