/**
 * A virtual clock: time passes only from event to event. Between two events every promise that can settle does, so a run
 * depends on nothing but its seed.
 */
import type { Clock, Timer } from '@flamesh/protocol/ports.js'

interface Scheduled {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
}

export class VirtualClock implements Clock {
  private readonly queue: Scheduled[] = []
  private order = 0
  private nowMs: number
  events = 0

  constructor(startMs: number) {
    this.nowMs = startMs
  }

  now(): number {
    return this.nowMs
  }

  setTimer(atMs: number, fire: () => void): Timer {
    const entry = { atMs: Math.max(atMs, this.nowMs), order: this.order++, fire }
    this.insert(entry)
    return {
      cancel: () => {
        const at = this.queue.indexOf(entry)
        if (at >= 0) this.queue.splice(at, 1)
      },
    }
  }

  private insert(entry: Scheduled): void {
    let low = 0
    let high = this.queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.queue[middle] as Scheduled
      if (other.atMs < entry.atMs || (other.atMs === entry.atMs && other.order < entry.order)) low = middle + 1
      else high = middle
    }
    this.queue.splice(low, 0, entry)
  }

  /** Runs until `done` holds or `untilMs` is reached; true if it holds. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    await settle()
    while (!done()) {
      const next = this.queue[0]
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs)
        return done()
      }
      this.queue.shift()
      this.nowMs = next.atMs
      this.events++
      next.fire()
      await settle()
    }
    return true
  }
}

/** Lets every chain of promises that needs no further event run to its end. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
