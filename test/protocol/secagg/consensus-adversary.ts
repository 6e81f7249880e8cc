/** Lying seats that act together: they see every honest message and choose what to sign, and for whose eyes. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { ConsensusConfig, ConsensusState } from '@flamesh/protocol/secagg/consensus.js'
import {
  type Ballot,
  type Decision,
  type Proposed,
  proposerSeat,
  type Reading,
  valueId,
} from '@flamesh/protocol/secagg/consensus-messages.js'
import { abandon, fakeSignature, survivors } from './consensus-harness.js'
import type { Draw } from './consensus-simulation.js'

interface Plan {
  readonly left: readonly number[]
  readonly values: readonly Hex[]
  readonly complete: readonly boolean[]
  readonly decide: boolean
}

export class Adversary {
  lies = 0
  /** honest ballots by signer, phase and view */
  private readonly pool = new Map<string, Ballot>()
  private readonly values = new Map<Hex, Decision>()
  private readonly plans = new Map<number, Plan>()

  constructor(
    private readonly seats: readonly number[],
    private readonly config: ConsensusConfig,
    private readonly draw: Draw,
  ) {
    for (const value of [abandon, survivors(9), survivors(7, 8)]) this.values.set(valueId(value), value)
  }

  observe({ ballots, proposal, value }: Reading): void {
    for (const one of ballots) {
      if (!this.seats.includes(one.seat)) this.pool.set(`${one.seat}/${one.phase}/${one.view}`, one)
    }
    for (const shown of [proposal?.value, value]) if (shown) this.values.set(valueId(shown), shown)
  }

  /** Something for the member in this state, or nothing. */
  lie(target: ConsensusState): Reading | null {
    if (target.step === 'decided') return null
    this.lies++
    const view = Math.max(0, target.view)
    if (this.draw(4) === 0) return this.random(view + this.draw(2))
    const plan = this.planFor(view)
    const side = plan.left.includes(target.config.seat) ? 0 : 1
    switch (target.step) {
      case 'precommit':
        return this.votes(view, 'precommit', plan.decide ? this.favourite(view) : null)
      case 'prevote':
        return plan.complete[side]
          ? (this.quorum(view, 'prevote') ?? this.votes(view, 'prevote', this.favourite(view)))
          : this.votes(view, 'prevote', null)
      default:
        return this.proposal(view, plan.values[side] as Hex)
    }
  }

  /** Two faces for each view: who is told what, who sees a quorum of prevotes, and whether anything may be decided. */
  private planFor(view: number): Plan {
    const known = this.plans.get(view)
    if (known !== undefined) return known
    const ids = [...this.values.keys()]
    const plan = {
      left: this.config.seats.flatMap((_, seat) => (this.draw(2) === 0 ? [seat] : [])),
      values: [0, 1].map(() => ids[this.draw(ids.length)] as Hex),
      complete: [this.draw(2) === 0, this.draw(2) === 0],
      decide: this.draw(8) === 0,
    }
    this.plans.set(view, plan)
    return plan
  }

  private random(view: number): Reading | null {
    switch (this.draw(4)) {
      case 0:
        return this.proposal(view, this.id() ?? valueId(abandon))
      case 1:
        return this.quorum(view, 'prevote')
      case 2:
        return this.quorum(this.draw(view + 1), this.draw(2) === 0 ? 'prevote' : 'precommit')
      default:
        return this.votes(view, this.draw(2) === 0 ? 'prevote' : 'precommit', this.id())
    }
  }

  private id(): Hex | null {
    const ids = [null, ...this.values.keys()]
    return ids[this.draw(ids.length)] as Hex | null
  }

  /** What an honest member prevoted in this view. */
  private favourite(view: number): Hex | null {
    const seen = this.honest(view, 'prevote').filter(({ value }) => value !== null)
    return seen.length === 0 ? this.id() : (seen[this.draw(seen.length)] as Ballot).value
  }

  private honest(view: number, phase: Ballot['phase']): readonly Ballot[] {
    return [...this.pool.values()].filter((one) => one.view === view && one.phase === phase)
  }

  private sign(view: number, phase: Ballot['phase'], value: Hex | null): readonly Ballot[] {
    return this.seats.map((seat) => ({ phase, view, value, seat, signature: fakeSignature(seat) }))
  }

  private votes(view: number, phase: Ballot['phase'], value: Hex | null): Reading {
    return this.reading(this.sign(view, phase, value), null, value)
  }

  /** Completes whatever honest votes allow to be completed, for this one target. */
  private quorum(view: number, phase: Ballot['phase']): Reading | null {
    for (const id of this.values.keys()) {
      const ballots = [...this.honest(view, phase).filter(({ value }) => value === id), ...this.sign(view, phase, id)]
      if (ballots.length >= this.config.profile.quorum) return this.reading(ballots, null, id)
    }
    return null
  }

  private proposal(view: number, wanted: Hex): Reading | null {
    const seat = proposerSeat(this.config, view)
    if (!this.seats.includes(seat)) return this.votes(view, 'prevote', this.favourite(view))
    const at = this.draw(3) === 0 ? this.draw(view + 1) - 1 : -1
    const justified = at < 0 ? null : this.quorum(at, 'prevote')
    const value = this.values.get(justified?.ballots[0]?.value ?? wanted) as Decision
    const validView = justified === null ? -1 : at
    const proposed = {
      view,
      seat,
      validView,
      value,
      id: valueId(value),
      attachments: [],
      signature: fakeSignature(seat),
    }
    return this.reading([...(justified?.ballots ?? []), ...this.sign(view, 'prevote', proposed.id)], proposed, null)
  }

  private reading(ballots: readonly Ballot[], proposal: Proposed | null, id: Hex | null): Reading {
    return { verdict: 'accept', ballots, proposal, value: id === null ? null : (this.values.get(id) ?? null) }
  }
}
