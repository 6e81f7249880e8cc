/**
 * One processor a site: everything it does waits for what it was given before. Without it simulated latency is several times
 * too low on fast links, where a message takes longer to decide upon than to arrive.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { VirtualClock } from '../kernel/clock.js'

export class Cpu {
  private readonly freeMs = new Map<Hex, number>()
  private readonly busyMs = new Map<Hex, number>()

  constructor(private readonly clock: VirtualClock) {}

  /** When work of this length that a site is given now is done. */
  doneMs(site: Hex, costMs: number): number {
    const nowMs = this.clock.exact()
    if (costMs <= 0) return nowMs
    const doneMs = Math.max(nowMs, this.freeMs.get(site) ?? 0) + costMs
    this.freeMs.set(site, doneMs)
    this.busyMs.set(site, (this.busyMs.get(site) ?? 0) + costMs)
    return doneMs
  }

  /** Does the work, then goes on; at once if it costs nothing. */
  after(site: Hex, costMs: number, next: () => void): void {
    if (costMs <= 0) next()
    else this.clock.setTimer(this.doneMs(site, costMs), next)
  }

  /** All the work a site was given so far. */
  totalMs(site: Hex): number {
    return this.busyMs.get(site) ?? 0
  }

  /** A restarted process has nothing left to do of what it was given before. */
  restart(site: Hex): void {
    this.freeMs.delete(site)
  }
}
