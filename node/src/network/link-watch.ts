/**
 * Finds connections over which announcements no longer flow, and cuts them so that they are made anew. Implements
 * docs/spec/transport.md, "Connections": a gossip stream that died does not come back while its connection lives.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'

export interface Link {
  readonly key: Hex
  readonly connectedSinceMs: number
  readonly alive: boolean
}

export interface LinkWatchOptions {
  /** how long a link may be silent before it is cut; doubles each time it did not help */
  readonly graceMs: number
  readonly cut: (key: Hex) => void
}

const MAX_DOUBLINGS = 8

export class LinkWatch {
  readonly #options: LinkWatchOptions
  readonly #state = new Map<Hex, { lastAliveMs: number; cuts: number }>()

  constructor(options: LinkWatchOptions) {
    this.#options = options
  }

  check(links: readonly Link[], nowMs: number): void {
    for (const link of links) {
      const state = this.#state.get(link.key) ?? { lastAliveMs: 0, cuts: 0 }
      this.#state.set(link.key, state)
      if (link.alive) {
        state.lastAliveMs = nowMs
        state.cuts = 0
        continue
      }
      const sinceMs = Math.max(state.lastAliveMs, link.connectedSinceMs)
      if (nowMs - sinceMs <= this.#options.graceMs * 2 ** Math.min(state.cuts, MAX_DOUBLINGS)) continue
      state.cuts += 1
      this.#options.cut(link.key)
    }
  }
}
