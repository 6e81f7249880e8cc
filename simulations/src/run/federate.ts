/** From a scenario to the federation it describes. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { Federation } from '../federation.js'
import { type SeededRandom, seededRandom } from '../kernel/random.js'
import { FREE, MEASURED } from '../network/costs.js'
import { hospitalLatency, matrixLatency, type NamedLatency, randomLatency } from '../network/latency.js'
import { committeeNames, DATASET, RESEARCHER, siteNames } from '../scenarios/names.js'
import type { Scenario } from '../scenarios/schema.js'
import { patients, SYNTHETIC_COLUMNS, siteSizes } from '../workload/patients.js'

/** Megabits a second are so many bytes a millisecond. */
const BYTES_PER_MS = 125

/** `folder`: what paths in the scenario are relative to. Throws `latency-matrix` or what reading a file throws. */
export function federate(scenario: Scenario, folder: string): Federation {
  const { seed, sites, network } = scenario
  const names = siteNames(scenario)
  const sizes = siteSizes(seed, names.length, sites.rows)
  const outboundOnly = drawSites(scenario, 'outbound-only', sites.outboundOnly)
  return new Federation({
    seed,
    dataset: DATASET,
    columns: SYNTHETIC_COLUMNS,
    sites: names.map((name, at) => ({ name, rows: patients(seed, at, sizes[at] as number, sites) })),
    committee: committeeNames(scenario),
    policy: policySchema.parse({
      version: 1,
      approve: [{ analyses: 'builtin' }],
      minimumCohort: sites.minimumCohort,
      jobsPerDay: 100_000,
    }),
    gossip: network.gossip,
    costs: network.processors === 'measured' ? MEASURED : FREE,
    latencyMs: latencyOf(scenario, folder),
    network: {
      loss: network.loss,
      outboundOnly,
      ...(network.bandwidthMbit === undefined ? {} : { uplinkBytesPerMs: network.bandwidthMbit * BYTES_PER_MS }),
    },
  })
}

/** So many of the sites outside the committee, by lot. */
export function drawSites(scenario: Scenario, stream: string, share: number): readonly string[] {
  const others = siteNames(scenario).slice(scenario.committee)
  const random: SeededRandom = seededRandom(scenario.seed, stream)
  const wanted = Math.round(share * others.length)
  return others
    .map((name) => ({ name, lot: random.fraction() }))
    .sort((a, b) => a.lot - b.lot)
    .slice(0, wanted)
    .map(({ name }) => name)
}

function latencyOf(scenario: Scenario, folder: string): number | NamedLatency {
  const { latency } = scenario.network
  const names = [...siteNames(scenario), RESEARCHER]
  if ('fixed' in latency) return latency.fixed
  if ('csv' in latency) return matrixLatency(readText(resolve(folder, latency.csv)))
  if ('preset' in latency) return hospitalLatency(names)
  return randomLatency(names, scenario.seed, latency.geographic.squareKm)
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new FlameshError('file-not-found', `${path} cannot be read`, { cause })
  }
}
