/** One site with real rows, its thread and its ledger: what it hands on for a job, as the masked sum would hold it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatasetStore } from '@flamesh/node/data/datasets.js'
import { proposeSchema } from '@flamesh/node/data/schema.js'
import type { LedgerEntry } from '@flamesh/node/ledger/entries.js'
import { Ledger, type RowSetLimits } from '@flamesh/node/ledger/ledger.js'
import { type LedgerRunnerOptions, ledgerRunner } from '@flamesh/node/runner/ledger-runner.js'
import { WorkerRunner } from '@flamesh/node/runner/worker-runner.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import type { ContributeOutcome, ContributeRequest, Runner } from '@flamesh/protocol/ports.js'

const SALT = new Uint8Array(32).fill(7)

export interface Patient {
  readonly age: number
  readonly sex: string
  readonly weight: number
}

export const csvOf = (patients: readonly Patient[], change: (line: string, at: number) => string = (line) => line) =>
  ['age,sex,weight', ...patients.map(({ age, sex, weight }) => `${age},${sex},${weight}`)].map(change).join('\n')

/** So many, with ages from 30 in steps of a year, and no two alike. */
export const patients = (count: number): readonly Patient[] =>
  Array.from({ length: count }, (_, at) => ({ age: 30 + (at % 50), sex: at % 2 === 0 ? 'f' : 'm', weight: 50 + at }))

/** n and Σage of a `describe` of age. */
export interface Sum {
  readonly n: number
  readonly total: number
}

export class Site {
  version = ''
  rule = { minimum: 5, eachSide: false }
  /** asked past the ledger: what the site would hand on without it */
  plain!: Runner
  private ledger!: Ledger
  guarded!: Runner
  parts!: LedgerRunnerOptions
  private worker!: WorkerRunner
  /** of jobs from now on: another question, in all but its rows, has another one */
  asked = 'a5'.repeat(32)
  private jobs = 0

  private constructor(readonly folder: string) {}

  static async open(csv: string): Promise<Site> {
    const site = new Site(await mkdtemp(join(tmpdir(), 'flamesh-ledger-')))
    await site.start()
    await site.load(csv)
    return site
  }

  get ledgerFolder(): string {
    return join(this.folder, 'ledger')
  }

  async start(limits?: RowSetLimits): Promise<void> {
    const worker = new WorkerRunner({
      datasetsFolder: join(this.folder, 'datasets'),
      ledger: { folder: this.ledgerFolder, salt: SALT },
    })
    this.worker = worker
    this.plain = {
      contribute: (request) => ({ outcome: worker.contribute(request), cancel: () => undefined }),
      reduce: () => ({ outcome: Promise.reject(new Error('no image runs here')), cancel: () => undefined }),
    }
    this.ledger = await Ledger.open(this.ledgerFolder, limits)
    this.parts = {
      runner: this.plain,
      ledger: this.ledger,
      screen: (request) => worker.screen(request),
      facts: () => ({
        name: 'ages',
        purpose: 'a test',
        researcher: 'ruth',
        organisation: 'org-r',
        analysis: 'describe',
        columns: ['age'],
        asked: this.asked,
        rule: this.rule,
      }),
      onWithheld: () => undefined,
    }
    this.guarded = ledgerRunner(this.parts)
  }

  async stop(): Promise<void> {
    await this.worker.close()
    await this.ledger.close()
  }

  async restart(limits?: RowSetLimits): Promise<void> {
    await this.stop()
    await this.start(limits)
  }

  async close(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true })
  }

  get store(): Promise<DatasetStore> {
    return DatasetStore.open(join(this.folder, 'datasets'), SALT)
  }

  /** The dataset, or its next version. */
  async load(csv: string): Promise<string> {
    const file = join(this.folder, 'd.csv')
    await writeFile(file, `${csv}\n`)
    this.version = (await (await this.store).add('d', await proposeSchema(file))).version
    return this.version
  }

  newJob(): string {
    this.jobs++
    return sha256Hex(utf8ToBytes(`job ${this.jobs}`))
  }

  entry(job: string): LedgerEntry | undefined {
    return this.ledger.entry(job)
  }

  get book(): Ledger {
    return this.ledger
  }

  request(where: readonly Condition[], change: Partial<ContributeRequest> = {}): ContributeRequest {
    return {
      job: this.newJob(),
      analysis: 'describe',
      analysisVersion: 1,
      image: null,
      round: 1,
      parameters: findAnalysis('describe')?.complete({ columns: ['age'] }, () => []),
      state: undefined,
      dataset: 'd',
      datasetVersion: this.version,
      where,
      ...change,
    }
  }

  contribute(request: ContributeRequest, runner: Runner = this.guarded): Promise<ContributeOutcome> {
    return runner.contribute(request).outcome
  }

  /** What a fresh job gets; `zeros` if this site is not in its sum. */
  async ask(where: readonly Condition[], runner?: Runner): Promise<Sum | string> {
    return sumOf(await this.contribute(this.request(where), runner))
  }
}

export function sumOf(outcome: ContributeOutcome): Sum | string {
  if (!outcome.ok) return outcome.code
  if (outcome.values.every((value) => value === 0)) return 'zeros'
  const parameters = findAnalysis('describe')?.complete({ columns: ['age'] }, () => [])
  const slots =
    findAnalysis('describe')
      ?.plan(parameters, undefined)
      .slots.map(({ name }) => name) ?? []
  const value = (name: string): number => outcome.values[slots.indexOf(name)] as number
  return { n: value('rows'), total: value('Σ age') }
}

export const below = (age: number): Condition => ({ column: 'age', operator: 'below', values: [age] })
export const atLeast = (age: number): Condition => ({ column: 'age', operator: 'at-least', values: [age] })
