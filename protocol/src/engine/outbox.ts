/**
 * At-least-once delivery: what a machine sends is tried until the peer gives a verdict or its time is over. Held in memory
 * alone, since machines say everything again after a restart. Bounded: a full queue drops the entry that ends soonest.
 */
import { equalBytes, type Hex } from '../crypto/hash.js'
import type { Verdict } from '../encoding/verdict.js'
import type { Clock, Timer } from '../ports.js'
import type { WireMessage } from '../wire.js'

export interface Entry {
  readonly id: string
  readonly to: Hex
  readonly message: WireMessage
  readonly untilMs: number
}

interface Waiting extends Entry {
  readonly bytes: Uint8Array
  untilMs: number
  tries: number
  nextAtMs: number
  flying: boolean
}

/** Messages under way to one peer at a time: enough to keep a link busy. */
const IN_FLIGHT = 8
/** Messages waiting for one peer; a site that is away for a month waits for fewer. */
const MAX_WAITING = 4096
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 3_000

export class Outbox {
  private readonly peers = new Map<Hex, Map<string, Waiting>>()
  private timer: Timer | undefined
  private timerAtMs = Number.POSITIVE_INFINITY
  private stopped = false

  constructor(
    private readonly clock: Clock,
    private readonly encode: (message: WireMessage) => Uint8Array,
    private readonly deliver: (to: Hex, bytes: Uint8Array) => Promise<Verdict>,
    private readonly settled: (entry: Entry, verdict: Verdict) => void,
  ) {}

  add(entry: Entry): void {
    let queue = this.peers.get(entry.to)
    if (queue === undefined) {
      queue = new Map()
      this.peers.set(entry.to, queue)
    }
    if (queue.size >= MAX_WAITING) {
      const soonest = [...queue.values()].reduce((a, b) => (a.untilMs <= b.untilMs ? a : b))
      queue.delete(soonest.id)
    }
    const bytes = this.encode(entry.message)
    const before = queue.get(entry.id)
    if (before?.flying && (before.bytes === bytes || equalBytes(before.bytes, bytes))) {
      // on its way already; if it is lost it is sent again
      before.untilMs = Math.max(before.untilMs, entry.untilMs)
      return
    }
    queue.set(entry.id, { ...entry, bytes, tries: 0, nextAtMs: 0, flying: false })
    this.pump(entry.to)
  }

  /** A connection came up: everything that waits for this peer is worth a try now. */
  retry(peer: Hex): void {
    for (const one of this.peers.get(peer)?.values() ?? []) one.nextAtMs = 0
    this.pump(peer)
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.peers.clear()
  }

  private pump(peer: Hex): void {
    const queue = this.peers.get(peer)
    if (queue === undefined || this.stopped) return
    const now = this.clock.now()
    let flying = [...queue.values()].filter((one) => one.flying).length
    for (const one of [...queue.values()]) {
      if (flying >= IN_FLIGHT) break
      if (one.flying) continue
      if (one.untilMs <= now) queue.delete(one.id)
      else if (one.nextAtMs <= now) {
        flying++
        void this.fly(queue, one)
      } else this.wake(one.nextAtMs)
    }
    if (queue.size === 0) this.peers.delete(peer)
  }

  private async fly(queue: Map<string, Waiting>, one: Waiting): Promise<void> {
    one.flying = true
    const verdict = await this.deliver(one.to, one.bytes).catch(() => undefined)
    one.flying = false
    if (this.stopped) return
    if (verdict === undefined || verdict.verdict === 'later') {
      one.nextAtMs = this.clock.now() + Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(one.tries++, 10))
    } else {
      // a newer message under the same id has taken this one's place
      if (queue.get(one.id) === one) queue.delete(one.id)
      this.settled(one, verdict)
    }
    this.pump(one.to)
  }

  private wake(atMs: number): void {
    if (atMs >= this.timerAtMs) return
    this.timer?.cancel()
    this.timerAtMs = atMs
    this.timer = this.clock.setTimer(atMs, () => {
      this.timerAtMs = Number.POSITIVE_INFINITY
      for (const peer of [...this.peers.keys()]) this.pump(peer)
    })
  }
}
