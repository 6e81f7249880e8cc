/**
 * One number for each row that a dataset ever had, the same in every version that has the row: what sets of rows in different
 * versions are compared by. A version's numbers are found once, when the first job computes on it:
 *
 *     DATASET/COLUMNS.index     of all rows seen under these columns: hashes (uint64le*), then their numbers (uint32le*)
 *     DATASET/VERSION.numbers   of the rows of one version, in their order (uint32le*)
 *
 * Hashes are salted: without the node's salt they tell nothing. Local to a node, so no part of docs/spec fixes it. Not
 * covered: rows under other columns than before, once no earlier version is stored that they could be compared with.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { comparedColumns, rowHashes, type StoredVersion, sharedColumns } from '../data/row-hashes.js'
import type { StoredDataset } from '../data/stored-schema.js'
import { hasCode, makePrivateFolder, replaceSynced } from '../store/files.js'
import { isIn, rowSetOf } from './row-set.js'

const NUMBERS = '.numbers'
const INDEX = '.index'
const HASH_BYTES = 8
const NUMBER_BYTES = 4

/** Rows that are known, and their numbers. */
interface Known {
  readonly hashes: BigUint64Array
  readonly numbers: Uint32Array
}

/** Of a row that is not known. */
const UNKNOWN = 0xffffffff

export interface RowNumbersOptions {
  /** of one dataset */
  readonly folder: string
  readonly version: StoredVersion
  /** a version of it that is still stored, undefined if it is not */
  readonly stored: (version: Hex) => StoredVersion | undefined
  readonly salt: Uint8Array
}

/** Throws `dataset-damaged`, `ledger-damaged`, or what the disk says. */
export async function rowNumbers(options: RowNumbersOptions): Promise<Uint32Array> {
  const { folder, version, salt } = options
  const { schema } = version
  const file = join(folder, schema.version + NUMBERS)
  const before = await readIfThere(file)
  if (before?.length === schema.rows * NUMBER_BYTES) return numbersIn(before)
  await makePrivateFolder(folder)
  const columns = columnsOf(schema)
  const hashes = rowHashes(
    version,
    columns.map(({ name }) => name),
    salt,
  )
  const index = join(folder, indexName(columns))
  const known = parseIndex(await readIfThere(index))
  const numbers = numbered(hashes, known)
  const lacking = unknownRows(numbers)
  if (lacking.length > 0) {
    await byOtherColumns(options, columns, numbers)
    let next = await firstUnused(folder)
    for (const row of unknownRows(numbers)) numbers[row] = next++
    // before the file that says that they are in it
    await replaceSynced(index, indexBytes(known, hashes, numbers, lacking))
  }
  await replaceSynced(file, bytesOf(numbers))
  return numbers
}

type Columns = readonly { readonly name: string; readonly kind: 'level' | 'number' }[]

