/**
 * A whole federation in one process: the production engine at every node, over a simulated network, clock, disk and hub.
 * What is simulated is named so; what decides is the protocol's own code.
 */
import { analysisHash, findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key, x25519PublicKey } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { emptyLog, extendLog } from '@flamesh/protocol/identity/log.js'
import { merkleRoot } from '@flamesh/protocol/identity/merkle.js'
import { committeeFor } from '@flamesh/protocol/identity/roster.js'
import { type Entry, openStatement, signStatement } from '@flamesh/protocol/identity/statements.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { VerifiedLog } from '@flamesh/protocol/peer.js'
import type { Computer } from '@flamesh/protocol/ports.js'
import { compute } from '@flamesh/protocol/secagg/compute.js'
import type { FederationOptions } from './federation-options.js'
import { VirtualClock } from './kernel/clock.js'
import { installVirtualGlobals } from './kernel/globals.js'
import { type SeededRandom, seededRandom } from './kernel/random.js'
import { ComputeThreads } from './kernel/threads.js'
import { type Costs, FREE } from './network/costs.js'
import { Flood } from './network/flood.js'
import { DEFAULT_NEIGHBOURS, Links } from './network/links.js'
import { SimulatedNetwork } from './network/network.js'
import { RouterBroadcast } from './network/router.js'
import { APPROVE_ALL, SimulatedNode } from './node.js'

export const START_MS = Date.UTC(2026, 0, 1)
const DAY_MS = 24 * 3_600_000
const YEAR_MS = 365 * 24 * 3_600_000

/** From so many sites on other threads are worth their start. */
const THREADS_FROM_SITES = 100
const DEFAULT_LATENCY_MS = 5
const DEFAULT_JITTER = 0.2
const DEFAULT_SILENCE_MS = 3000

export { APPROVE_ALL, SimulatedNode }

export class Federation {
  readonly clock = new VirtualClock(START_MS)
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly nodes = new Map<string, SimulatedNode>()
  readonly statements: Uint8Array[] = []
  readonly hubKey: Hex
  readonly costs: Costs
  /** false: nodes that start learn the log from each other alone */
  hubUp = true
  private readonly byKey = new Map<Hex, SimulatedNode>()
  private readonly hub: Signer
  private threads: ComputeThreads | undefined
  private signed:
    | { readonly name: string; readonly checkpoint: Uint8Array; readonly log: VerifiedLog | undefined }
    | undefined

  constructor(readonly options: FederationOptions) {
    this.random = seededRandom(options.seed, 'network')
    this.costs = options.costs ?? FREE
    const key = ed25519Key(seededRandom(options.keySeed ?? options.seed, 'hub').bytes(32))
    this.hub = { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
    this.hubKey = this.hub.publicKey
    this.network = this.connect()
    for (const site of options.sites) this.enrol(new SimulatedNode(site.name, ['site', 'aggregator'], this, site.rows))
    for (const name of ['researcher', ...(options.researchers ?? [])])
      this.enrol(new SimulatedNode(name, ['researcher'], this, undefined))
    this.append({
      type: 'name-committee',
      name: 'default',
      members: options.committee.map((name) => this.node(name).key),
      datasets: [options.dataset],
    })
  }

  private connect(): SimulatedNetwork {
    const { latencyMs = DEFAULT_LATENCY_MS, network = {}, seed } = this.options
    const nameOf = (key: Hex): string => this.byKey.get(key)?.name ?? ''
    const links = new Links(
      {
        latencyMs: typeof latencyMs === 'number' ? () => latencyMs : (from, to) => latencyMs(nameOf(from), nameOf(to)),
        jitter: network.jitter ?? DEFAULT_JITTER,
        loss: network.loss ?? 0,
        uplinkBytesPerMs: network.uplinkBytesPerMs,
        neighbours: network.neighbours ?? DEFAULT_NEIGHBOURS,
      },
      this.random,
      seededRandom(seed, 'topology'),
    )
    return new SimulatedNetwork({
      clock: this.clock,
      random: this.random,
      links,
      costs: this.costs,
      silenceMs: network.silenceMs ?? DEFAULT_SILENCE_MS,
      broadcast: (ports) => {
        if (this.options.gossip !== 'router') return new Flood(ports)
        return new RouterBroadcast(ports, installVirtualGlobals(this.clock, seededRandom(seed, 'globals')))
      },
    })
  }

  node(name: string): SimulatedNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    return node
  }

