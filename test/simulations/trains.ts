/** Federations whose sites let their rows travel, and jobs with a route through the first of them. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { CONFIRMATION, HOP } from '@flamesh/protocol/trains/messages.js'
import type { Route } from '@flamesh/protocol/trains/route.js'
import type { Federation } from '@flamesh/simulations/federation.js'
import { completed, ending, type World, type WorldOptions, world } from './world.js'

export const TRAINS = policySchema.parse({
  version: 1,
  minimumCohort: 3,
  trains: true,
  approve: [{ analyses: 'builtin' }],
})

export const HOP_MS = 20_000

export const trainWorld = (options: WorldOptions = {}): Promise<World> =>
  world({ sites: 5, seats: 4, policy: TRAINS, ...options })

interface RouteOptions extends Partial<Omit<Route, 'stations'>> {
  readonly stations?: readonly string[]
  readonly minimum?: number
  readonly change?: Partial<Job>
}

function withRoute(federation: Federation, job: Job, options: RouteOptions): Job {
  const { stations: names, minimum, unreachable = 'wait', hopWithinMs = HOP_MS } = options
  const sites = names ?? [...federation.nodes.keys()].filter((name) => name.startsWith('site')).slice(0, 5)
  const stations = sites.map((name) => federation.node(name).key)
  return {
    ...job,
    cohort: { ...job.cohort, sites: [...stations].sort(), minimum: minimum ?? Math.min(5, stations.length) },
    route: { stations, unreachable, hopWithinMs },
    ...options.change,
  }
}

/** Mean and variance of the ages at every station. */
export const describeTrain = (federation: Federation, options: RouteOptions = {}): Job =>
  withRoute(federation, federation.job('describe', completed('describe', { columns: ['age'] })), options)

/** A model that grows by a hospital at every station. */
export const linearTrain = (federation: Federation, options: RouteOptions = {}): Job =>
  withRoute(
    federation,
    federation.job('linear', completed('linear', { outcome: 'event', covariates: ['age'] })),
    options,
  )

/** Slope and intercept over the pooled rows of these sites, by plain sums. */
export function pooledFit(federation: Federation, sites: readonly string[]): { slope: number; intercept: number } {
  const column = (name: string): number[] =>
    sites.flatMap((site) => [...(federation.node(site).versions[0]?.rows.columns.get(name) ?? [])] as number[])
  const [x, y] = [column('age'), column('event')]
  const mean = (values: number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length
  const [mx, my] = [mean(x), mean(y)]
  const sxy = x.reduce((sum, one, at) => sum + (one - mx) * ((y[at] as number) - my), 0)
  const sxx = x.reduce((sum, one) => sum + (one - mx) ** 2, 0)
  return { slope: sxy / sxx, intercept: my - (sxy / sxx) * mx }
}

/** The coefficients that arrived are those of exactly these sites' rows. */
export async function assertFit(federation: Federation, job: Hex, sites: readonly string[]): Promise<void> {
  const { status, code, included, result } = await ending(federation, job)
  assert.deepEqual({ status, code, included }, { status: 'released', code: 'released', included: [...sites].sort() })
  assert.ok(result !== undefined)
  const { names, coef, n } = result.result as { names: string[]; coef: number[]; n: number }
  const { slope, intercept } = pooledFit(federation, sites)
  const rows = sites.reduce((sum, name) => sum + (federation.node(name).versions[0]?.rows.count ?? 0), 0)
  assert.equal(n, rows)
  assert.equal(names.length, 2)
  for (const [at, expected] of [intercept, slope].entries())
    assert.ok(
      Math.abs((coef[at] as number) - expected) < 1e-9 * Math.max(1, Math.abs(expected)),
      `${coef[at]} ${expected}`,
    )
  const report = verifyReceipt(result.receipt, {
    hubKey: federation.hubKey,
    result: JSON.parse(JSON.stringify(result.result)),
  })
  assert.ok(report.ok, JSON.stringify(report.findings.filter((one) => !one.ok)))
}

/** Every hop and every confirmation of a station agrees with what it signed first. */
export function assertOnce({ watch }: World): void {
  const said = new Map<string, string>()
  for (const { message } of watch.seen) {
    const claims: [string, Hex][] = []
    if (message.type === 'train' || message.type === 'travelling' || message.type === 'delivery')
      for (const signed of message.hops) {
        const { body } = openSigned(signed, HOP)
        claims.push([`${body.station} adds`, `${body.previous} ${body.state} ${body.failed}`])
      }
    if (message.type === 'confirmation') {
      const { body } = openSigned(message.confirmation, CONFIRMATION)
      claims.push([`${body.station} confirms`, body.last])
    }
    for (const [question, answer] of claims) {
      assert.equal(said.get(question) ?? answer, answer, question)
      said.set(question, answer)
    }
  }
}
