/**
 * The oracle of every release: the analysis over the plain sum of exactly the sites whose updates were opened, with no
 * cryptography in between. The sums are of integers, so the released numbers must be equal to the last bit.
 */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { presentResult } from '@flamesh/protocol/jobs/receipt-document.js'
import { selectRows } from '@flamesh/protocol/jobs/where.js'
import { decodeVector, encodeVector } from '@flamesh/protocol/secagg/ring.js'
import type { Federation } from '../federation.js'

const RING = 128
const NO_SALT = new Uint8Array(32)

/** What a job over these sites should have released, without its proof; undefined if it should not have released. */
export function plainResult(federation: Federation, job: Job, sites: readonly string[]): unknown {
  const analysis = findAnalysis(job.analysis.name, job.analysis.version)
  if (analysis === undefined) return undefined
  const rows = sites.flatMap((name) => {
    const held = federation.node(name).versions[0]?.rows
    return held === undefined ? [] : [selectRows(held, job.where, analysis.others)]
  })
  const { parameters } = job
  const rules = { minimumCell: job.minimumCell, minimumContributors: job.cohort.minimum }
  let state: unknown
  for (let round = 1; round <= job.maxRounds; round++) {
    const { slots, bound, fractionBits } = analysis.plan(parameters, state)
    const sum = slots.map(() => 0n)
    for (const one of rows) {
      const values = analysis.contribute(one, parameters, state)
      decodeVector(encodeVector(values, RING, fractionBits, bound), RING, fractionBits).forEach((word, at) => {
        sum[at] = (sum[at] ?? 0n) + word
      })
    }
    const context = { parameters, rules, survivors: sites.length, everyRow: job.where.length === 0 }
    const outcome = analysis.combine(sum, context, state)
    if (outcome.kind === 'suppressed') return undefined
    if (outcome.kind === 'result') return presentResult(job, encode(outcome.released as never), NO_SALT)
    state = outcome.state
  }
  return undefined
}

/** Whether a release is that of the plain sum over these sites. */
export function isExact(federation: Federation, job: Job, sites: readonly string[], released: unknown): boolean {
  const plain = plainResult(federation, job, sites)
  return plain !== undefined && withoutProof(plain) === withoutProof(released)
}

function withoutProof(result: unknown): string {
  const { proof: _, ...rest } = result as { readonly proof?: unknown }
  return JSON.stringify(rest)
}