/** What tells one index from another: the columns, in no order of the file's. */
function columnsOf(schema: StoredDataset): Columns {
  return comparedColumns(schema)
    .map(({ name, type }) => ({ name, kind: type === 'level' ? ('level' as const) : ('number' as const) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

const indexName = (columns: Columns): string =>
  createHash('sha256').update(JSON.stringify(columns)).digest('hex') + INDEX

/** Places of the numbers of which it is true. Four bytes each: a dataset may have many millions of rows. */
function placesOf(numbers: Uint32Array, holds: (number: number) => boolean): Uint32Array {
  const places = new Uint32Array(numbers.length)
  let found = 0
  for (let at = 0; at < numbers.length; at++) if (holds(numbers[at] as number)) places[found++] = at
  return places.subarray(0, found)
}

const unknownRows = (numbers: Uint32Array): Uint32Array => placesOf(numbers, (number) => number === UNKNOWN)

/** For every row the number of the known one that it is, the first of its hash for the first; UNKNOWN where none is left. */
function numbered(hashes: BigUint64Array, { hashes: known, numbers }: Known): Uint32Array {
  const found = new Uint32Array(hashes.length).fill(UNKNOWN)
  if (known.length === 0) return found
  const mask = (1n << BigInt(Math.ceil(Math.log2(2 * known.length)))) - 1n
  // chains of known rows by the low bits of their hashes, each in order
  const heads = new Int32Array(Number(mask) + 1).fill(-1)
  const next = new Int32Array(known.length)
  for (let at = known.length - 1; at >= 0; at--) {
    const slot = Number((known[at] as bigint) & mask)
    next[at] = heads[slot] as number
    heads[slot] = at
  }
  for (const [row, hash] of hashes.entries()) {
    const slot = Number(hash & mask)
    let before = -1
    let at = heads[slot] as number
    while (at >= 0 && known[at] !== hash) {
      before = at
      at = next[at] as number
    }
    if (at < 0) continue
    found[row] = numbers[at] as number
    if (before < 0) heads[slot] = next[at] as number
    else next[before] = next[at] as number
  }
  return found
}

/** Rows never seen under these columns are what they are in those shared with the newest version that is stored. */
async function byOtherColumns(
  { folder, version, stored, salt }: RowNumbersOptions,
  columns: Columns,
  numbers: Uint32Array,
): Promise<void> {
  const earlier = await newestStored(folder, stored)
  if (earlier === undefined || indexName(columnsOf(earlier.version.schema)) === indexName(columns)) return
  const names = sharedColumns(earlier.version.schema, version.schema)
  if (names.length === 0) return
  const taken = rowSetOf(numbers.filter((number) => number !== UNKNOWN))
  const free = placesOf(earlier.numbers, (number) => !isIn(taken, number))
  const rest = unknownRows(numbers)
  const pick = (hashes: BigUint64Array, rows: Uint32Array): BigUint64Array => {
    const picked = new BigUint64Array(rows.length)
    for (let at = 0; at < rows.length; at++) picked[at] = hashes[rows[at] as number] as bigint
    return picked
  }
  const known: Known = {
    hashes: pick(rowHashes(earlier.version, names, salt), free),
    numbers: free.map((row) => earlier.numbers[row] as number),
  }
  const found = numbered(pick(rowHashes(version, names, salt), rest), known)
  for (const [at, row] of rest.entries()) numbers[row] = found[at] as number
}

async function newestStored(
  folder: string,
  stored: RowNumbersOptions['stored'],
): Promise<{ readonly version: StoredVersion; readonly numbers: Uint32Array } | undefined> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(NUMBERS))
  const files = await Promise.all(names.map(async (name) => ({ name, ms: (await stat(join(folder, name))).mtimeMs })))
  for (const { name } of files.sort((a, b) => b.ms - a.ms)) {
    const version = stored(name.slice(0, -NUMBERS.length))
    const bytes = version && (await readIfThere(join(folder, name)))
    if (version !== undefined && bytes?.length === version.schema.rows * NUMBER_BYTES)
      return { version, numbers: numbersIn(bytes) }
  }
  return undefined
}

/** After all that any row has. */
async function firstUnused(folder: string): Promise<number> {
  let next = 0
  for (const name of await readdir(folder)) {
    if (!name.endsWith(INDEX)) continue
    for (const number of parseIndex(await readIfThere(join(folder, name))).numbers) next = Math.max(next, number + 1)
  }
  return next
}

function parseIndex(bytes: Uint8Array | undefined): Known {
  if (bytes === undefined) return { hashes: new BigUint64Array(), numbers: new Uint32Array() }
  const rows = bytes.length / (HASH_BYTES + NUMBER_BYTES)
  if (!Number.isInteger(rows))
    throw new FlameshError('ledger-damaged', 'what the ledger knows of a dataset’s rows is not as it was written', {
      hint: 'check the disk; see docs/guide/node-operator.md, "The ledger"',
    })
  const hashes = new BigUint64Array(bytes.slice(0, rows * HASH_BYTES).buffer)
  return { hashes, numbers: numbersIn(bytes.subarray(rows * HASH_BYTES)) }
}

/** The index with these rows after those that it has. */
function indexBytes(known: Known, hashes: BigUint64Array, numbers: Uint32Array, rows: Uint32Array): Uint8Array {
  const more = { hashes: new BigUint64Array(rows.length), numbers: new Uint32Array(rows.length) }
  for (const [at, row] of rows.entries()) {
    more.hashes[at] = hashes[row] as bigint
    more.numbers[at] = numbers[row] as number
  }
  return Buffer.concat([known.hashes, more.hashes, known.numbers, more.numbers].map(bytesOf))
}

const bytesOf = ({ buffer, byteOffset, byteLength }: BigUint64Array | Uint32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** A copy: where the bytes lie, numbers may not. */
const numbersIn = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice().buffer)

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
