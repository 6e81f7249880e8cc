/**
 * A simulated network of the protocol's own engines: latency and faults from a seed, every delivery in a running hash.
 * Direct messages have a request and a response, and each can be lost on its own.
 */
import { bytesToHex, type Hex, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import type { Verdict } from '@flamesh/protocol/encoding/verdict.js'
import type { Peer } from '@flamesh/protocol/peer.js'
import type { Transport } from '@flamesh/protocol/ports.js'
import type { VirtualClock } from '../kernel/clock.js'
import type { SeededRandom } from '../kernel/random.js'

export interface NetworkFaults {
  /** probability that a request is lost */
  readonly dropRequest: number
  /** probability that its answer is lost though the request was handled */
  readonly dropResponse: number
  /** probability that a message arrives twice */
  readonly duplicate: number
}

export const CALM: NetworkFaults = { dropRequest: 0, dropResponse: 0, duplicate: 0 }

/** Sees, and may change or swallow (undefined), every direct message before it leaves. */
export type Tamper = (from: Hex, to: Hex, message: Uint8Array) => Uint8Array | undefined

export class SimulatedNetwork {
  private readonly peers = new Map<Hex, Peer>()
  /** by receiver: what to do when it goes down before it has answered */
  private readonly waiting = new Map<Hex, Set<() => void>>()
  private digest = sha256(utf8ToBytes('flamesh-sim'))
  faults: NetworkFaults = CALM
  tamper: Tamper = (_from, _to, message) => message
  deliveries = 0

  constructor(
    private readonly clock: VirtualClock,
    private readonly random: SeededRandom,
    private readonly latencyMs: (from: Hex, to: Hex) => number,
  ) {}

  /** Hash over everything delivered so far: equal for equal seeds. */
  hash(): string {
    return bytesToHex(this.digest)
  }

  /** A node comes up: it and everyone who is up meet. */
  join(peer: Peer): void {
    this.peers.set(peer.key, peer)
    for (const other of this.peers.values()) {
      if (other === peer) continue
      other.peerConnected(peer.key)
      peer.peerConnected(other.key)
    }
  }

  /** A node goes down: whoever waits for its answer notices that the connection broke. */
  leave(key: Hex): void {
    this.peers.delete(key)
    for (const giveUp of this.waiting.get(key) ?? []) giveUp()
    this.waiting.delete(key)
  }

  transportOf(from: Hex): Transport {
    return {
      send: (to, message) => this.request(from, to, message),
      publish: (message) => {
        for (const to of [...this.peers.keys()])
          if (to !== from) this.later(from, to, () => this.hand(from, to, message, 'gossip'))
      },
    }
  }

  private later(from: Hex, to: Hex, fire: () => void): void {
    const jitter = 0.8 + 0.4 * this.random.fraction()
    this.clock.setTimer(this.clock.now() + Math.max(1, Math.round(this.latencyMs(from, to) * jitter)), fire)
  }

  private request(from: Hex, to: Hex, original: Uint8Array): Promise<Verdict> {
    const message = this.tamper(from, to, original)
    const { dropRequest, dropResponse, duplicate } = this.faults
    const lost = message === undefined || this.random.fraction() < dropRequest
    const twice = this.random.fraction() < duplicate
    return new Promise((resolve, fail) => {
      const giveUp = (): void => fail(new Error('no answer'))
      if (lost) return this.later(from, to, giveUp)
      this.later(from, to, () => {
        if (twice) this.hand(from, to, message, 'direct')
        const answer = this.hand(from, to, message, 'direct')
        if (answer === undefined) return this.later(to, from, giveUp)
        const broken = (): void => this.later(to, from, giveUp)
        const waiting = this.waiting.get(to) ?? new Set()
        this.waiting.set(to, waiting.add(broken))
        answer.then((verdict) => {
          if (!waiting.delete(broken)) return // the node went down with its answer
          this.later(to, from, () => (this.random.fraction() < dropResponse ? giveUp() : resolve(verdict)))
        }, broken)
      })
    })
  }

  private hand(from: Hex, to: Hex, message: Uint8Array, via: 'direct' | 'gossip'): Promise<Verdict> | undefined {
    const peer = this.peers.get(to)
    // a connection breaks when either end goes down
    if (peer === undefined || !this.peers.has(from)) return undefined
    this.deliveries++
    this.digest = sha256(this.digest, utf8ToBytes(`${this.clock.now()} ${from} ${to} ${via} `), sha256(message))
    const answer = peer.receive(from, message, via)
    answer.catch(() => undefined)
    return answer
  }
}
