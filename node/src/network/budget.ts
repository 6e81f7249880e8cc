/** What may be under way at once: bytes in all, bytes and messages for each peer. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'

export interface BudgetLimits {
  readonly totalBytes: number
  readonly perPeerBytes: number
  readonly perPeerMessages: number
  readonly maxWaiting: number
}

export type Release = () => void

interface Waiter {
  readonly peer: Hex
  readonly bytes: number
  readonly admit: (release: Release) => void
}

export class Budget {
  readonly #limits: BudgetLimits
  readonly #held = new Map<Hex, { readonly bytes: number; readonly messages: number }>()
  #totalBytes = 0
  #waiting: Waiter[] = []

  constructor(limits: BudgetLimits) {
    this.#limits = limits
  }

  get usedBytes(): number {
    return this.#totalBytes
  }

  /** Room for a message, or undefined when there is none now. */
  tryTake(peer: Hex, bytes: number): Release | undefined {
    return this.#fitsPeer(peer, bytes) && this.#fitsTotal(bytes) ? this.#grant(peer, bytes) : undefined
  }

  /** Room for a message, in order of asking. Throws `busy` when too many wait, or the signal's reason. */
  async take(peer: Hex, bytes: number, signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted()
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      throw new FlameshError('busy', 'too many messages wait to be sent', { meta: { waiting: this.#waiting.length } })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Release>()
    const waiter: Waiter = { peer, bytes, admit: resolve }
    const giveUp = () => {
      this.#waiting = this.#waiting.filter((one) => one !== waiter)
      reject(signal.reason)
      this.#admit()
    }
    signal.addEventListener('abort', giveUp, { once: true })
    this.#waiting.push(waiter)
    this.#admit()
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /**
   * Admits from the front. Nobody overtakes a message to the same peer; a peer that is at its own limit holds up no
   * other; but nobody overtakes a message that waits for room in the whole, or a large one would wait for ever.
   */
  #admit(): void {
    const blocked = new Set<Hex>()
    const left: Waiter[] = []
    for (const [at, waiter] of this.#waiting.entries()) {
      if (blocked.has(waiter.peer) || !this.#fitsPeer(waiter.peer, waiter.bytes)) {
        blocked.add(waiter.peer)
        left.push(waiter)
      } else if (!this.#fitsTotal(waiter.bytes)) {
        left.push(...this.#waiting.slice(at))
        break
      } else {
        waiter.admit(this.#grant(waiter.peer, waiter.bytes))
      }
    }
    this.#waiting = left
  }

  #fitsPeer(peer: Hex, bytes: number): boolean {
    const held = this.#held.get(peer)
    if (held === undefined) return bytes <= this.#limits.perPeerBytes
    return held.bytes + bytes <= this.#limits.perPeerBytes && held.messages < this.#limits.perPeerMessages
  }

  #fitsTotal(bytes: number): boolean {
    return this.#totalBytes + bytes <= this.#limits.totalBytes
  }

  #grant(peer: Hex, bytes: number): Release {
    this.#add(peer, bytes, 1)
    let released = false
    return () => {
      if (released) return
      released = true
      this.#add(peer, -bytes, -1)
      this.#admit()
    }
  }

  #add(peer: Hex, bytes: number, messages: number): void {
    this.#totalBytes += bytes
    const held = this.#held.get(peer) ?? { bytes: 0, messages: 0 }
    if (held.messages + messages === 0) this.#held.delete(peer)
    else this.#held.set(peer, { bytes: held.bytes + bytes, messages: held.messages + messages })
  }
}
