/**
 * A simulated network of the protocol's own engines: links, connections, processors, a broadcast, and faults from a seed. Direct
 * messages have a request and a response, and each can be lost on its own. Every delivery and every write goes into one hash.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Verdict } from '@flamesh/protocol/encoding/verdict.js'
import type { Peer } from '@flamesh/protocol/peer.js'
import type { Transport } from '@flamesh/protocol/ports.js'
import type { VirtualClock } from '../kernel/clock.js'
import type { SeededRandom } from '../kernel/random.js'
import type { Broadcast, BroadcastPorts } from './broadcast.js'
import { Connections } from './connections.js'
import type { Costs } from './costs.js'
import { Counters, Trace } from './counters.js'
import { Cpu } from './cpu.js'
import type { Links } from './links.js'

export interface NetworkFaults {
  /** probability that a connection breaks before a request gets through */
  readonly dropRequest: number
  /** probability that it breaks before the answer does, though the request was handled */
  readonly dropResponse: number
  /** probability that a message arrives twice */
  readonly duplicate: number
  /** probability that a message is held back, for up to `reorderMs` more: others overtake it */
  readonly reorder?: number
  readonly reorderMs?: number
}

export const CALM: NetworkFaults = { dropRequest: 0, dropResponse: 0, duplicate: 0 }

/** Sees, and may change or swallow (undefined), every direct message before it leaves. */
export type Tamper = (from: Hex, to: Hex, message: Uint8Array) => Uint8Array | undefined

/** The same for announcements, once for each that an engine publishes. */
export type TamperGossip = (from: Hex, message: Uint8Array) => Uint8Array | undefined

export interface NetworkOptions {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly links: Links
  readonly costs: Costs
  /** how long a sender waits for a sign of life from beyond a partition */
  readonly silenceMs: number
  readonly broadcast: (ports: BroadcastPorts) => Broadcast
}

/** An answer that says a verdict. */
const VERDICT_BYTES = 64
const DEFAULT_REORDER_MS = 1000

export class SimulatedNetwork {
  readonly links: Links
  readonly counters = new Counters()
  readonly cpu: Cpu
  readonly trace = new Trace()
  readonly broadcast: Broadcast
  faults: NetworkFaults = CALM
  tamper: Tamper = (_from, _to, message) => message
  tamperGossip: TamperGossip = (_from, message) => message
  deliveries = 0
  /** for whoever measures: a member announces something, a member hears of it */
  onAnnounced: (from: Hex, message: Uint8Array) => void = () => {}
  onHeard: (to: Hex, message: Uint8Array) => void = () => {}
  private readonly clock: VirtualClock
  private readonly random: SeededRandom
  private readonly costs: Costs
  private readonly connections: Connections
  private readonly peers = new Map<Hex, Peer>()
  /** by receiver: what to do when it goes down before it has answered */
  private readonly waiting = new Map<Hex, Set<() => void>>()
  private readonly lastArrivalMs = new Map<string, number>()

  constructor(private readonly options: NetworkOptions) {
    const { clock, random, links, costs, silenceMs } = options
    this.clock = clock
    this.random = random
    this.links = links
    this.costs = costs
    this.cpu = new Cpu(clock)
    this.connections = new Connections({
      clock,
      links,
      random,
      silenceMs,
      isUp: (key) => this.peers.has(key),
      compute: (site, next) => this.cpu.after(site, costs.handshakeMs, next),
      onOpen: (dialler, other) => this.opened(dialler, other),
      onClose: (a, b) => this.broadcast.disconnected(a, b),
    })
    this.broadcast = options.broadcast({
      members: () => this.peers.keys(),
      isUp: (key) => this.peers.has(key),
      carry: (from, to, bytes, inOrder, arrived) => this.carryFrame(from, to, bytes, inOrder, arrived),
      hand: (author, to, message) => this.handGossip(author, to, message),
      duplicate: (to) => {
        this.counters.of(to).duplicates++
      },
    })
  }

  /** Hash over everything delivered and written so far: equal for equal seeds. */
  hash(): string {
    return this.trace.hash()
  }

  /** A node's disk changed. */
  wrote(site: Hex, key: string, value: Uint8Array | null): void {
    this.trace.add(`${this.clock.exact()} ${site} ${key} ${value?.length ?? '-'} `, value ?? undefined)
  }

  /** A node comes up: it and its neighbours connect. */
  async join(peer: Peer, identitySeed: Uint8Array): Promise<void> {
    this.cpu.restart(peer.key)
    this.peers.set(peer.key, peer)
    await this.broadcast.join(peer.key, identitySeed)
    if (this.peers.get(peer.key) === peer) this.connections.join(peer.key)
  }

  /** A node goes down: whoever waits for its answer notices that the connection broke. */
  leave(key: Hex): void {
    if (!this.peers.delete(key)) return
    this.broadcast.leave(key)
    this.connections.leave(key)
    for (const giveUp of this.waiting.get(key) ?? []) giveUp()
    this.waiting.delete(key)
  }

  private opened(dialler: Hex, other: Hex): void {
    this.trace.add(`${this.clock.exact()} ${dialler} ${other} connected `)
    this.broadcast.connected(dialler, other)
    this.peers.get(other)?.peerConnected(dialler)
    this.peers.get(dialler)?.peerConnected(other)
  }

