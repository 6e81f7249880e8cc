/**
 * One simulated machine: what survives a kill, and the production engine that runs on it. What is simulated is named so; what
 * decides is the protocol's own code.
 */
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { hashOf } from '@flamesh/protocol/encoding/canonical.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { createPeer } from '@flamesh/protocol/engine.js'
import { errorCode, FlameshError } from '@flamesh/protocol/errors.js'
import type { Role } from '@flamesh/protocol/identity/roster.js'
import { imageVector } from '@flamesh/protocol/images/analysis.js'
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { type Policy, policySchema } from '@flamesh/protocol/jobs/policy.js'
import { selectRows } from '@flamesh/protocol/jobs/where.js'
import { DEFAULT_TIMINGS } from '@flamesh/protocol/machine.js'
import type { AuditEntry, Peer, PeerEvent, VerifiedLog } from '@flamesh/protocol/peer.js'
import type {
  Clock,
  Computer,
  ContributeOutcome,
  ContributeRequest,
  ReduceRequest,
  Run,
  Runner,
} from '@flamesh/protocol/ports.js'
import type { FederationOptions } from './federation-options.js'
import type { VirtualClock } from './kernel/clock.js'
import { SimulatedDisk } from './kernel/disk.js'
import { seededRandom } from './kernel/random.js'
import type { Costs } from './network/costs.js'
import type { SimulatedNetwork } from './network/network.js'

export const APPROVE_ALL: Policy = policySchema.parse({ version: 1, approve: [{ analyses: 'builtin' }] })

/** What a machine meets of the federation it is in. */
export interface Surroundings {
  readonly options: FederationOptions
  readonly network: SimulatedNetwork
  readonly clock: VirtualClock
  readonly costs: Costs
  readonly hubKey: Hex
  readonly hubUp: boolean
  readonly statements: readonly Uint8Array[]
  checkpoint(): Uint8Array
  verifiedLog(): VerifiedLog | undefined
  computerOf(key: Hex): { readonly computer?: Computer }
}

export class SimulatedNode {
  readonly audit: AuditEntry[] = []
  readonly events: PeerEvent[] = []
  readonly disk = new SimulatedDisk()
  readonly signer: Signer
  /** of its Ed25519 key, which is also its name in the network */
  readonly identitySeed: Uint8Array
  readonly sealingSecret: Uint8Array
  /** every version of its rows, the newest last */
  readonly versions: { readonly version: Hex; readonly rows: Rows }[] = []
  policy: Policy
  /** stands in for the site's own trouble: a code makes its analysis fail */
  failure: string | undefined
  /** a slow machine: how many times longer its analyses take */
  slowdown = 1
  peer: Peer | undefined
  /** how often it was started */
  lives = 0
  /** runs that its engine did not wait for any more */
  cancelled = 0
  /** how far its clock is ahead of the simulated time (milliseconds) */
  skewMs = 0

