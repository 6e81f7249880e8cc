/**
 * Keeps this node connected: every member with a known address is dialled, and dialled again, for ever. Implements
 * docs/spec/transport.md, "Connections". libp2p's own keep-alive gives up after a few attempts, so it is not used.
 */
import { type Hex, sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { type Log, reasonOf } from '../log.js'
import { DIAL_TARGETS, MAX_PARALLEL_DIALS } from './limits.js'

export interface DialerOptions {
  readonly self: Hex
  /** every key with a known address */
  readonly candidates: () => readonly Hex[]
  readonly isMember: (key: Hex) => boolean
  readonly isConnected: (key: Hex) => boolean
  readonly dial: (key: Hex) => Promise<unknown>
  readonly log: Log
  /** in [0, 1) */
  readonly random: () => number
  /** the first wait after a failure, milliseconds; it doubles up to `slowestMs` */
  readonly fastestMs: number
  readonly slowestMs: number
}

interface Attempt {
  readonly failures: number
  readonly nextAtMs: number
}

/** Peers that come up together shall not dial each other in the same instant. */
const STAGGER_MS = 200
const LONGEST_SLEEP_MS = 1000

export class Dialer {
  readonly #options: DialerOptions
  readonly #attempts = new Map<Hex, Attempt>()
  readonly #dialling = new Set<Hex>()
  readonly #ranks = new Map<Hex, string>()
  #timer: NodeJS.Timeout | undefined
  #running = false

  constructor(options: DialerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = true
    this.wake()
  }

  stop(): void {
    this.#running = false
    clearTimeout(this.#timer)
  }

  /** Looks again at once: an address is new, the roster changed, or a connection was lost. */
  wake(): void {
    if (!this.#running) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), 0)
  }

  /** The peer accepted us and said what it speaks: past failures are forgotten. A mere open connection proves less. */
  established(key: Hex): void {
    this.#attempts.set(key, { failures: 0, nextAtMs: Date.now() + this.#options.fastestMs })
  }

  #look(): void {
    const nowMs = Date.now()
    let soonestMs = nowMs + LONGEST_SLEEP_MS
    for (const key of this.#targets()) {
      if (this.#dialling.has(key) || this.#options.isConnected(key)) continue
      const attempt = this.#attempts.get(key) ?? { failures: 0, nextAtMs: nowMs + this.#options.random() * STAGGER_MS }
      this.#attempts.set(key, attempt)
      if (attempt.nextAtMs > nowMs) soonestMs = Math.min(soonestMs, attempt.nextAtMs)
      else if (this.#dialling.size < MAX_PARALLEL_DIALS) void this.#dial(key, attempt.failures)
    }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), Math.max(10, soonestMs - nowMs))
  }

  async #dial(key: Hex, failures: number): Promise<void> {
    const { dial, random, fastestMs, slowestMs, log } = this.#options
    const waitMs = Math.min(slowestMs, fastestMs * 2 ** Math.min(failures, 30)) * (0.5 + random())
    this.#dialling.add(key)
    this.#attempts.set(key, { failures: failures + 1, nextAtMs: Date.now() + waitMs })
    try {
      await dial(key)
    } catch (error) {
      log('debug', 'dial-failed', { peer: key, failures: failures + 1, reason: reasonOf(error) })
    } finally {
      this.#dialling.delete(key)
      this.wake()
    }
  }

  /**
   * All members with a known address while they are few. In a larger federation each node takes those whose keys hash
   * lowest together with its own: the same ones every day, others for every node, so that the graph hangs together.
   */
  #targets(): readonly Hex[] {
    const { self, candidates, isMember } = this.#options
    const members = candidates().filter((key) => key !== self && isMember(key))
    if (members.length <= DIAL_TARGETS) return members
    return members
      .map((key) => [this.#rank(key), key] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, DIAL_TARGETS)
      .map(([, key]) => key)
  }

  #rank(key: Hex): string {
    const known = this.#ranks.get(key)
    if (known !== undefined) return known
    const rank = sha256Hex(utf8ToBytes(this.#options.self + key))
    this.#ranks.set(key, rank)
    return rank
  }
}
