/**
 * A virtual clock: time passes only from event to event. Between two events every promise that can settle does, so a run
 * depends on nothing but its seed. Events wait in a binary heap; a cancelled one is thrown away when its turn comes. Time
 * has fractions of a millisecond underneath, for queues; whoever asks what time it is hears whole ones, as from a real clock.
 */
import type { Clock, Timer } from '@flamesh/protocol/ports.js'

interface Scheduled {
  readonly atMs: number
  readonly order: number
  /** undefined: cancelled */
  fire: (() => void) | undefined
}

/** Events between two turns of the real event loop, so that a long run still hears signals and draws its progress. */
const EVENTS_A_TURN = 256
/** Cancelled events are swept out when there are more of them than this and than others. */
const MIN_SWEEP = 1024

// A run may replace the global ones by virtual ones (globals.ts): these are the real ones.
const { nextTick } = process
const realImmediate = setImmediate

export class VirtualClock implements Clock {
  private heap: Scheduled[] = []
  private cancelled = 0
  private order = 0
  private exactMs: number
  events = 0

  constructor(readonly startMs: number) {
    this.exactMs = startMs
  }

  now(): number {
    return Math.floor(this.exactMs)
  }

  /** With fractions of a millisecond. */
  exact(): number {
    return this.exactMs
  }

  get pending(): number {
    return this.heap.length - this.cancelled
  }

  setTimer(atMs: number, fire: () => void): Timer {
    const entry: Scheduled = { atMs: Math.max(atMs, this.exactMs), order: this.order++, fire }
    this.push(entry)
    return {
      cancel: () => {
        if (entry.fire === undefined) return
        entry.fire = undefined
        this.cancelled++
        if (this.cancelled > MIN_SWEEP && this.cancelled * 2 > this.heap.length) this.sweep()
      },
    }
  }

  /** Runs until `done` holds or `untilMs` is reached; true if it holds. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    await nextTurn()
    while (!done()) {
      const next = this.pop(untilMs)
      if (next === undefined) {
        this.exactMs = Math.max(this.exactMs, untilMs)
        return done()
      }
      this.exactMs = next.atMs
      this.events++
      const { fire } = next
      next.fire = undefined
      fire?.()
      await (this.events % EVENTS_A_TURN === 0 ? nextTurn() : settle())
    }
    return true
  }

  /** The next event that is not cancelled and due by then. */
  private pop(untilMs: number): Scheduled | undefined {
    for (;;) {
      const first = this.heap[0]
      if (first === undefined || (first.fire !== undefined && first.atMs > untilMs)) return undefined
      const last = this.heap.pop() as Scheduled
      if (this.heap.length > 0) this.sink(last, 0)
      if (first.fire !== undefined) return first
      this.cancelled--
    }
  }

  private push(entry: Scheduled): void {
    const { heap } = this
    let at = heap.length
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above] as Scheduled
      if (isBefore(parent, entry)) break
      heap[at] = parent
      at = above
    }
    heap[at] = entry
  }

  private sink(entry: Scheduled, from: number): void {
    const { heap } = this
    let at = from
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Scheduled, heap[below] as Scheduled)) below++
      const child = heap[below] as Scheduled
      if (isBefore(entry, child)) break
      heap[at] = child
      at = below
    }
    heap[at] = entry
  }

  private sweep(): void {
    this.heap = this.heap.filter((one) => one.fire !== undefined).sort((a, b) => (isBefore(a, b) ? -1 : 1))
    this.cancelled = 0
  }
}

const isBefore = (a: Scheduled, b: Scheduled): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/**
 * Lets every chain of promises that needs no further event run to its end: called from a chain itself, a tick comes after
 * all the others have come to rest. A turn of the event loop does the same at ten times the cost.
 */
function settle(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve))
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => realImmediate(resolve))
}
