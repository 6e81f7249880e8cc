/**
 * What a peer's rejected messages cost it. Implements docs/spec/transport.md, "Scoring": the gossip router keeps count of
 * announcements itself; this adds the messages that came by stream, on the same scale.
 */

/** Half of a fault is forgiven in this time: about as long as the router's own decay. */
const HALF_LIFE_MS = 90_000

export class Penalties {
  readonly #faults = new Map<string, { readonly count: number; readonly atMs: number }>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Faults not yet forgiven, a real number. */
  of(peer: string): number {
    const fault = this.#faults.get(peer)
    return fault === undefined ? 0 : fault.count * 0.5 ** ((this.#now() - fault.atMs) / HALF_LIFE_MS)
  }

  add(peer: string): void {
    this.#faults.set(peer, { count: this.of(peer) + 1, atMs: this.#now() })
  }
}