  constructor(
    readonly name: string,
    readonly roles: readonly Role[],
    private readonly federation: Surroundings,
    rows: Rows | undefined,
  ) {
    const { seed, keySeed = seed } = federation.options
    const random = seededRandom(keySeed, `keys/${name}`)
    this.identitySeed = random.bytes(32)
    const key = ed25519Key(this.identitySeed)
    this.signer = { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
    this.sealingSecret = random.bytes(32)
    if (rows !== undefined) this.versions.push({ version: this.key, rows })
    this.policy = federation.options.policy ?? APPROVE_ALL
  }

  get key(): Hex {
    return this.signer.publicKey
  }

  get rows(): Rows | undefined {
    return this.versions.at(-1)?.rows
  }

  /** The operator adds the dataset anew, with other rows; jobs approved before keep theirs. */
  async replaceRows(rows: Rows): Promise<void> {
    this.versions.push({ version: hashOf([this.key, this.versions.length]), rows })
    await this.up().setDatasets(this.datasets())
  }

  up(): Peer {
    if (this.peer === undefined) throw new Error(`${this.name} is down`)
    return this.peer
  }

  /** Graceful: what is under way is written, then the node leaves the network. */
  async stop(): Promise<void> {
    const { peer } = this
    await peer?.stop()
    if (this.peer === peer) this.drop()
  }

  /** Starts the engine on what the disk holds and joins the network. */
  async start(): Promise<void> {
    const { federation } = this
    const { options, network } = federation
    const life = this.lives++
    this.disk.killAt = undefined
    this.disk.onKill = () => this.drop()
    this.disk.onWrite = (key, value) => network.wrote(this.key, key, value)
    const peer = createPeer({
      hubKey: federation.hubKey,
      signer: this.signer,
      sealingSecret: this.sealingSecret,
      ports: {
        store: this.disk.store(),
        vault: this.disk.vault(),
        transport: network.transportOf(this.key),
        clock: this.clock(),
        random: seededRandom(options.seed, `random/${this.name}/${life}`),
        runner: this.runner(),
        ...federation.computerOf(this.key),
      },
      policy: this.policy,
      datasets: this.datasets(),
      onAudit: (entry) => this.audit.push(entry),
      onEvent: (event) => this.events.push(event),
      verifiedLog: () => federation.verifiedLog(),
      timings: options.timings ?? DEFAULT_TIMINGS,
    })
    this.peer = peer
    await peer.start()
    if (federation.hubUp) await peer.learnLog(federation.statements, federation.checkpoint())
    if (this.peer === peer) await network.join(peer, this.identitySeed)
  }

  /** What this machine takes for the time. */
  private clock(): Clock {
    const { clock } = this.federation
    return {
      now: () => clock.now() + this.skewMs,
      setTimer: (atMs, fire) => clock.setTimer(atMs - this.skewMs, fire),
    }
  }

  /** kill -9: memory is gone, the disk stays. */
  kill(): void {
    const { peer } = this
    this.drop()
    peer?.stop().catch(() => undefined)
  }

  private drop(): void {
    this.disk.cut()
    this.federation.network.leave(this.key)
    const { peer } = this
    this.peer = undefined
    peer?.stop().catch(() => undefined)
  }

  private datasets(): readonly DatasetDescription[] {
    const { dataset, columns } = this.federation.options
    const current = this.versions.at(-1)
    if (current === undefined) return []
    const { rows, version } = current
    return [
      { name: dataset, columns: [...columns], roundedRows: Math.max(10, Math.round(rows.count / 10) * 10), version },
    ]
  }

  /** The analysis itself is the product's; only the place it runs in is simulated, and how long it takes there. */
  private runner(): Runner {
    return {
      contribute: (request) => {
        const rows = this.versions.find((one) => one.version === request.datasetVersion)?.rows.count ?? 0
        return this.run(rows, this.contribute(request))
      },
      reduce: (request) => this.run(0, this.reduce(request)),
    }
  }

  /** What it comes to is known here before its time is over: there is nothing to break off. */
  private run(rows: number, outcome: ContributeOutcome): Run {
    const { network, costs } = this.federation
    const costMs = this.slowdown * costs.analysis(rows, outcome.ok ? outcome.values.length : 0)
    return {
      outcome: new Promise((resolve) => network.cpu.after(this.key, costMs, () => resolve(outcome))),
      cancel: () => {
        this.cancelled++
      },
    }
  }

  private contribute(request: ContributeRequest): ContributeOutcome {
    const current = this.versions.find((one) => one.version === request.datasetVersion)
    if (current === undefined) return { ok: false, code: 'dataset-missing', message: 'nothing to analyse' }
    if (this.failure !== undefined) return { ok: false, code: this.failure, message: 'the analysis failed' }
    return this.attempt(() => this.valuesOf(current.rows, request))
  }

  private reduce(request: ReduceRequest): ContributeOutcome {
    return this.attempt(() => {
      const { images } = this.federation.options
      if (images === undefined) throw new FlameshError('no-container-engine', 'no image runs here')
      return images.reduce(this.name, request)
    })
  }

  private valuesOf(held: Rows, request: ContributeRequest): Float64Array {
    const { image, analysis, analysisVersion, parameters, state } = request
    const where = request.where as Job['where']
    const { images } = this.federation.options
    if (image !== null && images !== undefined)
      return imageVector(image, images.map(this.name, selectRows(held, where), request)).values
    const builtIn = image === null ? findAnalysis(analysis, analysisVersion) : undefined
    if (builtIn === undefined) throw new FlameshError('analysis-unknown', 'no such analysis runs here')
    return builtIn.contribute(selectRows(held, where, builtIn.others), parameters, state)
  }

  private attempt(compute: () => Float64Array): ContributeOutcome {
    try {
      return { ok: true, values: compute() }
    } catch (error) {
      return { ok: false, code: errorCode(error), message: 'the analysis failed' }
    }
  }
}
