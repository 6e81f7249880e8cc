/**
 * Who can talk to whom, and how long it takes: latency, jitter, retransmission, each sender's uplink, partitions, sites that
 * only dial out, and who dials whom of its own accord. Says nothing of messages, and has no timers.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { SeededRandom } from '../kernel/random.js'

/** One way, in milliseconds. */
export type Latency = (from: Hex, to: Hex) => number

export interface LinkOptions {
  readonly latencyMs: Latency
  /** a message takes up to this share more or less than the latency */
  readonly jitter: number
  /** probability that a message has to be sent again, as TCP does: it comes late, not never */
  readonly loss: number
  /** bytes a site can send in a millisecond, to all others together; undefined: no limit */
  readonly uplinkBytesPerMs: number | undefined
  /** members a site keeps connections to of its own accord */
  readonly neighbours: number
}

export const DEFAULT_NEIGHBOURS = 10

/** What TCP waits at least before it sends again (RFC 6298 has one second, Linux a fifth of it). */
const RETRANSMIT_MS = 200
const MAX_RETRANSMISSIONS = 6

const pair = (from: Hex, to: Hex): string => `${from}${to}`

export class Links {
  latencyMs: Latency
  jitter: number
  loss: number
  uplinkBytesPerMs: number | undefined
  /** sites that nobody can dial */
  readonly outboundOnly = new Set<Hex>()
  private readonly neighbourCount: number
  private readonly blocked = new Set<string>()
  /** by member: the group it is in while the network is partitioned; members of none are a group of their own */
  private groups: ReadonlyMap<Hex, number> | undefined
  private readonly uplinkFreeMs = new Map<Hex, number>()
  private readonly open = new Map<Hex, Set<Hex>>()
  private topology: Map<Hex, Set<Hex>> | undefined
  private readonly members: Hex[] = []

  constructor(
    options: LinkOptions,
    private readonly random: SeededRandom,
    private readonly topologyRandom: SeededRandom,
  ) {
    this.latencyMs = options.latencyMs
    this.jitter = options.jitter
    this.loss = options.loss
    this.uplinkBytesPerMs = options.uplinkBytesPerMs
    this.neighbourCount = options.neighbours
  }

  /** Tells of a site that exists, up or not. The topology is drawn over all of them when it is first needed. */
  enrol(key: Hex): void {
    this.members.push(key)
    this.topology = undefined
  }

  // ---- faults

  /** Nothing gets from one to the other any more; the way back is another matter. */
  block(from: Hex, to: Hex): void {
    this.blocked.add(pair(from, to))
  }

  unblock(from: Hex, to: Hex): void {
    this.blocked.delete(pair(from, to))
  }

  /** Nothing passes between two groups. Whoever is in none of them shares a group with the others in none. */
  partition(groups: readonly (readonly Hex[])[]): void {
    this.groups = new Map(groups.flatMap((group, at) => group.map((key) => [key, at + 1] as const)))
  }

  /** Every block and partition is over. */
  heal(): void {
    this.blocked.clear()
    this.groups = undefined
  }

  passes(from: Hex, to: Hex): boolean {
    if (this.blocked.size > 0 && this.blocked.has(pair(from, to))) return false
    return this.groups === undefined || (this.groups.get(from) ?? 0) === (this.groups.get(to) ?? 0)
  }

  /** Whether `from` can open a connection to `to`: a handshake needs both ways. */
  canDial(from: Hex, to: Hex): boolean {
    return !this.outboundOnly.has(to) && this.passes(from, to) && this.passes(to, from)
  }

  // ---- connections

  isOpen(a: Hex, b: Hex): boolean {
    return this.open.get(a)?.has(b) === true
  }

  peersOf(key: Hex): ReadonlySet<Hex> {
    return this.open.get(key) ?? new Set()
  }

  /** False if there was one. */
  connect(a: Hex, b: Hex): boolean {
    if (this.isOpen(a, b)) return false
    this.openOf(a).add(b)
    this.openOf(b).add(a)
    return true
  }

  disconnect(a: Hex, b: Hex): boolean {
    this.open.get(b)?.delete(a)
    return this.open.get(a)?.delete(b) === true
  }

  private openOf(key: Hex): Set<Hex> {
    const found = this.open.get(key) ?? new Set<Hex>()
    this.open.set(key, found)
    return found
  }

  /** Members this one keeps connections to: everyone in a small federation, else those beside it in random rings. */
  neighboursOf(key: Hex): ReadonlySet<Hex> {
    this.topology ??= this.drawTopology()
    return this.topology.get(key) ?? new Set()
  }

  private drawTopology(): Map<Hex, Set<Hex>> {
    const { members, neighbourCount, outboundOnly } = this
    const topology = new Map(members.map((key) => [key, new Set<Hex>()]))
    const join = (a: Hex, b: Hex): void => {
      // two that cannot be dialled never meet
      if (a === b || (outboundOnly.has(a) && outboundOnly.has(b))) return
      topology.get(a)?.add(b)
      topology.get(b)?.add(a)
    }
    if (members.length - 1 <= neighbourCount) {
      for (const a of members) for (const b of members) join(a, b)
      return topology
    }
    // rings of those that can be dialled; each of the others dials as many of them
    const listening = members.filter((key) => !outboundOnly.has(key))
    for (let ring = 0; ring < neighbourCount / 2; ring++) {
      const order = shuffled(listening, this.topologyRandom)
      order.forEach((key, at) => {
        join(key, order[(at + 1) % order.length] as Hex)
      })
    }
    for (const key of outboundOnly)
      for (const one of shuffled(listening, this.topologyRandom).slice(0, neighbourCount)) join(key, one)
    return topology
  }

  // ---- time

  /** One way from now on, without queues. */
  flightMs(from: Hex, to: Hex): number {
    const spread = 1 - this.jitter + 2 * this.jitter * this.random.fraction()
    let delay = this.latencyMs(from, to) * spread
    if (this.loss > 0) {
      for (let again = 0; again < MAX_RETRANSMISSIONS && this.random.fraction() < this.loss; again++)
        delay += Math.max(RETRANSMIT_MS, 2 * this.latencyMs(from, to)) * 2 ** again
    }
    return delay
  }

  /** When so many bytes that are ready at `readyMs` have left: after everything this site gave to its uplink before. */
  leaveMs(from: Hex, readyMs: number, bytes: number): number {
    if (this.uplinkBytesPerMs === undefined) return readyMs
    const leftMs = Math.max(readyMs, this.uplinkFreeMs.get(from) ?? 0) + bytes / this.uplinkBytesPerMs
    this.uplinkFreeMs.set(from, leftMs)
    return leftMs
  }
}

export function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const order = [...items]
  for (let last = order.length - 1; last > 0; last--) {
    const other = random.integer(last + 1)
    const held = order[last] as T
    order[last] = order[other] as T
    order[other] = held
  }
  return order
}
