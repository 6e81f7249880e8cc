/** A result: the tables of a run, and a manifest from which it can be made again. Implements docs/reference/scenarios.md, "Results". */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Scenario } from '../scenarios/schema.js'
import { completionCurve, completionTable } from './completion.js'
import { type Execution, execute, type Watcher } from './execute.js'
import { MADE_BY, MANIFEST, writeFiles } from './folder.js'
import { eventsTable, type JobOutcome, jobsTable, phasesTable, propagationTable, sitesTable } from './tables.js'
import { wallMs } from './wall.js'

export interface Order {
  readonly scenario: Scenario
  /** as it was read, and where from */
  readonly text: string
  readonly file: string
  readonly version: string
}

export interface Result {
  readonly hash: string
  readonly simulatedMs: number
  readonly wallMs: number
  readonly events: number
  readonly interrupted: boolean
  readonly jobs: readonly JobOutcome[]
}

/** Runs the scenario and writes everything but the report into the folder. */
export async function runInto(folder: string, order: Order, watcher: Watcher): Promise<Result> {
  const begunMs = wallMs()
  const execution = await execute(order.scenario, order.file, watcher)
  writeFiles(folder, tablesOf(execution))
  const points = watcher.interrupted() ? [] : await completionCurve(order.scenario, order.file, watcher)
  if (order.scenario.sweep !== undefined) writeFiles(folder, { 'completion.csv': completionTable(points) })
  const result: Result = {
    hash: execution.hash,
    simulatedMs: execution.simulatedMs,
    wallMs: Math.round(wallMs() - begunMs),
    events: execution.events,
    interrupted: watcher.interrupted(),
    jobs: execution.outcomes,
  }
  writeFiles(folder, { [MANIFEST]: manifest(order, result) })
  return result
}

function tablesOf({ federation, record, mesh, asked, outcomes }: Execution): Readonly<Record<string, string>> {
  return {
    'jobs.csv': jobsTable(outcomes),
    'phases.csv': phasesTable(federation, record, asked),
    'propagation.csv': propagationTable(record),
    'sites.csv': sitesTable(federation, record),
    'mesh.csv': mesh.table(),
    'events.csv': eventsTable(record),
  }
}

function manifest({ scenario, text, file, version }: Order, result: Result): string {
  const { hash, simulatedMs, wallMs, events, interrupted } = result
  const document = {
    madeBy: MADE_BY,
    scenario: {
      name: basename(file).replace(/\.ya?ml$/, ''),
      question: scenario.question,
      text,
      sha256: createHash('sha256').update(text).digest('hex'),
    },
    seed: scenario.seed,
    version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    hash,
    command: `flamesh-sim run ${basename(file)} --seed ${scenario.seed}`,
    simulatedMs,
    wallMs,
    events,
    interrupted,
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
