/**
 * The scene of one case: a federation from its shape, with rows whose sums give away who is in them. Site i has 20 + 2^i
 * patients, so a count names the sites that were added, and one that was added twice shows.
 */
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { bytesToHex, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { committeeFor } from '@flamesh/protocol/identity/roster.js'
import { JOB, type Job } from '@flamesh/protocol/jobs/job.js'
import { type Policy, policySchema } from '@flamesh/protocol/jobs/policy.js'
import { encodeWire } from '@flamesh/protocol/wire.js'
import { Federation, START_MS } from '../federation.js'
import { seededRandom } from '../kernel/random.js'
import { type Case, committeeNames, type JobPlan, RESEARCHER, type Shape, siteNames } from './case.js'

const DATASET = 'cases'
const COLUMNS = [
  { name: 'age', type: 'integer' as const },
  { name: 'treated', type: 'integer' as const, levels: ['0', '1'] },
  { name: 'event', type: 'integer' as const, levels: ['0', '1'] },
]

const QUESTIONS = {
  describe: { columns: ['age'] },
  table: { rows: 'treated', columns: 'event' },
  linear: { outcome: 'age', covariates: ['treated'] },
  logistic: { outcome: 'event', covariates: ['age'] },
}

/** The lowest floor a site may have: small federations are cheap. */
const LOW_FLOOR: Policy = policySchema.parse({ version: 1, minimumCohort: 3, approve: [{ analyses: 'builtin' }] })

export const rowsOf = (index: number, old: boolean, version = 0): Rows => {
  const random = seededRandom(version, `rows/${index}`)
  const count = 20 + 2 ** index
  const age = Float64Array.from({ length: count }, () => 40 + random.integer(40))
  if (old) for (let row = 0; row < 12; row++) age[row] = 80 + random.integer(10)
  const treated = Float64Array.from({ length: count }, () => random.integer(2))
  const event = age.map((years) => (random.fraction() < (years - 30) / 60 ? 1 : 0))
  return { count, columns: new Map([['age', age], ['treated', treated], ['event', event]]) } // biome-ignore format: one line
}

const CONSENTING: Policy = policySchema.parse({
  ...LOW_FLOOR,
  consents: [{ analyses: Object.keys(QUESTIONS), datasets: [DATASET] }],
})

/** Federations of one shape have one of so many sets of keys, and start from disks on which their nodes have met before. */
const KEY_SEEDS = 16

interface Met {
  readonly entries: ReadonlyMap<string, Uint8Array>
  readonly secrets: ReadonlyMap<string, Uint8Array>
}

const met = new Map<string, ReadonlyMap<string, Met>>()

/** Every node up, with the log, the others' one-time keys and its own: made once for each shape and set of keys. */
export async function start(federation: Federation, { seed, shape }: Case): Promise<void> {
  const keySeed = seed % KEY_SEEDS
  const { sites, committee } = shape
  const name = `${sites}/${committee}/${keySeed}`
  const disks = met.get(name) ?? (await meet({ sites, committee, latencyMs: 5, old: 0 }, keySeed))
  met.set(name, disks)
  for (const node of federation.nodes.values()) {
    const disk = disks.get(node.name)
    if (disk !== undefined) node.disk.replace(disk.entries, disk.secrets)
  }
  await federation.startAll()
}

async function meet(shape: Shape, seed: number): Promise<ReadonlyMap<string, Met>> {
  const federation = federationOf({ version: 1, seed, name: 'calm', shape, jobs: [], operations: [], calmMs: 0 })
  await federation.startAll()
  await federation.stop()
  return new Map(
    [...federation.nodes].map(([name, { disk }]) => [name, { entries: disk.entries, secrets: disk.secrets }]),
  )
}

/** `altered`: the index of a site that has other patients, as many of them. */
export function federationOf({ seed, shape }: Case, altered?: number): Federation {
  const federation = new Federation({
    seed,
    keySeed: seed % KEY_SEEDS,
    dataset: DATASET,
    columns: COLUMNS,
    sites: siteNames(shape).map((name, at) => ({ name, rows: rowsOf(at, at < shape.old, at === altered ? 1 : 0) })),
    committee: committeeNames(shape),
    latencyMs: shape.latencyMs,
    policy: LOW_FLOOR,
  })
  for (const name of shape.consenting ?? []) federation.node(name).policy = CONSENTING
  return federation
}

/** The job of a plan, signed; whatever the researcher's own engine would say to it. */
export function signJob(federation: Federation, seed: number, at: number, plan: JobPlan) {
  const researcher = federation.node(RESEARCHER)
  const analysis = findAnalysis(plan.analysis)
  const parameters = analysis?.complete(QUESTIONS[plan.analysis], () => ['0', '1']) as Job['parameters']
  const roster = researcher.up().roster()
  const first = [...roster.committees.values()].filter((one) => one.datasets.includes(DATASET))
  const committee = first[plan.committee]?.index ?? committeeFor(roster, DATASET)?.index ?? -1
  const now = federation.clock.now()
  const job = federation.job(plan.analysis, parameters, {
    nonce: bytesToHex(sha256(utf8ToBytes(`${seed}/${at}`))),
    where: plan.age === null ? [] : [{ column: 'age', operator: 'at-least', values: [plan.age] }],
    cohort: {
      sites: plan.sites === null ? [] : plan.sites.map((name) => federation.node(name).key).sort(),
      minimum: plan.minimum,
      approveWithinMs: 3_000,
    },
    committee,
    ...(plan.rounds === undefined || !analysis?.iterative ? {} : { maxRounds: plan.rounds }),
    submitWithinMs: 4_000,
    notBefore: now,
    notAfter: now + plan.minutes * 60_000,
  })
  return { job, signed: signObject(JOB.kind, JOB.version, job, researcher.signer) }
}

/** The researcher says a job; where its own engine would refuse to, it is said to everyone without asking it. */
export async function announce(federation: Federation, signed: Signed): Promise<void> {
  const { network } = federation
  const researcher = federation.node(RESEARCHER)
  const bytes = encodeWire({ type: 'job', job: signed })
  const verdict = await researcher.peer?.receive(researcher.key, bytes, 'direct').catch(() => undefined)
  if (verdict?.verdict === 'accept') return
  for (const node of federation.nodes.values()) {
    if (node === researcher) continue
    network
      .transportOf(researcher.key)
      .send(node.key, bytes)
      .catch(() => undefined)
  }
}

export const sinceStart = (federation: Federation): number => federation.clock.now() - START_MS
