/** Small federations for tests of faults: a handful of sites with made-up ages, whose plain sums are easily computed apart. */
import assert from 'node:assert/strict'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { Federation } from '@flamesh/simulations/federation.js'
import type { FederationOptions } from '@flamesh/simulations/federation-options.js'
import { seededRandom } from '@flamesh/simulations/kernel/random.js'
import { Watch } from './watch.js'

/** Twelve patients or more a site: age, and an event that is likelier with age. */
export function patients(seed: number, count: number): Rows {
  const random = seededRandom(seed, 'patients')
  const age = Float64Array.from({ length: count }, () => 40 + random.integer(40))
  const event = age.map((one) => (random.fraction() < (one - 35) / 50 ? 1 : 0))
  return {
    count,
    columns: new Map([
      ['age', age],
      ['event', event],
    ]),
  }
}

export interface WorldOptions {
  readonly seed?: number
  readonly sites?: number
  readonly seats?: number
  readonly researchers?: readonly string[]
  readonly dishonest?: readonly string[]
  readonly policy?: FederationOptions['policy']
  readonly gossip?: 'router' | 'flood'
  readonly costs?: FederationOptions['costs']
  readonly threadsFromSites?: number
}

export interface World {
  readonly federation: Federation
  readonly watch: Watch
  readonly names: readonly string[]
}

/** site-a … site-z, then site-aa … */
export const siteName = (index: number): string =>
  `site-${index < 26 ? '' : String.fromCharCode(96 + Math.floor(index / 26))}${String.fromCharCode(97 + (index % 26))}`

/** A federation that is up, with its first sites as committee. */
export async function world(options: WorldOptions = {}): Promise<World> {
  const { seed = 1, sites = 6, seats = 4, dishonest = [] } = options
  const names = Array.from({ length: sites }, (_, at) => siteName(at))
  const federation = new Federation({
    seed,
    dataset: 'ages',
    columns: [
      { name: 'age', type: 'integer' },
      { name: 'event', type: 'integer', levels: ['0', '1'] },
    ],
    sites: names.map((name, at) => ({ name, rows: patients(at, 20 + at) })),
    committee: names.slice(0, seats),
    gossip: options.gossip ?? 'flood',
    ...(options.researchers === undefined ? {} : { researchers: options.researchers }),
    ...(options.costs === undefined ? {} : { costs: options.costs }),
    ...(options.threadsFromSites === undefined ? {} : { threadsFromSites: options.threadsFromSites }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  })
  const watch = new Watch(federation, new Set(dishonest))
  await federation.startAll()
  return { federation, watch, names }
}

export function completed(analysis: string, written: unknown): Job['parameters'] {
  return findAnalysis(analysis)?.complete(written, () => ['0', '1']) as Job['parameters']
}

export const describeJob = (federation: Federation, change: Partial<Job> = {}): Job =>
  federation.job('describe', completed('describe', { columns: ['age'] }), change)

/** Several rounds over the same sites. */
export const logisticJob = (federation: Federation, change: Partial<Job> = {}): Job =>
  federation.job(
    'logistic',
    completed('logistic', { outcome: { column: 'event', is: 1 }, covariates: ['age'] }),
    change,
  )

export const submit = (federation: Federation, job: Job): Promise<Hex> => federation.node('researcher').up().submit(job)

export const viewAt = (federation: Federation, name: string, job: Hex) => federation.node(name).up().job(job)

/** What the researcher holds in the end: `status` or `status/code`, and the sites in the sum. */
export async function ending(federation: Federation, job: Hex) {
  const view = federation.node('researcher').up().job(job)
  const result = await federation.node('researcher').up().result(job)
  const included = Object.entries(view?.sites ?? {})
    .flatMap(([name, site]) => (site.included ? [name] : []))
    .sort()
  return { status: view?.status, code: view?.code, included, result }
}

/** The released numbers of a describe job are those of exactly these sites' rows, and the receipt proves it. */
export async function assertExact(federation: Federation, job: Hex, sites: readonly string[]): Promise<void> {
  const { status, code, included, result } = await ending(federation, job)
  assert.deepEqual({ status, code, included }, { status: 'released', code: 'released', included: [...sites].sort() })
  const ages = sites.flatMap(
    (name) => [...(federation.node(name).versions[0]?.rows.columns.get('age') ?? [])] as number[],
  )
  const mean = ages.reduce((sum, one) => sum + one, 0) / ages.length
  assert.ok(result?.result !== undefined)
  const described = (result.result as { describe: { age: { n: number; mean: number } } }).describe.age
  assert.equal(described.n, ages.length)
  assert.ok(Math.abs(described.mean - mean) < 1e-9 * mean)
  const report = verifyReceipt(result?.receipt as Uint8Array, {
    hubKey: federation.hubKey,
    result: JSON.parse(JSON.stringify(result?.result)),
  })
  assert.ok(report.ok, JSON.stringify(report.findings.filter((one) => !one.ok)))
}

/** A floor of three organisations, for tests with few sites. */
export const LOW_FLOOR = policySchema.parse({ version: 1, minimumCohort: 3, approve: [{ analyses: 'builtin' }] })

/** Simulated seconds pass. */
export const pass = (federation: Federation, seconds: number): Promise<boolean> =>
  federation.clock.run(federation.clock.now() + seconds * 1000)

/** Runs until something holds; fails if it does not within an hour. */
export async function until(federation: Federation, what: string, done: () => boolean): Promise<void> {
  assert.ok(await federation.clock.run(federation.clock.now() + 3_600_000, done), `never happened: ${what}`)
}

export const audited = (federation: Federation, name: string, event: string): number =>
  federation.node(name).audit.filter((one) => one.event === event).length
