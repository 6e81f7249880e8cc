/**
 * One committee under a seeded schedule: messages are lost, delayed, doubled and reordered, members crash around every
 * write and come back from their encoded state, up to t seats lie; after `calmAtMs` the honest ones are up and every
 * message arrives soon. Reports every broken promise by name.
 */
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { begin, type ConsensusEvent, type ConsensusState, step } from '@flamesh/protocol/secagg/consensus.js'
import {
  type Ballot,
  type ConsensusMessage,
  type Decision,
  valueId,
} from '@flamesh/protocol/secagg/consensus-messages.js'
import { Adversary } from './consensus-adversary.js'
import { abandon, believe, configOf, fakeSigner, type Setting, seatOf, survivors } from './consensus-harness.js'

export interface Scenario extends Setting {
  readonly liars: readonly number[]
  /** whether the profile promises a decision with these liars and absent seats */
  readonly live: boolean
  readonly seed: number
}

/** A deliberately broken member: what it makes of its state at the beginning, before every step, when it restarts. */
export interface Mutant {
  readonly begin?: (state: ConsensusState) => ConsensusState
  readonly step?: (state: ConsensusState) => ConsensusState
  readonly restart?: (state: ConsensusState) => ConsensusState
}

export interface Outcome {
  readonly broken: readonly string[]
  /** highest view an honest member reached */
  readonly views: number
  readonly crashes: number
  readonly lies: number
  readonly value: Decision | undefined
}

export type Draw = (below: number) => number

