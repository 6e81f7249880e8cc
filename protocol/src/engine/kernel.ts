/**
 * The kernel of one node: it feeds events to the machines, writes what they changed, and only then carries out what they
 * asked for. One turn at a time; nothing is acknowledged before it is on disk. Implements docs/spec/secure-aggregation.md,
 * "Roles as machines". The machines decide; nothing in here does.
 */
import type { Hex } from '../crypto/hash.js'
import { decode } from '../encoding/canonical.js'
import { openSigned } from '../encoding/signed.js'
import { ignore, reject, type Verdict } from '../encoding/verdict.js'
import { errorCode, FlameshError, textOf } from '../errors.js'
import { keepsProof, type SurvivorHistory } from '../history.js'
import { emptyLog, type LogState } from '../identity/log.js'
import { isSeated } from '../identity/roster.js'
import type { DatasetDescription } from '../jobs/dataset.js'
import { JOB, type JobId } from '../jobs/job.js'
import type { Policy } from '../jobs/policy.js'
import { type Context, difference, type Effect, restore, type Timings } from '../machine.js'
import type { PeerOptions } from '../peer.js'
import type { Timer, Write } from '../ports.js'
import { compute } from '../secagg/compute.js'
import { stateKeyName } from '../secagg/kept-state.js'
import { encodeWire, type WireMessage } from '../wire.js'
import { contextOf } from './context.js'
import { afterEffects, type DeskState, emptyDesk, secretsInUse, secretsOf, spend } from './desk.js'
import type { Floor } from './floor.js'
import { hear, isMarked, Marks, seenMessage } from './marks.js'
import { Outbox } from './outbox.js'
import {
  JOB_PREFIX,
  type JobRoles,
  keepsStates,
  ROLES,
  type Role,
  type RoleEvent,
  restoreRoles,
  stateKeysInUse,
  stepRole,
} from './roles.js'
import { isAwaited, Runs } from './runs.js'
import { Secrets } from './secrets.js'

export interface KernelOptions extends PeerOptions {
  readonly timings?: Timings
}

export interface Hooks {
  /** a message of this node to itself */
  receive(from: Hex, bytes: Uint8Array): Promise<Verdict>
  /** within a turn: a member said what it knows of this node, and which jobs it knows */
  greeted(from: Hex, lost: number | undefined, jobs: readonly JobId[]): Promise<void>
  /** prekeys were used up */
  spent(): Promise<void>
  /** a job ended whose committee is succeeded */
  retire(): Promise<void>
}

const DESK_PREFIX = 'desk/'

export class Kernel {
  readonly key: Hex
  readonly statements: Uint8Array[] = []
  readonly outbox: Outbox
  readonly marks: Marks
  known = new Map<JobId, JobRoles>()
  log: LogState = emptyLog
  desk: DeskState = emptyDesk
  policy: Policy
  datasets: readonly DatasetDescription[]
  readonly secrets: Secrets
  private readonly runs: Runs
  private readonly timers = new Map<string, { readonly atMs: number; readonly timer: Timer }>()
  private turns: Promise<unknown> = Promise.resolve()
  private running = false

  constructor(
    readonly options: KernelOptions,
    private readonly hooks: Hooks,
  ) {
    this.key = options.signer.publicKey
    this.policy = options.policy
    this.datasets = options.datasets
    const { transport, clock, vault, runner } = options.ports
    this.runs = new Runs(runner)
    this.secrets = new Secrets(vault)
    this.marks = new Marks(clock.now(), options.signer)
    const deliver = (to: Hex, bytes: Uint8Array): Promise<Verdict> =>
      to === this.key ? hooks.receive(to, bytes) : transport.send(to, bytes)
    this.outbox = new Outbox(clock, encodeWire, deliver, (entry, verdict) =>
      this.settled(entry.to, entry.message, verdict),
    )
  }

  // ---- life

  /** Everything but the log, which is restored before. */
  async restore(): Promise<void> {
    const { store } = this.options.ports
    const desk = (await store.list(DESK_PREFIX)).map(
      ([key, bytes]) => [key.slice(DESK_PREFIX.length), decode(bytes)] as const,
    )
    this.desk = restore(emptyDesk, desk)
    this.marks.remembered = this.desk.counter
    this.known = restoreRoles(await store.list(JOB_PREFIX))
    // A kill may have come between a write and the erasure it called for, or between a new key and its prekey.
    const others = secretsInUse(this.desk, this.key, this.known)
    await this.secrets.load(new Set([...others, ...stateKeysInUse(this.known)]))
    this.running = true
  }

