/**
 * Which rows a job's conditions keep, and whether sums over them would, with earlier ones, show few rows apart: in the thread that
 * holds rows. Implements the site's part of docs/spec/analyses.md, "Rows that earlier questions left". Only the set of row
 * numbers and the answer leave the thread; complete cases are not looked at, which differ from one analysis to the next.
 */
import { join } from 'node:path'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import { splitRows } from '@flamesh/protocol/jobs/where.js'
import type { ContributeRequest } from '@flamesh/protocol/ports.js'
import { loadRows, storedVersion } from '../data/datasets.js'
import type { StoredVersion } from '../data/row-hashes.js'
import { type Kept, type NamedSet, readSet } from './ledger.js'
import { rowNumbers } from './row-numbers.js'
import { closeTo, type DifferenceRule, type EarlierSet, rowSetOf } from './row-set.js'

export interface LedgerSettings {
  readonly folder: string
  /** of the node's datasets (store/identity.ts) */
  readonly salt: Uint8Array
}

export interface ScreenRequest {
  readonly request: Pick<ContributeRequest, 'dataset' | 'datasetVersion' | 'where'>
  readonly sets: readonly NamedSet[]
  readonly rule: DifferenceRule
}

export type ScreenOutcome =
  | { readonly ok: true; readonly kept: Kept; readonly close: readonly Hex[] }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** Throws what reading rows and `where` throws, and `ledger-damaged`. */
export async function screen(
  { request, sets, rule }: ScreenRequest,
  { folder, salt }: LedgerSettings,
  datasetsFolder: string,
  maxRowsBytes: number,
): Promise<ScreenOutcome> {
  const { dataset, datasetVersion } = request
  // the engine hands over conditions of a job whose schema was checked
  const where = request.where as readonly Condition[]
  const columns = new Set(where.map((condition) => condition.column))
  const rows = loadRows(datasetsFolder, dataset, datasetVersion, columns, maxRowsBytes)
  const { kept } = splitRows(rows, where)
  const numbers = await rowNumbers({
    folder: join(folder, dataset),
    version: storedVersion(datasetsFolder, dataset, datasetVersion),
    stored: (version) => ifStored(() => storedVersion(datasetsFolder, dataset, version)),
    salt,
  })
  const set = rowSetOf(kept.map((row) => numbers[row] as number))
  const earlier: EarlierSet[] = []
  for (const one of sets) earlier.push({ set: await readSet(folder, dataset, one.set), sameVersion: one.sameVersion })
  const close = closeTo(set, earlier, rule).map((place) => (sets[place] as NamedSet).set)
  return { ok: true, kept: { rows: kept.length, bytes: new Uint8Array(set.buffer) }, close }
}

function ifStored(read: () => StoredVersion): StoredVersion | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
