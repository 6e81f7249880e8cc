/**
 * Which rows a job is about, and whether sums over them would, with earlier ones, show few rows apart: in the thread that
 * holds rows. Implements the site's part of docs/spec/analyses.md, "Rows that earlier questions left". Only sets of row
 * numbers and the answer leave the thread; complete cases are not looked at, which differ from one analysis to the next.
 */
import { join } from 'node:path'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import { splitRows } from '@flamesh/protocol/jobs/where.js'
import type { ContributeRequest } from '@flamesh/protocol/ports.js'
import { loadRows, storedVersion } from '../data/datasets.js'
import type { StoredVersion } from '../data/row-hashes.js'
import { decodeSets, encodeSets, factorsOf, jobSetsOf, summedSets } from './job-sets.js'
import { type Kept, type NamedSet, readSet } from './ledger.js'
import { rowNumbers } from './row-numbers.js'
import { closeJobs, type DifferenceRule, type SummedSets } from './row-set.js'

export interface LedgerSettings {
  readonly folder: string
  /** of the node's datasets (store/identity.ts) */
  readonly salt: Uint8Array
}

export interface ScreenRequest {
  readonly request: Pick<
    ContributeRequest,
    'dataset' | 'datasetVersion' | 'where' | 'analysis' | 'analysisVersion' | 'image' | 'parameters'
  >
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
  // of an image nobody knows what it does with its columns
  const analysis = request.image === null ? findAnalysis(request.analysis, request.analysisVersion) : undefined
  const factors = factorsOf(analysis?.columns(request.parameters) ?? [])
  const columns = new Set([...where, ...factors].map(({ column }) => column))
  const rows = loadRows(datasetsFolder, dataset, datasetVersion, columns, maxRowsBytes)
  const { kept } = splitRows(rows, where)
  const version = storedVersion(datasetsFolder, dataset, datasetVersion)
  const numbers = await rowNumbers({
    folder: join(folder, dataset),
    version,
    stored: (earlier) => ifStored(() => storedVersion(datasetsFolder, dataset, earlier)),
    salt,
  })
  const job = jobSetsOf(rows, kept, numbers, factors, version.schema, analysis?.others === true)
  const read = (name: Hex): Promise<Uint32Array> => readSet(folder, dataset, name)
  const earlier: (SummedSets & { readonly sameVersion: boolean })[] = []
  for (const { set, parts, sameVersion } of sets) {
    const known = decodeSets(await read(set), parts === '' ? new Uint32Array() : await read(parts))
    earlier.push({ ...summedSets(known), sameVersion })
  }
  const close = closeJobs(summedSets(job), earlier, rule).map((place) => (sets[place] as NamedSet).set)
  const [whole] = job.wholes as [Uint32Array]
  return { ok: true, kept: { rows: kept.length, bytes: new Uint8Array(whole.buffer), parts: encodeSets(job) }, close }
}

function ifStored(read: () => StoredVersion): StoredVersion | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