  resume(): Promise<void> {
    return this.turn(async () => {
      await this.hooks.spent()
      for (const id of this.known.keys()) await this.deliver(id, ROLES, { type: 'resume', restarted: true })
      await this.hooks.retire()
    })
  }

  async stop(): Promise<void> {
    this.running = false
    this.outbox.stop()
    for (const { timer } of this.timers.values()) timer.cancel()
    this.timers.clear()
    await this.turns
    this.runs.stop()
  }

  /** One thing at a time, in order of arrival. Rejects with `stopping` once the node stops. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turns.then(() => {
      if (!this.running) throw new FlameshError('stopping', 'this node is stopping')
      return work()
    })
    this.turns = result.catch(() => undefined)
    return result
  }

  /** A turn that nobody waits for. */
  soon(work: () => Promise<unknown>): void {
    this.turn(work).catch((error) => {
      if (errorCode(error) !== 'stopping') this.alarm(error)
    })
  }

  /** Fresh one-time keys for those that are gone. */
  refill(): Promise<void> {
    return this.hooks.spent()
  }

  /** A fault of this node, never of a peer. */
  alarm(error: unknown, type = ''): void {
    this.options.onEvent({ event: 'internal-error', fields: { type, error: textOf(error) } })
  }

  // ---- machines

  /** An event to each of a job's machines here. What one of them refuses the others may take. */
  async deliver(id: JobId, roles: readonly Role[], event: RoleEvent): Promise<Verdict> {
    const verdicts: Verdict[] = []
    for (const role of roles) {
      try {
        verdicts.push(...(await this.step(id, role, event)))
      } catch (error) {
        if (!(error instanceof FlameshError) || error.code === 'internal') throw error
        verdicts.push(reject(error.code, error.message))
      }
    }
    for (const wanted of ['reject', 'later', 'accept'] as const) {
      const found = verdicts.find((one) => one.verdict === wanted)
      if (found !== undefined) return found
    }
    return verdicts[0] ?? ignore('not-for-this-node')
  }

  /** One step of one machine: state and its consequences on disk, then the effects. */
  private async step(id: JobId, role: Role, event: RoleEvent): Promise<readonly Verdict[]> {
    const step = stepRole(id, this.known.get(id) as JobRoles, role, event, this.context())
    if (step === undefined) return []
    const speaks = step.effects.some((effect) => effect.type === 'send' && isMarked(effect.message))
    const heard = hear(this.desk, this.key, this.log.roster, event)
    if (heard.show !== undefined) this.tell(heard.show.to, 'seen', seenMessage(heard.show, this.openJobs()))
    const counter = heard.desk.counter + (speaks && step.writes.length > 0 ? 1 : 0)
    const desk = afterEffects({ ...heard.desk, counter }, step.effects, (entry) => this.keeps(entry))
    const spent = desk.prekeys !== this.desk.prekeys
    for (const effect of step.effects)
      if (effect.type === 'keep-secret') await this.secrets.keep(effect.name, effect.secret)
    await this.commit(step.writes, desk)
    this.known.set(id, step.roles)
    // one effect that cannot be carried out must not cost the others
    for (const effect of step.effects)
      await this.carryOut(id, role, effect).catch((error) => this.alarm(error, effect.type))
    this.runs.keep(`${id}/${role}`, (tag) => isAwaited(step.roles, role, tag))
    if (!keepsStates(step.roles)) await this.secrets.eraseIfHeld(stateKeyName(id))
    if (spent) await this.hooks.spent()
    return [step.verdict]
  }

  /** Worth a minute's tries: whoever reconnects is greeted anew. */
  private tell(to: Hex, kind: string, message: WireMessage): void {
    this.outbox.add({ id: `${kind}/${to}`, to, message, untilMs: this.now() + 60_000 })
  }

  /** One synced batch, then memory: a kill at any point leaves a state that a restart can go on from. */
  async commit(writes: readonly Write[], desk: DeskState): Promise<void> {
    const all = [...writes, ...difference(DESK_PREFIX, this.desk, desk)]
    if (all.length > 0) await this.options.ports.store.write(all)
    this.desk = desk
  }

