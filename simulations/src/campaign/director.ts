/**
 * Carries out the operations of a case: every message of every node passes through here, and may set one off, be lost,
 * held back, doubled or replaced by a lie. Writes and entries of the audit logs set operations off as well.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import type { Transport } from '@flamesh/protocol/ports.js'
import { decodeWire, encodeWire, type WireMessage } from '@flamesh/protocol/wire.js'
import type { Federation, SimulatedNode } from '../federation.js'
import type { Case, Deed, Match, Operation } from './case.js'
import type { Liar, LieDeed } from './liar.js'
import type { Invariant, Scene } from './observer.js'

/** A fault on messages that match, for a number of times. */
export interface Rule {
  readonly deed: Extract<Deed, { times: number }>
  left: number
}

export interface Backup {
  readonly entries: Map<string, Uint8Array>
  readonly secrets: Map<string, Uint8Array>
}

/** An operation that has not happened yet. */
interface Waiting {
  readonly operation: Operation
  count: number
  done: boolean
}

/** What operations come to. */
export interface Acts {
  deed(director: Director, deed: Exclude<Deed, LieDeed>): void
  lie(director: Director, deed: LieDeed): Liar
}

export class Director {
  readonly rules: Rule[] = []
  readonly liars = new Map<string, Liar[]>()
  readonly backups = new Map<string, Backup>()
  readonly jobs = new Map<number, Hex>()
  /** how often each kind of fault really happened */
  readonly fired: Record<string, number> = {}
  messages = 0
  /** writes after which a job may have ended */
  turns = 0
  /** while this does not hold, nothing more goes wrong */
  calm = false
  private readonly waiting: Waiting[]
  private readonly decoded = new WeakMap<Uint8Array, WireMessage>()
  private readonly real: (from: Hex) => Transport

  constructor(
    readonly scene: Scene,
    readonly one: Case,
    private readonly invariants: readonly Invariant[],
    private readonly acts: Acts,
  ) {
    const { network } = scene.federation
    this.waiting = one.operations.map((operation) => ({ operation, count: 0, done: false }))
    this.real = network.transportOf.bind(network)
    network.transportOf = (from) => this.transport(from)
    const wrote = network.wrote.bind(network)
    network.wrote = (site, key, value) => {
      wrote(site, key, value)
      this.onWrite(scene.byKey.get(site) as SimulatedNode, key, value)
    }
    for (const node of scene.federation.nodes.values()) this.watchAudit(node)
  }

  get federation(): Federation {
    return this.scene.federation
  }

  /** operations that may still happen at their time */
  get pending(): number {
    return this.waiting.filter((one) => !one.done && one.operation.when.on === 'time').length
  }

  note(kind: string): void {
    this.fired[kind] = (this.fired[kind] ?? 0) + 1
  }

  /** Everything that is to happen at a time; lies told from the start are there before anyone speaks. */
  begin(): void {
    const { clock } = this.federation
    for (const one of this.waiting) {
      const { when } = one.operation
      if (when.on === 'time' && when.atMs === 0) this.fire(one)
      else if (when.on === 'time') clock.setTimer(clock.now() + when.atMs, () => this.fire(one))
      else if (when.on === 'write') this.armWrite(one, when.node, when.nth)
    }
  }

  /** A crash at a write has to come about within it; any other deed of a write comes with the event after it. */
  private armWrite(waiting: Waiting, name: string, nth: number): void {
    const { deed } = waiting.operation
    if (deed.do !== 'crash' || deed.node !== name) return
    const { disk } = this.federation.node(name)
    disk.killAt = disk.writes + nth
    disk.killAfterWrite = deed.afterWrite
    const drop = disk.onKill
    disk.onKill = () => {
      drop()
      if (waiting.done) return
      waiting.done = true
      this.note('crash')
      this.restartLater(name, deed.restartMs)
    }
  }

  restartLater(name: string, afterMs: number): void {
    const { clock } = this.federation
    clock.setTimer(clock.now() + afterMs, () => this.restart(name))
  }

  restart(name: string): void {
    const node = this.federation.node(name)
    if (node.peer !== undefined) return
    void node.start().catch((error) => {
      // killed again while it came up
      const fault = errorCode(error) !== 'stopping'
      this.scene.check('no fault', !fault, () => `${name} does not come up: ${error}`)
    })
  }

  private fire(waiting: Waiting): void {
    if (waiting.done || this.calm) return
    waiting.done = true
    const { deed } = waiting.operation
    this.note(deed.do === 'lie' ? `lie:${deed.lie}` : deed.do)
    if (deed.do === 'lie') {
      const list = this.liars.get(deed.node) ?? []
      this.liars.set(deed.node, [...list, this.acts.lie(this, deed)])
    } else this.acts.deed(this, deed)
  }

