/**
 * A whole federation in one process: the production engine at every node, over a simulated network, clock, disk and hub.
 * What is simulated is named so; what decides is the protocol's own code.
 */

import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { analysisHash, findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key, x25519PublicKey } from '@flamesh/protocol/crypto/native/index.js'
import { hashOf } from '@flamesh/protocol/encoding/canonical.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { createPeer } from '@flamesh/protocol/engine.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import { signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { merkleRoot } from '@flamesh/protocol/identity/merkle.js'
import { committeeFor, type Role } from '@flamesh/protocol/identity/roster.js'
import { type Entry, openStatement, signStatement } from '@flamesh/protocol/identity/statements.js'
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { type Policy, policySchema } from '@flamesh/protocol/jobs/policy.js'
import { selectRows } from '@flamesh/protocol/jobs/where.js'
import type { Timings } from '@flamesh/protocol/machine.js'
import { DEFAULT_TIMINGS } from '@flamesh/protocol/machine.js'
import type { AuditEntry, Peer, PeerEvent } from '@flamesh/protocol/peer.js'
import type { ContributeRequest, Runner } from '@flamesh/protocol/ports.js'
import { VirtualClock } from './kernel/clock.js'
import { SimulatedDisk } from './kernel/disk.js'
import { type SeededRandom, seededRandom } from './kernel/random.js'
import { SimulatedNetwork } from './network/network.js'

export const START_MS = Date.UTC(2026, 0, 1)
const YEAR_MS = 365 * 24 * 3_600_000

export interface SimulatedSite {
  readonly name: string
  readonly rows: Rows
}

export interface FederationOptions {
  readonly seed: number
  readonly dataset: string
  readonly columns: DatasetDescription['columns']
  readonly sites: readonly SimulatedSite[]
  /** names in seat order */
  readonly committee: readonly string[]
  readonly latencyMs?: number
  readonly policy?: Policy
  readonly timings?: Timings
}

export const APPROVE_ALL: Policy = policySchema.parse({ version: 1, approve: [{ analyses: 'builtin' }] })

/** One simulated machine: what survives a kill, and the engine that runs on it. */
export class SimulatedNode {
  readonly audit: AuditEntry[] = []
  readonly events: PeerEvent[] = []
  readonly disk = new SimulatedDisk()
  readonly signer: Signer
  readonly sealingSecret: Uint8Array
  /** every version of its rows, the newest last */
  readonly versions: { readonly version: Hex; readonly rows: Rows }[] = []
  policy: Policy
  /** stands in for the site's own trouble: a code makes its analysis fail */
  failure: string | undefined
  peer: Peer | undefined
  /** how often it was started */
  lives = 0

  constructor(
    readonly name: string,
    readonly roles: readonly Role[],
    private readonly federation: Federation,
    rows: Rows | undefined,
  ) {
    const random = seededRandom(federation.options.seed, `keys/${name}`)
    const key = ed25519Key(random.bytes(32))
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

  /** Starts the engine on what the disk holds and joins the network. */
  async start(): Promise<void> {
    const { federation } = this
    const { options, clock, network } = federation
    const life = this.lives++
    this.disk.killAt = undefined
    this.disk.onKill = () => this.drop()
    const peer = createPeer({
      hubKey: federation.hubKey,
      signer: this.signer,
      sealingSecret: this.sealingSecret,
      ports: {
        store: this.disk.store(),
        vault: this.disk.vault(),
        transport: network.transportOf(this.key),
        clock,
        random: seededRandom(options.seed, `random/${this.name}/${life}`),
        runner: this.runner(),
      },
      policy: this.policy,
      datasets: this.datasets(),
      onAudit: (entry) => this.audit.push(entry),
      onEvent: (event) => this.events.push(event),
      timings: options.timings ?? DEFAULT_TIMINGS,
    })
    this.peer = peer
    await peer.start()
    await peer.learnLog(federation.statements, federation.checkpoint())
    if (this.peer === peer) network.join(peer)
  }

  /** kill -9: memory is gone, the disk stays. */
  kill(): void {
    const { peer } = this
    this.drop()
    peer?.stop().catch(() => undefined)
  }

  private drop(): void {
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

  /** The analysis itself is the product's; only the place it runs in is simulated. */
  private runner(): Runner {
    return {
      contribute: async (request: ContributeRequest) => {
        const analysis = findAnalysis(request.analysis, request.analysisVersion)
        const current = this.versions.find((one) => one.version === request.datasetVersion)
        if (analysis === undefined || current === undefined)
          return { ok: false, code: 'dataset-missing', message: 'nothing to analyse' }
        if (this.failure !== undefined) return { ok: false, code: this.failure, message: 'the analysis failed' }
        try {
          const rows = selectRows(current.rows, request.where as Job['where'])
          return { ok: true, values: analysis.contribute(rows, request.parameters, request.state) }
        } catch (error) {
          return { ok: false, code: errorCode(error), message: 'the analysis failed' }
        }
      },
    }
  }
}

export class Federation {
  readonly clock = new VirtualClock(START_MS)
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly nodes = new Map<string, SimulatedNode>()
  readonly statements: Uint8Array[] = []
  readonly hubKey: Hex
  private readonly hub: Signer

  constructor(readonly options: FederationOptions) {
    this.random = seededRandom(options.seed, 'network')
    const key = ed25519Key(seededRandom(options.seed, 'hub').bytes(32))
    this.hub = { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
    this.hubKey = this.hub.publicKey
    this.network = new SimulatedNetwork(this.clock, this.random, () => options.latencyMs ?? 5)
    for (const site of options.sites) this.enrol(new SimulatedNode(site.name, ['site', 'aggregator'], this, site.rows))
    this.enrol(new SimulatedNode('researcher', ['researcher'], this, undefined))
    this.append({
      type: 'name-committee',
      name: 'default',
      members: options.committee.map((name) => this.node(name).key),
      datasets: [options.dataset],
    })
  }

  node(name: string): SimulatedNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    return node
  }

  private enrol(node: SimulatedNode): void {
    this.nodes.set(node.name, node)
    const certificate = {
      name: node.name,
      organisation: `org-${node.name}`,
      roles: [...node.roles],
      key: node.key,
      sealingKey: bytesToHex(x25519PublicKey(node.sealingSecret)),
      notBefore: START_MS - 1000,
      notAfter: START_MS + YEAR_MS,
    }
    this.append({ type: 'enrol', certificate })
  }

  /** The simulated hub says one more thing; nobody has heard it until `tell`. */
  append(entry: Entry): void {
    this.statements.push(signStatement({ index: this.statements.length, timestamp: this.clock.now(), entry }, this.hub))
  }

  checkpoint(): Uint8Array {
    return signCheckpoint(
      this.statements.length,
      merkleRoot(this.statements.map((bytes) => openStatement(bytes, this.hubKey).leaf)),
      this.clock.now(),
      this.hub,
    )
  }

  async tell(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.nodes.get(name)?.peer?.learnLog(this.statements, this.checkpoint())
  }

  async startAll(except: readonly string[] = []): Promise<void> {
    for (const node of this.nodes.values()) if (!except.includes(node.name)) await node.start()
    await this.clock.run(this.clock.now() + 500)
  }

  /** A job with everything filled in; any field can be replaced. */
  job(analysis: string, parameters: Job['parameters'], change: Partial<Job> = {}): Job {
    const researcher = this.node('researcher')
    const roster = researcher.up().roster()
    const version = findAnalysis(analysis)?.version ?? 1
    const body = researcher.up().checkpoint()
    return {
      name: `${analysis} of ${this.options.dataset}`,
      purpose: 'simulation',
      researcher: researcher.key,
      nonce: bytesToHex(this.random.bytes(32)),
      analysis: { name: analysis, version, hash: analysisHash(analysis, version) },
      dataset: this.options.dataset,
      where: [],
      parameters,
      cohort: { sites: [], minimum: 5, approveWithinMs: 10_000 },
      committee: committeeFor(roster, this.options.dataset)?.index ?? -1,
      maxColluding: 1,
      opening: 'committee',
      dropout: findAnalysis(analysis)?.iterative ? 'pause' : 'drop',
      submitWithinMs: 10_000,
      privacy: { mechanism: 'none' },
      minimumCell: 5,
      recipients: [researcher.key],
      maxRounds: findAnalysis(analysis)?.iterative ? 32 : 1,
      maxAttempts: 8,
      notBefore: this.clock.now(),
      notAfter: this.clock.now() + 3_600_000,
      checkpoint: { size: body?.size ?? 0, root: body?.root ?? '' },
      ...change,
    }
  }

  /** Runs until the researcher's job has ended, or so many simulated milliseconds have passed. */
  finish(job: Hex, withinMs = 3_600_000): Promise<boolean> {
    const ended = ['released', 'suppressed', 'failed', 'expired', 'cancelled']
    return this.clock.run(this.clock.now() + withinMs, () =>
      ended.includes(this.node('researcher').peer?.job(job)?.status ?? ''),
    )
  }
}