  private async carryOut(id: JobId, role: Role, effect: Effect): Promise<void> {
    const { ports, onAudit, onEvent } = this.options
    const again = (event: RoleEvent): void => this.soon(() => this.deliver(id, [role], event))
    switch (effect.type) {
      case 'send':
        return this.outbox.add({ ...effect, message: this.marks.stamp(effect.message, this.desk.counter) })
      case 'publish':
        return ports.transport.publish(encodeWire(effect.message))
      case 'timer':
        return this.setTimer(`${id}/${role}/${effect.name}`, effect.atMs, () =>
          again({ type: 'timer', name: effect.name }),
        )
      case 'contribute':
      case 'reduce':
        return this.runs.begin(`${id}/${role}`, effect, again)
      case 'compute':
        if (ports.computer === undefined)
          return again({ type: 'computed', tag: effect.tag, answer: compute(effect.task) })
        ports.computer.compute(effect.task).then((answer) => again({ type: 'computed', tag: effect.tag, answer }))
        return
      case 'erase-secret':
        return this.secrets.erase(effect.name)
      case 'retire':
        return this.hooks.retire()
      case 'audit':
        return onAudit({ event: effect.event, fields: effect.fields })
      case 'notify':
        return onEvent({ event: effect.event, job: id, fields: effect.fields })
      case 'remember':
      case 'remember-tentative':
      case 'forget-tentative':
      case 'remember-consent':
      case 'spend-prekeys':
      case 'keep-secret':
        return // written before
    }
  }

  /** Machines ask for the same timer with every step; one that is set for that time stays. */
  private setTimer(name: string, atMs: number, fire: () => void): void {
    const before = this.timers.get(name)
    if (before?.atMs === atMs) return
    before?.timer.cancel()
    const timer = this.options.ports.clock.setTimer(atMs, () => {
      if (this.timers.get(name)?.timer === timer) this.timers.delete(name)
      fire()
    })
    this.timers.set(name, { atMs, timer })
  }

  private settled(to: Hex, message: WireMessage, verdict: Verdict): void {
    if (verdict.verdict === 'reject')
      this.options.onAudit({ event: 'message-refused', fields: { to, type: message.type, code: verdict.code } })
    if (message.type === 'train' || message.type === 'delivery')
      this.soon(() => this.deliver(message.job, ['station'], { type: 'answered', to, kind: message.type, verdict }))
    if (message.type !== 'release' || verdict.verdict !== 'accept') return
    this.soon(() => this.deliver(message.job, ['member'], { type: 'delivered', to, kind: message.type }))
  }

  // ---- what everything sees

  context(): Context {
    return contextOf(this, (name) => this.secrets.get(name))
  }

  /** Whether this node keeps what proves a set: as a member of any committee, or as one of some of its sites. */
  keeps(entry: SurvivorHistory): boolean {
    return isSeated(this.log.roster, this.key) || keepsProof(this.key, entry.sites)
  }

  now(): number {
    return this.options.ports.clock.now()
  }

  openJobs(): ReadonlyMap<JobId, JobRoles> {
    const nowMs = this.now()
    return new Map([...this.known].filter(([, { signed }]) => openSigned(signed, JOB).body.notAfter > nowMs))
  }

  floor(learn: Floor['learn']): Floor {
    const { ports } = this.options
    return {
      self: this.key,
      life: this.marks.life,
      nowMs: this.now(),
      log: this.log,
      statements: this.statements,
      jobs: this.openJobs(),
      learn,
      random: (length) => ports.random.bytes(length),
      keep: (desk) => this.commit([], desk),
      keepsProof: (entry) => this.keeps(entry),
      learned: async () => {
        for (const id of this.openJobs().keys())
          await this.deliver(id, ['member', 'station'], { type: 'resume', restarted: false })
        await this.hooks.retire()
      },
      discard: async (prekeys) => {
        const names = secretsOf(this.desk, prekeys)
        await this.commit([], spend(this.desk, prekeys))
        // a round was begun with them without this node: nothing here will ever need their secrets
        for (const name of names) await this.secrets.erase(name)
        await this.hooks.spent()
      },
      forgotten: (mark) => this.marks.forgotten(mark),
      greeting: (from, lost, jobs) => this.hooks.greeted(from, lost, jobs),
      send: (to, kind, message) => this.tell(to, kind, message),
      notify: (event, fields) => this.options.onEvent({ event, fields }),
    }
  }
}
