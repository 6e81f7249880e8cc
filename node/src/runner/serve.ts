/**
 * What runs inside the analysis thread: reads the rows, applies `where`, computes the vector. Implements the site's
 * part of docs/spec/analyses.md. Rows live in this thread only; what leaves it is the vector or a named failure whose
 * message holds no value of the data. It does not limit time or the V8 heap: worker-runner.ts does, from outside.
 */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Analysis, Column, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { assert, FlameshError } from '@flamesh/protocol/errors.js'
import type { ImageParameters } from '@flamesh/protocol/images/analysis.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import { selectRows } from '@flamesh/protocol/jobs/where.js'
import type { ContributeOutcome, ContributeRequest } from '@flamesh/protocol/ports.js'
import { csvText } from '../containers/contract.js'
import { loadRows } from '../data/datasets.js'
import { type LedgerSettings, type ScreenOutcome, type ScreenRequest, screen } from '../ledger/screening.js'

/** What the thread is started with. */
export interface WorkerSettings {
  readonly datasetsFolder: string
  /** the loaded columns may take this much; a subset by `where` is a copy and may take as much again */
  readonly maxRowsBytes: number
  /** absent: nothing is asked about the ledger */
  readonly ledger?: LedgerSettings | undefined
}

/** Rows for an image: the columns that its job names, as CSV, and what they are. */
export type RowsOutcome =
  | { readonly ok: true; readonly count: number; readonly csv: string; readonly schema: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** To the runner: the request was taken up, then its outcome. */
export type WorkerMessage = 'started' | ContributeOutcome | RowsOutcome | ScreenOutcome

/** From the runner: what a job contributes, what its image sees, or what the ledger is to know of it. */
export type WorkerRequest = ContributeRequest | ScreenRequest

export type FindAnalysis = (name: string, version: number) => Analysis<unknown, unknown, unknown> | undefined

/** Between the rounds of a job the rows stay in memory; a thread without work forgets them (milliseconds). */
const FORGET_AFTER_MS = 60_000

/** The rows of the last request, which the next round of the same job asks for again. */
class RowsCache {
  #key: string | undefined
  #rows: Rows | undefined
  #timer: NodeJS.Timeout | undefined

  get(key: string, load: () => Rows): Rows {
    if (this.#key !== key || this.#rows === undefined) {
      // free the old rows before the new ones are read
      this.#forget()
      this.#rows = load()
      this.#key = key
    }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#forget(), FORGET_AFTER_MS).unref()
    return this.#rows
  }

  #forget(): void {
    this.#key = undefined
    this.#rows = undefined
  }
}

function fail(code: string, message: string): ContributeOutcome & { readonly ok: false } {
  return { ok: false, code, message }
}

/** Our own errors speak of columns and rules; what another error says may quote a value, so only its kind is told. */
function failure(error: unknown): ContributeOutcome & { readonly ok: false } {
  if (error instanceof FlameshError) return fail(error.code, error.message)
  const kind = error instanceof Error ? error.constructor.name : typeof error
  if (error instanceof RangeError && error.message.includes('allocation')) {
    return fail('out-of-memory', 'the analysis needs more memory than there is')
  }
  return fail('analysis-failed', `the analysis failed (${kind})`)
}

function contribute(
  request: ContributeRequest,
  find: FindAnalysis,
  settings: WorkerSettings,
  cache: RowsCache,
): ContributeOutcome {
  const analysis = find(request.analysis, request.analysisVersion)
  if (analysis === undefined)
    return fail('analysis-unknown', `this node has no analysis ${request.analysis} version ${request.analysisVersion}`)
  const parameters = analysis.parameters.safeParse(request.parameters)
  if (!parameters.success) return fail('job-invalid', 'the parameters do not fit the analysis')
  const rows = rowsOf(request, analysis.columns(parameters.data).map(columnOf), settings, cache, analysis.others)
  const values = analysis.contribute(rows, parameters.data, request.state)
  return values.every(Number.isFinite)
    ? { ok: true, values }
    : fail('not-finite', 'a sum of this site’s rows is not a finite number')
}

function rowsOf(
  { dataset, datasetVersion, where: conditions }: ContributeRequest,
  named: readonly string[],
  settings: WorkerSettings,
  cache: RowsCache,
  others = false,
): Rows {
  // the engine hands over conditions of a job whose schema was checked
  const where = conditions as readonly Condition[]
  const columns = new Set([...named, ...where.map((condition) => condition.column)])
  return cache.get(JSON.stringify([dataset, datasetVersion, [...columns], where, others]), () =>
    selectRows(
      loadRows(settings.datasetsFolder, dataset, datasetVersion, columns, settings.maxRowsBytes),
      where,
      others,
    ),
  )
}

/** A column that this site does not have is there, and empty. */
function rowsForImage(request: ContributeRequest, settings: WorkerSettings, cache: RowsCache): RowsOutcome {
  const { columns: names } = request.parameters as ImageParameters
  const { count, columns } = rowsOf(request, names, settings, cache)
  const found = names.map((name) => columns.get(name))
  const cells = Array.from({ length: count }, (_, row) => found.map((column) => column?.[row] ?? null))
  const type = (column: Column | undefined): string =>
    column === undefined ? 'absent' : column instanceof Float64Array ? 'number' : 'level'
  const schema = { columns: names.map((name, at) => ({ name, type: type(found[at]) })) }
  return { ok: true, count, csv: [...csvText(names, cells)].join(''), schema }
}

/** Answers requests one after the other, for as long as the thread lives. */
export function serveContributions(find: FindAnalysis): void {
  assert(parentPort !== null, 'this module runs in a worker thread')
  const port: MessagePort = parentPort
  const settings = workerData as WorkerSettings
  const cache = new RowsCache()
  const say = (message: WorkerMessage): void => port.postMessage(message)
  const answer = async (request: WorkerRequest): Promise<WorkerMessage> => {
    if ('request' in request) {
      assert(settings.ledger !== undefined, 'this thread knows no ledger')
      return screen(request, settings.ledger, settings.datasetsFolder, settings.maxRowsBytes)
    }
    return request.image === null ? contribute(request, find, settings, cache) : rowsForImage(request, settings, cache)
  }
  port.on('message', (request: WorkerRequest) => {
    say('started')
    answer(request).catch(failure).then(say)
  })
}
