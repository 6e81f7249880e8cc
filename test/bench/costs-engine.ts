/** What the production engine takes for each kind of message, with everything that follows from it at once. */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Value } from '@flamesh/protocol/encoding/canonical.js'
import { decodeWire } from '@flamesh/protocol/wire.js'
import { Federation } from '@flamesh/simulations/federation.js'
import { SYNTHETIC_COLUMNS, syntheticSites } from './sites.js'
import { spread } from './statistics.js'

const SITES = 20
const JOBS = 4

export interface EngineCost {
  readonly type: string
  readonly count: number
  readonly medianMs: number
  readonly meanMs: number
  /** in the mean */
  readonly bytes: number
}

export async function engineCosts(): Promise<readonly EngineCost[]> {
  const sites = syntheticSites(1, SITES)
  const federation = new Federation({
    seed: 1,
    dataset: 'synthetic',
    columns: SYNTHETIC_COLUMNS,
    sites,
    committee: sites.slice(0, 7).map((site) => site.name),
  })
  await federation.startAll()
  const found = new Map<string, { ms: number[]; bytes: number }>()
  for (const { peer } of federation.nodes.values()) {
    if (peer === undefined) continue
    const receive = peer.receive.bind(peer)
    peer.receive = async (from: Hex, message: Uint8Array, via: 'direct' | 'gossip') => {
      const { type } = decodeWire(message)
      const entry = found.get(type) ?? { ms: [], bytes: 0 }
      found.set(type, entry)
      const start = process.hrtime.bigint()
      const verdict = await receive(from, message, via)
      // what it set off at once has run when a tick comes
      process.nextTick(() => entry.ms.push(Number(process.hrtime.bigint() - start) / 1e6))
      entry.bytes += message.length
      return verdict
    }
  }
  const analysis = findAnalysis('describe')
  const parameters = analysis?.parameters.parse(analysis.complete({ columns: ['age'] }, () => undefined)) as Value
  for (let job = 0; job < JOBS; job++) {
    const id = await federation
      .node('researcher')
      .up()
      .submit(federation.job('describe', parameters, { name: `job ${job}` }))
    await federation.finish(id)
  }
  return [...found].map(([type, { ms, bytes }]) => ({
    type,
    count: ms.length,
    medianMs: spread(ms).median,
    meanMs: ms.reduce((sum, one) => sum + one, 0) / ms.length,
    bytes: Math.round(bytes / ms.length),
  }))
}