/** mulberry32 */
export function drawer(seed: number): Draw {
  let a = seed >>> 0
  return (below) => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

const CALM_LIMIT_MS = 10_000
const MAX_EVENTS = 50_000

interface Node {
  readonly seat: number
  disk: ConsensusState
  up: boolean
  incarnation: number
  /** the newest message not yet accepted, by receiver: what the engine tries again */
  readonly outbox: Map<number, ConsensusMessage>
}

export class Simulation {
  readonly draw: Draw
  readonly nodes: readonly Node[]
  readonly broken = new Set<string>()
  /** every vote an honest member wrote down */
  readonly cast = new Map<string, Ballot>()
  nowMs = 0
  crashes = 0
  private readonly queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = []
  private order = 0
  private readonly calmAtMs: number
  /** how bad it is until then: messages lost on each link and events that crash a member (percent), longest delay */
  private readonly lossPercent: readonly number[]
  private readonly crashPercent: number
  private readonly delayMs: number
  private readonly adversary: Adversary
  private readonly accepted = new Set<string>()

  constructor(
    readonly scenario: Scenario,
    private readonly mutant: Mutant = {},
  ) {
    this.draw = drawer(scenario.seed)
    this.calmAtMs = this.draw(1500)
    const hostile = this.draw(100)
    this.lossPercent = Array.from({ length: 49 }, () => (this.draw(100) < hostile ? this.draw(110) : 0))
    this.crashPercent = this.draw(6)
    this.delayMs = 5 + this.draw(100)
    const honest = Array.from({ length: scenario.seats }, (_, seat) => seat).filter(
      (seat) => !scenario.liars.includes(seat) && !scenario.absent?.includes(seat),
    )
    const make = mutant.begin ?? ((state) => state)
    this.nodes = honest.map((seat) => ({
      seat,
      disk: make(begin(configOf(scenario, seat))),
      up: true,
      incarnation: 0,
      outbox: new Map(),
    }))
    this.adversary = new Adversary(scenario.liars, configOf(scenario, scenario.liars[0] ?? 0), this.draw)
  }

  run(): Outcome {
    for (const node of this.nodes) {
      // Now and then a member learns of the round from the others only.
      if (this.draw(5) > 0) this.at(this.draw(30), () => this.apply(node, { type: 'start' }))
      this.at(this.calmAtMs, () => (node.up ? this.apply(node, { type: 'start' }) : this.restart(node)))
    }
    for (let atMs = 0; atMs < this.calmAtMs + 500 && this.scenario.liars.length > 0; atMs += 15)
      this.at(atMs, () => this.whisper(1))
    let events = 0
    while (this.nodes.some((node) => node.disk.step !== 'decided')) {
      const next = this.queue.pop()
      if (next === undefined || next.atMs > this.calmAtMs + CALM_LIMIT_MS || ++events > MAX_EVENTS) {
        if (this.scenario.live) this.broken.add(next === undefined ? 'deadlock' : 'no decision')
        break
      }
      this.nowMs = next.atMs
      next.run()
    }
    this.checkVotes()
    return {
      broken: [...this.broken],
      views: Math.max(...this.nodes.map(({ disk }) => disk.view)),
      crashes: this.crashes,
      lies: this.adversary.lies,
      value: this.nodes.find(({ disk }) => disk.certificate !== null)?.disk.certificate?.value,
    }
  }

  private at(atMs: number, run: () => void): void {
    const item = { atMs, order: this.order++, run }
    let i = this.queue.length
    while (i > 0 && (this.queue[i - 1] as { atMs: number }).atMs <= atMs) i--
    this.queue.splice(i, 0, item)
  }

  private get calm(): boolean {
    return this.nowMs >= this.calmAtMs
  }

  /** One event at one member; false if the member went down before it was on disk. */
  private apply(node: Node, event: ConsensusEvent): boolean {
    const before = this.mutant.step?.(node.disk) ?? node.disk
    const { state, effects } = step(before, event, { signer: fakeSigner(node.seat) })
    const fate = this.calm ? 100 : this.draw(100)
    if (fate < this.crashPercent / 2) return this.crash(node)
    node.disk = state
    this.note(before, state)
    if (fate < this.crashPercent) return this.crash(node)
    for (const effect of effects) {
      switch (effect.type) {
        case 'broadcast':
          for (const peer of this.nodes) if (peer !== node) this.offer(node, peer, effect.message)
          this.tempt(effect.message)
          break
        case 'send': {
          const peer = this.nodes.find(({ seat }) => seat === effect.seat)
          if (peer !== undefined) this.offer(node, peer, effect.message)
          break
        }
        case 'set-timer': {
          const { incarnation } = node
          this.at(this.nowMs + effect.delayMs, () => {
            if (node.up && node.incarnation === incarnation) {
              this.apply(node, { type: 'timeout', view: effect.view, phase: effect.phase })
            }
          })
          break
        }
        case 'need-value':
          this.answer(node, this.draw(30), () => this.propose(node, effect.view))
          break
        case 'need-verdict':
          this.judge(node, effect.view, effect.value)
          break
        case 'decided':
          if (!this.accepted.has(valueId(effect.certificate.value)))
            this.broken.add('decided on what no honest member accepted')
          break
        case 'evidence':
          if (!this.scenario.liars.includes(seatOf(effect.evidence.against))) this.broken.add('honest member accused')
          break
        case 'abstaining':
          this.broken.add('forgot a vote')
          break
        case 'conflict':
          this.broken.add('two certificates')
          break
      }
    }
    return true
  }

  private answer(node: Node, delayMs: number, event: () => ConsensusEvent): void {
    this.at(this.nowMs + delayMs, () => {
      if (node.up) this.apply(node, event())
    })
  }

  private propose(node: Node, view: number): ConsensusEvent {
    const value = view >= this.scenario.seats && this.draw(2) === 0 ? abandon : survivors(0, 1 + (node.seat % 3), 4)
    this.accepted.add(valueId(value))
    return { type: 'value', view, value, attachments: [] }
  }

  /** Honest candidates become admissible to everyone sooner or later; a liar's to some, never, or not at all. */
  private judge(node: Node, view: number, value: Decision): void {
    const invented = value.kind === 'survivors' && !value.survivors.includes(4)
    const taste = (Number.parseInt(valueId(value).slice(0, 6), 16) + node.seat * 7 + this.scenario.seed) % 5
    if (invented && taste === 0) return
    const admissible = !invented || taste > 1
    this.answer(node, taste < 4 || this.calm ? this.draw(5) : this.draw(60), () => {
      if (admissible) this.accepted.add(valueId(value))
      return { type: 'verdict', view, admissible }
    })
  }

  private offer(from: Node, to: Node, message: ConsensusMessage): void {
    from.outbox.set(to.seat, message)
    this.transmit(from, to, message)
    if (this.draw(10) === 0) this.transmit(from, to, message)
  }

  private transmit(from: Node, to: Node, message: ConsensusMessage): void {
    const lost = !this.calm && this.draw(100) < (this.lossPercent[from.seat * 7 + to.seat] as number)
    this.at(this.nowMs + 1 + this.draw(this.calm ? 4 : this.delayMs), () => {
      const arrived = !lost && to.up && this.apply(to, { type: 'message', from: from.seat, reading: believe(message) })
      if (from.outbox.get(to.seat) !== message) return
      if (arrived) from.outbox.delete(to.seat)
      else if (from.up) this.transmit(from, to, message)
    })
  }

  /** The liars see what an honest member says, and answer whom they like. */
  private tempt(message: ConsensusMessage): void {
    if (this.scenario.liars.length === 0) return
    this.adversary.observe(believe(message))
    this.whisper(this.draw(2 * this.nodes.length))
  }

  private whisper(lies: number): void {
    for (let i = lies; i > 0; i--) {
      const node = this.nodes[this.draw(this.nodes.length)] as Node
      const reading = this.adversary.lie(node.disk)
      if (reading === null) continue
      this.at(this.nowMs + 1 + this.draw(this.calm ? 4 : 30), () => {
        if (node.up) this.apply(node, { type: 'message', from: this.scenario.liars[0] as number, reading })
      })
    }
  }

  private crash(node: Node): false {
    this.crashes++
    node.up = false
    node.incarnation++
    node.outbox.clear()
    this.at(Math.min(this.calmAtMs, this.nowMs + this.draw(100)), () => this.restart(node))
    return false
  }

  private restart(node: Node): void {
    if (node.up) return
    node.up = true
    const disk = decode(encode(node.disk)) as ConsensusState
    node.disk = this.mutant.restart?.(disk) ?? disk
    this.apply(node, { type: 'resume' })
  }

  private note(before: ConsensusState, after: ConsensusState): void {
    for (const one of after.ballots) {
      if (one.seat !== after.config.seat || before.ballots.includes(one)) continue
      const name = `${one.seat}/${one.phase}/${one.view}`
      const earlier = this.cast.get(name)
      if (earlier !== undefined && earlier.value !== one.value) this.broken.add('voted twice')
      this.cast.set(`${name}/${one.value}`, one)
      if (earlier === undefined) this.cast.set(name, one)
    }
  }

  /** The liars would sign anything: a value is certifiable with q − (number of liars) honest precommits in one view. */
  private checkVotes(): void {
    const { quorum } = configOf(this.scenario, 0).profile
    const certifiable = new Set<string>()
    const votes = [...this.cast].filter(([name, one]) => name.split('/').length === 4 && one.phase === 'precommit')
    for (const [, { view, value }] of votes) {
      if (value === null) continue
      const count = votes.filter(([, one]) => one.view === view && one.value === value).length
      if (count + this.scenario.liars.length >= quorum) certifiable.add(value)
    }
    if (certifiable.size > 1) this.broken.add('two certificates')
    const decided = this.nodes.flatMap(({ disk }) =>
      disk.certificate === null ? [] : [valueId(disk.certificate.value)],
    )
    if (new Set(decided).size > 1) this.broken.add('two decisions')
    if (decided.some((id) => !certifiable.has(id))) this.broken.add('decided without a quorum')
  }
}