  private enrol(node: SimulatedNode): void {
    this.nodes.set(node.name, node)
    this.byKey.set(node.key, node)
    this.network.links.enrol(node.key)
    if (this.options.network?.outboundOnly?.includes(node.name)) this.network.links.outboundOnly.add(node.key)
    const certificate = {
      name: node.name,
      organisation: `org-${node.name}`,
      roles: [...node.roles],
      key: node.key,
      sealingKey: bytesToHex(x25519PublicKey(node.sealingSecret)),
      // long enough ago for a clock that is behind
      notBefore: START_MS - DAY_MS,
      notAfter: START_MS + YEAR_MS,
    }
    this.append({ type: 'enrol', certificate })
  }

  /** The simulated hub says one more thing; nobody has heard it until `tell`. */
  append(entry: Entry): void {
    this.statements.push(signStatement({ index: this.statements.length, timestamp: this.clock.now(), entry }, this.hub))
  }

  checkpoint(): Uint8Array {
    const { statements, clock } = this
    const name = `${statements.length}/${clock.now()}`
    if (this.signed?.name !== name) this.signed = { name, checkpoint: this.checkpointOf(statements), log: undefined }
    return this.signed.checkpoint
  }

  private checkpointOf(statements: readonly Uint8Array[]): Uint8Array {
    const root = merkleRoot(statements.map((bytes) => openStatement(bytes, this.hubKey).leaf))
    return signCheckpoint(statements.length, root, this.clock.now(), this.hub)
  }

  /** Another log of this hub, which says something else in the place of its last statement. */
  otherLog(entry: Entry): { readonly statements: readonly Uint8Array[]; readonly checkpoint: Uint8Array } {
    const index = this.statements.length - 1
    const other = signStatement({ index, timestamp: this.clock.now(), entry }, this.hub)
    const statements = [...this.statements.slice(0, index), other]
    return { statements, checkpoint: this.checkpointOf(statements) }
  }

  /** The log up to the newest checkpoint, verified once for all nodes. */
  verifiedLog(): VerifiedLog | undefined {
    if (this.signed === undefined) return undefined
    if (this.signed.log === undefined) {
      const outcome = extendLog(emptyLog, this.statements, this.signed.checkpoint, this.hubKey)
      if (outcome.outcome === 'refused') return undefined
      const statements = this.statements.slice(0, outcome.state.leaves.length)
      this.signed = { ...this.signed, log: { state: outcome.state, statements } }
    }
    return this.signed.log
  }

  async tell(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.nodes.get(name)?.peer?.learnLog(this.statements, this.checkpoint())
  }

  /** Ends a federation for good: nothing of it happens any more. */
  async stop(): Promise<void> {
    await this.threads?.stop()
    await this.network.broadcast.stop()
    for (const node of this.nodes.values()) node.kill()
  }

  /** A node's arithmetic takes its processor's time; on a fast machine none, and then the engine does it itself. */
  computerOf(key: Hex): { readonly computer?: Computer } {
    const { costs, network, options } = this
    if (costs.masking(1, 1) <= 0) return {}
    const computer: Computer = {
      compute: (task) => {
        if (task.kind !== 'prepare') return Promise.resolve(compute(task))
        const { seats, dimension } = task.input.shape
        if (options.sites.length >= (options.threadsFromSites ?? THREADS_FROM_SITES))
          this.threads ??= new ComputeThreads()
        const answer = this.threads?.begin(task) ?? (() => compute(task))
        return new Promise((resolve) =>
          network.cpu.after(key, costs.masking(seats, dimension), () => resolve(answer())),
        )
      },
    }
    return { computer }
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
      image: null,
      dataset: this.options.dataset,
      where: [],
      parameters,
      cohort: { sites: [], minimum: 5, approveWithinMs: 10_000 },
      route: null,
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
    const researcher = this.node('researcher')
    let [looked, told] = ['', 0]
    let over = false
    return this.clock.run(this.clock.now() + withinMs, () => {
      // a view of a thousand sites takes a while: it is looked at when the status changed, or in a new life
      const { events, lives, peer } = researcher
      const news = events.slice(told).some((one) => one.event === 'job-status')
      told = events.length
      const life = `${lives}/${peer === undefined}`
      if (news || life !== looked) over = ended.includes(peer?.job(job)?.status ?? '')
      looked = life
      return over
    })
  }
}
