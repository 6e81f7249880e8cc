/**
 * What the exploration remembers of a committee of three honest members and a liar, packed into numbers: of each member the
 * place it is in, its lock, and what it said that still matters; of all together the quorums whose signers no longer matter.
 */
import { begin, type ConsensusConfig, type ConsensusState, step } from '@flamesh/protocol/secagg/consensus.js'
import { type Ballot, type Decision, proposerSeat, valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { ballot, configOf, type Setting, survivors } from './consensus-harness.js'

export const LIAR = 3
export const HONEST = [0, 1, 2] as const
/** Places in a view; `decided` is left out: a member that decided says no more than one that is never heard again. */
export const [PROPOSE, PREVOTE, PRECOMMIT] = [0, 1, 2] as const
const STEPS = ['propose', 'prevote', 'precommit'] as const
const MAX_VIEWS = 3

export interface Machine {
  readonly begin: typeof begin
  readonly step: typeof step
}

/** The committee and what is explored of it. */
export interface Model {
  readonly machine: Machine
  readonly views: number
  readonly values: readonly Decision[]
  readonly ids: readonly string[]
  /** by view */
  readonly proposers: readonly number[]
  /** honest votes that make a quorum together with the liar's */
  readonly needed: number
  config(seat: number): ConsensusConfig
}

export function modelOf(setting: Setting, views: number, values = 2, machine: Machine = { begin, step }): Model {
  if (views > MAX_VIEWS || values > 3) throw new Error('the packing has room for three views and three values')
  const config = configOf(setting, 0)
  const decisions = Array.from({ length: values }, (_, i) => survivors(i + 1))
  return {
    machine,
    views,
    values: decisions,
    ids: decisions.map(valueId),
    proposers: Array.from({ length: views }, (_, view) => proposerSeat(config, view)),
    needed: config.profile.quorum - 1,
    config: (seat) => configOf(setting, seat),
  }
}

/** One member. Votes are four bits a view: nil, then one for each value; more than one only in a broken member. */
export interface Content {
  readonly view: number
  readonly at: number
  /** 0, or 1 + view · values + value */
  readonly lock: number
  /** 0, or 1 + (view · values + value) · (views + 1) + validView + 1 */
  readonly proposal: number
  readonly prevotes: number
  readonly precommits: number
}

export const START: Content = { view: 0, at: PROPOSE, lock: 0, proposal: 0, prevotes: 0, precommits: 0 }

/** Four bits a view. */
export const votesIn = (votes: number, view: number): number => (votes >> (4 * view)) & 15
export const bitOf = (value: number): number => 2 << value
export const NIL = 1
export const placeOf = ({ view, at }: Content): number => view * 3 + at

/** Below 2^36. */
export function packed({ view, at, lock, proposal, prevotes, precommits }: Content): number {
  return ((((view * 3 + at) * 10 + lock) * 37 + proposal) * 4096 + prevotes) * 4096 + precommits
}

export function lockOf({ values }: Model, lock: number): { readonly view: number; readonly value: number } | null {
  if (lock === 0) return null
  return { view: Math.floor((lock - 1) / values.length), value: (lock - 1) % values.length }
}

export interface Offer {
  readonly view: number
  readonly value: number
  readonly validView: number
}

export function packedOffer({ views, values }: Model, { view, value, validView }: Offer): number {
  return 1 + (view * values.length + value) * (views + 1) + validView + 1
}

export function offerOf({ views, values }: Model, proposal: number): Offer | null {
  if (proposal === 0) return null
  const code = Math.floor((proposal - 1) / (views + 1))
  return {
    view: Math.floor(code / values.length),
    value: code % values.length,
    validView: ((proposal - 1) % (views + 1)) - 1,
  }
}

/** The member as the machine knows it, with nothing in its log but its own votes of this view and its lock's value. */
export function stateOf(model: Model, seat: number, content: Content): ConsensusState {
  const { view, at } = content
  const lock = lockOf(model, content.lock)
  const id = lock === null ? '' : (model.ids[lock.value] as string)
  const ballots: Ballot[] = []
  const own = (phase: Ballot['phase'], votes: number) => {
    const bits = votesIn(votes, view)
    if (bits !== 0) ballots.push(ballot(phase, view, bits & NIL ? null : namedBy(model, bits), seat))
  }
  if (at >= PREVOTE) own('prevote', content.prevotes)
  if (at >= PRECOMMIT) own('precommit', content.precommits)
  return {
    ...model.machine.begin(model.config(seat)),
    step: STEPS[at] as 'propose',
    view,
    locked: lock && { view: lock.view, id },
    valid: lock && { view: lock.view, id, value: model.values[lock.value] as Decision },
    ballots,
  }
}

const namedBy = ({ ids }: Model, bits: number): string => ids[ids.findIndex((_, i) => bits & bitOf(i))] as string

/** The member after a step, given what it was and had said before. */
export function contentOf(model: Model, before: Content, state: ConsensusState): Content {
  const own = state.config.seat
  const votes = { prevote: before.prevotes, precommit: before.precommits }
  for (const { seat, phase, view, value } of state.ballots) {
    if (seat === own) votes[phase] |= (value === null ? NIL : bitOf(model.ids.indexOf(value))) << (4 * view)
  }
  const offered = state.proposals.findLast(({ seat }) => seat === own)
  const { locked } = state
  return {
    view: state.view,
    at: STEPS.indexOf(state.step as 'propose'),
    lock: locked === null ? 0 : 1 + locked.view * model.ids.length + model.ids.indexOf(locked.id),
    proposal:
      offered === undefined
        ? before.proposal
        : packedOffer(model, { ...offered, value: model.ids.indexOf(offered.id) }),
    prevotes: votes.prevote,
    precommits: votes.precommit,
  }
}

/** The same with value i called order[i]. */
export function renamed(model: Model, content: Content, order: readonly number[]): Content {
  const bits = (votes: number) => {
    let out = 0
    for (let view = 0; view < model.views; view++) {
      const here = votesIn(votes, view)
      let there = here & NIL
      for (const [from, to] of order.entries()) if (here & bitOf(from)) there |= bitOf(to)
      out |= there << (4 * view)
    }
    return out
  }
  const lock = lockOf(model, content.lock)
  const offer = offerOf(model, content.proposal)
  return {
    ...content,
    lock: lock === null ? 0 : 1 + lock.view * order.length + (order[lock.value] as number),
    proposal: offer === null ? 0 : packedOffer(model, { ...offer, value: order[offer.value] as number }),
    prevotes: bits(content.prevotes),
    precommits: bits(content.precommits),
  }
}