  private onWrite(node: SimulatedNode, key: string, value: Uint8Array | null): void {
    if (key.endsWith('/request/status') || key.endsWith('/member/progress') || key.endsWith('/site/status'))
      this.turns++
    if (this.scene.isHonest(node)) for (const one of this.invariants) one.wrote?.({ node, key, value })
    for (const one of this.waiting) {
      const { when, deed } = one.operation
      if (one.done || when.on !== 'write' || when.node !== node.name || deed.do === 'crash') continue
      if (one.count++ === when.nth) this.federation.clock.setTimer(this.federation.clock.now(), () => this.fire(one))
    }
  }

  private watchAudit(node: SimulatedNode): void {
    const push = node.audit.push.bind(node.audit)
    node.audit.push = (...entries) => {
      for (const { event } of entries)
        for (const one of this.waiting) {
          const { when } = one.operation
          if (one.done || when.on !== 'audit' || when.node !== node.name || when.event !== event) continue
          if (one.count++ === when.nth) this.fire(one)
        }
      return push(...entries)
    }
  }

  // ---- messages

  read(bytes: Uint8Array): WireMessage {
    const known = this.decoded.get(bytes)
    if (known !== undefined) return known
    const message = decodeWire(bytes)
    this.decoded.set(bytes, message)
    return message
  }

  private transport(from: Hex): Transport {
    const real = this.real(from)
    const sender = this.scene.byKey.get(from) as SimulatedNode
    return {
      publish: (bytes) => {
        const message = this.read(bytes)
        for (const to of this.scene.byKey.values()) if (to !== sender) this.tell(sender, to, message)
        real.publish(bytes)
      },
      send: (to, bytes) => this.send(real, sender, this.scene.byKey.get(to) as SimulatedNode, bytes),
    }
  }

  /** What is about to leave, to whoever watches: before a byte of it does. */
  private tell(from: SimulatedNode, to: SimulatedNode, message: WireMessage): void {
    this.messages++
    const honest = this.scene.isHonest(from)
    for (const one of this.invariants) one.said?.({ from, to, honest, message })
  }

  private send(
    real: Transport,
    from: SimulatedNode,
    to: SimulatedNode,
    bytes: Uint8Array,
  ): ReturnType<Transport['send']> {
    let message: WireMessage | undefined = this.read(bytes)
    let sent = bytes
    for (const liar of this.liars.get(from.name) ?? []) {
      if (message !== undefined) message = liar.says(from, to, message)
    }
    if (message === undefined) return Promise.reject(new Error('never sent'))
    if (message !== this.decoded.get(bytes)) {
      sent = encodeWire(message)
      this.decoded.set(sent, message)
    }
    return this.leave(real, from, to, message, sent)
  }

  private leave(real: Transport, from: SimulatedNode, to: SimulatedNode, message: WireMessage, bytes: Uint8Array) {
    this.tell(from, to, message)
    for (const liar of this.liars.get(to.name) ?? []) liar.hears(from, to, message)
    this.onMessage(from, to, message)
    return this.carry(real, from, to, message, bytes)
  }

  /** A liar says something of its own accord. */
  say(from: SimulatedNode, to: SimulatedNode, message: WireMessage): void {
    const { clock } = this.federation
    clock.setTimer(clock.now(), () => {
      if (from.peer === undefined) return
      const bytes = encodeWire(message)
      this.decoded.set(bytes, message)
      this.leave(this.real(from.key), from, to, message, bytes).catch(() => undefined)
    })
  }

  /** Faults of the network on one message. */
  private carry(real: Transport, from: SimulatedNode, to: SimulatedNode, message: WireMessage, bytes: Uint8Array) {
    const { clock } = this.federation
    const rule = this.calm
      ? undefined
      : this.rules.find((one) => one.left > 0 && matches(one.deed.match, from, to, message))
    if (rule === undefined) return real.send(to.key, bytes)
    rule.left--
    this.note(rule.deed.do)
    const later = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(clock.now() + ms, resolve))
    switch (rule.deed.do) {
      case 'drop-request':
        return later(20).then(() => Promise.reject(new Error('no answer')))
      case 'drop-response':
        return real.send(to.key, bytes).then(() => Promise.reject(new Error('no answer')))
      case 'duplicate':
        void later(rule.deed.afterMs).then(() => real.send(to.key, bytes).catch(() => undefined))
        return real.send(to.key, bytes)
      case 'delay':
        return later(rule.deed.delayMs).then(() => real.send(to.key, bytes))
    }
  }

  private onMessage(from: SimulatedNode, to: SimulatedNode, message: WireMessage): void {
    for (const one of this.waiting) {
      const { when } = one.operation
      if (one.done || when.on !== 'message' || !matches(when.match, from, to, message)) continue
      if (one.count++ === when.nth) this.fire(one)
    }
  }
}

export function matches(match: Match, from: SimulatedNode, to: SimulatedNode, message: WireMessage): boolean {
  const { round, attempt } = message as { readonly round?: number; readonly attempt?: number }
  return (
    (match.type === undefined || match.type === message.type) &&
    (match.from === undefined || match.from === from.name) &&
    (match.to === undefined || match.to === to.name) &&
    (match.round === undefined || match.round === round) &&
    (match.attempt === undefined || match.attempt === attempt)
  )
}