  transportOf(from: Hex): Transport {
    return {
      send: (to, message) => this.request(from, to, message),
      publish: (message) => {
        const sent = this.tamperGossip(from, message)
        if (sent === undefined || !this.peers.has(from)) return
        this.onAnnounced(from, sent)
        this.broadcast.publish(from, sent)
      },
    }
  }

  // ---- bytes on their way

  /** From the sender's processor and uplink to the receiver; undefined if they are lost on the way. */
  private arrivalMs(from: Hex, to: Hex, bytes: number, sendMs: number): number | undefined {
    this.counters.sent(from, bytes)
    const leftMs = this.links.leaveMs(from, this.cpu.doneMs(from, sendMs), bytes)
    if (!this.links.passes(from, to)) {
      this.connections.stall(from, to)
      return undefined
    }
    return leftMs + this.links.flightMs(from, to)
  }

  private carryFrame(from: Hex, to: Hex, bytes: number, inOrder: boolean, arrived: () => void): void {
    let atMs = this.arrivalMs(from, to, bytes, this.costs.frame(bytes))
    if (atMs === undefined) return
    if (inOrder) {
      const pair = from + to
      atMs = Math.max(atMs, this.lastArrivalMs.get(pair) ?? 0)
      this.lastArrivalMs.set(pair, atMs)
    }
    this.clock.setTimer(atMs, () => {
      if (!this.peers.has(to) || !this.peers.has(from)) return
      this.counters.received(to, bytes)
      this.trace.add(`${this.clock.exact()} ${from} ${to} frame ${bytes} `)
      this.cpu.after(to, this.costs.frame(bytes), () => {
        if (this.peers.has(to)) arrived()
      })
    })
  }

  /** One direct message or its answer; held back now and then. */
  private carry(from: Hex, to: Hex, bytes: number, arrived: () => void): boolean {
    const { reorder = 0, reorderMs = DEFAULT_REORDER_MS } = this.faults
    let atMs = this.arrivalMs(from, to, bytes, this.costs.send(bytes))
    if (atMs === undefined) return false
    if (reorder > 0 && this.random.fraction() < reorder) atMs += this.random.fraction() * reorderMs
    this.clock.setTimer(atMs, () => {
      this.counters.received(to, bytes)
      arrived()
    })
    return true
  }

  private afterMs(ms: number, fire: () => void): void {
    this.clock.setTimer(this.clock.exact() + ms, fire)
  }

  private request(from: Hex, to: Hex, original: Uint8Array): Promise<Verdict> {
    const message = this.tamper(from, to, original)
    const { dropRequest, dropResponse, duplicate } = this.faults
    const lost = message === undefined || this.random.fraction() < dropRequest
    const twice = this.random.fraction() < duplicate
    return new Promise((resolve, fail) => {
      const giveUp = (): void => fail(new Error('no answer'))
      const silence = (): void => this.afterMs(this.options.silenceMs, giveUp)
      const broken = (): void => this.afterMs(this.links.flightMs(to, from), giveUp)
      const answered = (verdict: Verdict): void => {
        const dropped = this.random.fraction() < dropResponse
        if (!this.carry(to, from, VERDICT_BYTES, () => (dropped ? giveUp() : resolve(verdict)))) silence()
      }
      if (lost) return broken()
      this.connections.need(from, to, (open) => {
        if (!open) return giveUp()
        if (twice) this.carry(from, to, message.length, () => this.receive(from, to, message, undefined, undefined))
        if (!this.carry(from, to, message.length, () => this.receive(from, to, message, answered, broken))) silence()
      })
    })
  }

  /** A direct message is there: the receiver's processor takes it up, and it may go down before it has answered. */
  private receive(
    from: Hex,
    to: Hex,
    message: Uint8Array,
    answered: ((verdict: Verdict) => void) | undefined,
    broken: (() => void) | undefined,
  ): void {
    const peer = this.peers.get(to)
    // a connection breaks when either end goes down
    if (peer === undefined || !this.peers.has(from)) return broken?.()
    this.cpu.after(to, this.costs.receive(message), () => {
      if (this.peers.get(to) !== peer) return broken?.()
      const answer = this.hand(peer, from, message, 'direct')
      if (answered === undefined || broken === undefined) return
      const waiting = this.waiting.get(to) ?? new Set()
      this.waiting.set(to, waiting.add(broken))
      answer.then((verdict) => {
        if (waiting.delete(broken)) answered(verdict) // else the node went down with its answer
      }, broken)
    })
  }

  private handGossip(author: Hex, to: Hex, message: Uint8Array): Promise<Verdict> | undefined {
    const peer = this.peers.get(to)
    if (peer === undefined) return undefined
    this.onHeard(to, message)
    const costMs = this.costs.announcement(message)
    if (costMs <= 0) return this.hand(peer, author, message, 'gossip')
    return new Promise((resolve, fail) => {
      this.cpu.after(to, costMs, () => {
        if (this.peers.get(to) !== peer) fail(new Error('the node went down'))
        else this.hand(peer, author, message, 'gossip').then(resolve, fail)
      })
    })
  }

  private hand(peer: Peer, from: Hex, message: Uint8Array, via: 'direct' | 'gossip'): Promise<Verdict> {
    this.deliveries++
    this.trace.add(`${this.clock.exact()} ${from} ${peer.key} ${via} ${message.length} `, message)
    const answer = peer.receive(from, message, via)
    answer.catch(() => undefined)
    return answer
  }
}
