/**
 * Connections between simulated members: dialled on demand, kept to neighbours, lost when an end goes down or bytes on the
 * way are, and dialled again. The waits are the production dialler's.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { VirtualClock } from '../kernel/clock.js'
import type { SeededRandom } from '../kernel/random.js'
import type { Links } from './links.js'

/** TCP, Noise with the choice of protocols, multiplexer and identify. */
const HANDSHAKE_ROUND_TRIPS = 3
const REDIAL_FASTEST_MS = 1000
const REDIAL_SLOWEST_MS = 30_000

export interface ConnectionPorts {
  readonly clock: VirtualClock
  readonly links: Links
  readonly random: SeededRandom
  readonly isUp: (key: Hex) => boolean
  /** how long an end waits for a sign of life before it gives a connection up */
  readonly silenceMs: number
  /** the processor's part of a handshake, at one end; `next` runs when it is done */
  readonly compute: (site: Hex, next: () => void) => void
  readonly onOpen: (dialler: Hex, other: Hex) => void
  readonly onClose: (a: Hex, b: Hex) => void
}

type Waiter = (open: boolean) => void

const pairOf = (a: Hex, b: Hex): string => (a < b ? a + b : b + a)

export class Connections {
  private readonly dialling = new Map<string, Waiter[]>()
  private readonly stalled = new Set<string>()
  private readonly redialling = new Set<string>()
  /** how often a member came up: what was under way for an earlier life is void */
  private readonly lives = new Map<Hex, number>()

  constructor(private readonly ports: ConnectionPorts) {}

  /** A member is up: it and its neighbours that are up dial. */
  join(key: Hex): void {
    this.lives.set(key, (this.lives.get(key) ?? 0) + 1)
    for (const other of this.ports.links.neighboursOf(key)) this.keep(key, other)
  }

  leave(key: Hex): void {
    this.lives.set(key, (this.lives.get(key) ?? 0) + 1)
    for (const other of [...this.ports.links.peersOf(key)]) this.close(key, other)
  }

  /** Calls back at once if there is a connection, else when a dial has ended. */
  need(from: Hex, to: Hex, then: Waiter): void {
    const { links, clock, silenceMs } = this.ports
    if (links.isOpen(from, to)) return then(true)
    const pair = pairOf(from, to)
    const waiting = this.dialling.get(pair)
    if (waiting !== undefined) {
      waiting.push(then)
      return
    }
    this.dialling.set(pair, [then])
    const end = (open: boolean): void => {
      const waiters = this.dialling.get(pair) ?? []
      this.dialling.delete(pair)
      for (const waiter of waiters) waiter(open)
    }
    const afterMs = (ms: number, fire: () => void) => clock.setTimer(clock.exact() + ms, fire)
    // an unroutable address answers nothing, one that nobody listens on refuses
    if (!links.canDial(from, to)) {
      const refused = links.outboundOnly.has(to)
      return void afterMs(refused ? this.roundTripMs(from, to) : silenceMs, () => end(false))
    }
    if (!this.ports.isUp(to)) return void afterMs(this.roundTripMs(from, to), () => end(false))
    this.shakeHands(from, to, end)
  }

  private shakeHands(from: Hex, to: Hex, end: Waiter): void {
    const { links, clock, compute, silenceMs, isUp } = this.ports
    const lives = this.livesOf(from, to)
    let delayMs = 0
    for (let trip = 0; trip < HANDSHAKE_ROUND_TRIPS; trip++) delayMs += this.roundTripMs(from, to)
    clock.setTimer(clock.exact() + delayMs, () =>
      compute(to, () =>
        compute(from, () => {
          const alive = isUp(from) && isUp(to) && this.livesOf(from, to) === lives
          if (!alive) return end(false)
          if (!links.canDial(from, to)) return void clock.setTimer(clock.exact() + silenceMs, () => end(false))
          if (links.connect(from, to)) this.ports.onOpen(from, to)
          end(true)
        }),
      ),
    )
  }

  private livesOf(a: Hex, b: Hex): string {
    return `${this.lives.get(a)}/${this.lives.get(b)}`
  }

  private roundTripMs(from: Hex, to: Hex): number {
    return this.ports.links.flightMs(from, to) + this.ports.links.flightMs(to, from)
  }

  /** Bytes between the two were lost: the connection stands still until an end has waited long enough. */
  stall(a: Hex, b: Hex): void {
    const { links, clock, silenceMs } = this.ports
    const pair = pairOf(a, b)
    if (!links.isOpen(a, b) || this.stalled.has(pair)) return
    this.stalled.add(pair)
    const lives = this.livesOf(a, b)
    clock.setTimer(clock.exact() + silenceMs, () => {
      this.stalled.delete(pair)
      if (this.livesOf(a, b) === lives) this.close(a, b)
    })
  }

  close(a: Hex, b: Hex): void {
    const { links, onClose } = this.ports
    if (!links.disconnect(a, b)) return
    onClose(a, b)
    if (links.neighboursOf(a).has(b)) this.keep(a, b)
  }

  /** Neighbours that are both up dial each other, with growing waits, for ever. */
  private keep(a: Hex, b: Hex): void {
    const { links, clock, random, isUp } = this.ports
    const pair = pairOf(a, b)
    if (this.redialling.has(pair)) return
    this.redialling.add(pair)
    let failures = 0
    const look = (): void => {
      if (!isUp(a) || !isUp(b) || links.isOpen(a, b)) {
        this.redialling.delete(pair)
        return
      }
      const [from, to] = links.outboundOnly.has(b) ? [b, a] : [a, b]
      this.need(from, to, (open) => {
        const waitMs = Math.min(REDIAL_SLOWEST_MS, REDIAL_FASTEST_MS * 2 ** failures++) * (0.5 + random.fraction())
        if (open) this.redialling.delete(pair)
        else clock.setTimer(clock.exact() + waitMs, look)
      })
    }
    look()
  }
}
