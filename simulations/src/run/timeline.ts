/** What a scenario does to its federation, and when: kills, partitions, the hub, liars, churn. */
import { dirname, resolve } from 'node:path'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Federation } from '../federation.js'
import { seededRandom } from '../kernel/random.js'
import { committeeNames, RESEARCHER, siteNames } from '../scenarios/names.js'
import type { Scenario, ScenarioEvent } from '../scenarios/schema.js'
import { type Change, churn, readTrace } from '../workload/availability.js'
import { turnByzantine } from './byzantine.js'
import { siteInPhase, watchDropout } from './dropout.js'
import { readText } from './federate.js'
import type { Record } from './record.js'

/** A node asks the hub so often, as the real one does; each at its own time. */
const HUB_POLL_MS = 30_000

export interface Stage {
  readonly scenario: Scenario
  readonly federation: Federation
  readonly record: Record
  /** when everything is up, on the federation's clock */
  readonly zeroMs: number
  /** what went wrong in something nobody waits for */
  readonly onFailure: (error: unknown) => void
}

export class Timeline {
  private hub = true
  private readonly slow = new Set<string>()

  constructor(private readonly stage: Stage) {}

  /** Sets everything of the scenario going. `file`: the scenario's, for the paths in it. */
  schedule(file: string): void {
    const { scenario, record } = this.stage
    for (const event of scenario.events) {
      if (event.at !== undefined) this.at(event.at, () => this.act(event))
      else this.before(event)
    }
    watchDropout(scenario, record, (site) => this.stop(site, 'vanishes'))
    const { availability } = scenario
    if (availability === undefined) return
    if ('trace' in availability) {
      const path = resolve(dirname(file), availability.trace)
      const changes = readTrace(readText(path), availability.trace, siteNames(scenario))
      for (const change of changes) this.at(change.atMs, () => this.apply(change))
      return
    }
    const spared = availability.committee ? [] : committeeNames(scenario)
    for (const site of siteNames(scenario)) {
      if (!spared.includes(site)) this.follow(churn(scenario.seed, site, availability.up, availability.down))
    }
  }

  private at(atMs: number, act: () => void): void {
    this.stage.federation.clock.setTimer(this.stage.zeroMs + atMs, act)
  }

  private follow(changes: Generator<Change>): void {
    const change = changes.next().value as Change
    this.at(change.atMs, () => {
      this.apply(change)
      this.follow(changes)
    })
  }

  private apply({ site, up }: Change): void {
    if (up) this.start(site)
    else this.stop(site, 'goes down')
  }

  private before({ before, kill }: ScenarioEvent): void {
    const waiting = new Set(kill)
    this.stage.record.onAudit.push((seen) => {
      const site = before === undefined ? undefined : siteInPhase(before, seen)
      if (site !== undefined && waiting.delete(site)) this.stop(site, 'vanishes')
    })
  }

  private act(event: ScenarioEvent): void {
    const { federation, record } = this.stage
    const keys = (names: readonly string[]): Hex[] => names.map((name) => federation.node(name).key)
    for (const name of event.kill ?? []) this.stop(name, 'is killed')
    for (const name of event.start ?? []) this.start(name)
    if (event.partition !== undefined) {
      federation.network.links.partition(event.partition.map(keys))
      record.happened(`partition: ${event.partition.map((group) => group.join(' ')).join(' | ')}`)
    }
    if (event.oneWay !== undefined) {
      for (const from of keys(event.oneWay.from))
        for (const to of keys(event.oneWay.to)) federation.network.links.block(from, to)
      record.happened(`cut off from ${event.oneWay.to.join(' ')}`, event.oneWay.from.join(' '))
    }
    if (event.heal === true) {
      federation.network.links.heal()
      record.happened('the network is whole again')
    }
    if (event.hub !== undefined) this.setHub(event.hub === 'on')
    if (event.revoke !== undefined) this.revoke(event.revoke)
    if (event.byzantine !== undefined) {
      turnByzantine(federation, event.byzantine.member, event.byzantine.how)
      record.happened(`byzantine: ${event.byzantine.how}`, event.byzantine.member)
    }
    if (event.straggler !== undefined) this.slowDown(event.straggler.site, event.straggler.slowdown)
  }

  private stop(name: string, how: string): void {
    const node = this.stage.federation.node(name)
    if (node.peer === undefined) return
    this.stage.record.happened(how, name)
    this.stage.record.down(name)
    node.kill()
  }

  private start(name: string): void {
    const node = this.stage.federation.node(name)
    if (node.peer !== undefined) return
    this.stage.record.happened('starts', name)
    this.stage.record.up(name)
    node.start().catch(this.stage.onFailure)
  }

  slowDown(name: string, slowdown: number): void {
    const { federation, record } = this.stage
    if (this.slow.has(name)) return
    this.slow.add(name)
    federation.node(name).slowdown = slowdown
    record.happened(`${slowdown} times slower`, name)
  }

  private setHub(on: boolean): void {
    this.stage.record.happened(on ? 'the hub is back' : 'the hub is off')
    this.hub = on
    if (on) this.spread()
  }

  private revoke(name: string): void {
    const { federation, record } = this.stage
    record.happened('is revoked', name)
    federation.append({ type: 'revoke', key: federation.node(name).key, reason: 'scenario' })
    this.spread()
  }

  /** Every node asks the hub within its interval, if the hub answers then. */
  private spread(): void {
    const { federation, scenario, onFailure } = this.stage
    const { clock } = federation
    for (const name of [...siteNames(scenario), RESEARCHER]) {
      const random = seededRandom(scenario.seed, `poll/${name}`)
      clock.setTimer(clock.now() + random.integer(HUB_POLL_MS), () => {
        if (this.hub) federation.tell(name).catch(onFailure)
      })
    }
  }
}
