/**
 * Everything one honest member can do next, computed by the real state machine, when the network and the liar hand over
 * whatever exists in whatever selection; and the rules a member must keep whatever it is handed.
 */
import type { ConsensusEvent, ConsensusState } from '@flamesh/protocol/secagg/consensus.js'
import type { Ballot, Decision } from '@flamesh/protocol/secagg/consensus-messages.js'
import {
  bitOf,
  type Content,
  contentOf,
  HONEST,
  LIAR,
  lockOf,
  type Model,
  NIL,
  offerOf,
  PREVOTE,
  PROPOSE,
  stateOf,
  votesIn,
} from './consensus-contents.js'
import { ballot, fakeSigner, message } from './consensus-harness.js'

/** What exists for one member to be told. */
export interface Heard {
  /** the other two's votes of this member's view, as bits */
  readonly prevotes: readonly [number, number]
  readonly precommits: readonly [number, number]
  /** the highest view another honest member voted in, or -1 */
  readonly furthest: number
  /** bit view · values + value: enough honest prevotes for a quorum with the liar's */
  readonly polkas: number
  /** packed proposal of this view by an honest other, or 0 */
  readonly proposal: number
}

export const hasPolka = ({ ids }: Model, polkas: number, view: number, value: number): boolean =>
  ((polkas >> (view * ids.length + value)) & 1) === 1

/** Votes of members that stand for any others: who signed does not matter to a machine that forgets what it was told. */
export interface Witness {
  /** honest seats whose prevotes make this quorum, with the liar's */
  signers(view: number, value: number): readonly number[]
  /** a vote of another honest member in this view */
  seen(view: number): Ballot
}

function anyWitness(seat: number): Witness {
  // its own vote would have to be in its log
  const others = HONEST.filter((one) => one !== seat)
  return { signers: () => others, seen: (view) => ballot('prevote', view, null, others[0] as number) }
}

/** Lists of events, each handed over without a pause in between. */
export function* eventsFor(
  model: Model,
  seat: number,
  content: Content,
  heard: Heard,
  witness: Witness = anyWitness(seat),
): Generator<readonly ConsensusEvent[]> {
  const { view, at } = content
  const { views, proposers } = model
  const timeout = (phase: Ballot['phase'] | 'propose'): ConsensusEvent => ({ type: 'timeout', view, phase })
  const others = HONEST.filter((one) => one !== seat)
  const late = [...polkaMessages(model, witness, heard.polkas)]
  if (at === PROPOSE) {
    yield [timeout('propose')]
    yield* proposalsFor(model, seat, view, heard, witness)
  }
  if (at === PREVOTE) {
    for (const handed of handedVotes(model, others, 'prevote', view, heard.prevotes)) {
      yield [handed]
      yield [handed, timeout('prevote')]
    }
  }
  // A value with a late quorum matters to who proposes next: it is learnt just before the view is entered, or just after.
  const entering = function* (target: number, ...events: readonly ConsensusEvent[]) {
    yield events
    if (proposers[target] === seat) for (const polka of late) yield [polka, ...events]
  }
  for (const handed of handedVotes(model, others, 'precommit', view, heard.precommits)) {
    if (view + 1 < views) yield* entering(view + 1, handed, timeout('precommit'))
    else yield [handed]
  }
  for (let target = view + 1; target <= heard.furthest; target++) {
    const ballots = [witness.seen(heard.furthest), ballot('prevote', target, null, LIAR)]
    yield* entering(target, message({ ballots }))
  }
}

function* proposalsFor(
  model: Model,
  seat: number,
  view: number,
  heard: Heard,
  witness: Witness,
): Generator<readonly ConsensusEvent[]> {
  const { values, proposers } = model
  const proposer = proposers[view] as number
  if (proposer === seat) {
    for (const value of values) yield [{ type: 'value', view, value, attachments: [] }]
    for (const polka of polkaMessages(model, witness, heard.polkas)) yield [polka]
    return
  }
  const honest = offerOf(model, heard.proposal)
  const offers = honest === null ? [] : [honest]
  if (proposer === LIAR) {
    for (const value of values.keys())
      for (let validView = -1; validView < view; validView++) offers.push({ view, value, validView })
  }
  for (const { value, validView } of offers) {
    if (validView >= 0 && !hasPolka(model, heard.polkas, validView, value)) continue
    const ballots = validView < 0 ? [] : polka(model, witness, validView, value)
    const shown = message({
      proposal: { view, validView, value: model.values[value] as Decision, seat: proposer },
      ballots,
    })
    yield [shown]
    if (validView < 0) for (const admissible of [true, false]) yield [shown, { type: 'verdict', view, admissible }]
  }
}

/** A quorum of prevotes that another honest member could show as well. */
const polka = ({ ids }: Model, witness: Witness, view: number, value: number): readonly Ballot[] =>
  [...witness.signers(view, value), LIAR].map((seat) => ballot('prevote', view, ids[value] as string, seat))

function* polkaMessages(model: Model, witness: Witness, polkas: number): Generator<ConsensusEvent> {
  for (let view = 0; view < model.views; view++) {
    for (const [value, decision] of model.values.entries()) {
      if (hasPolka(model, polkas, view, value))
        yield message({ ballots: polka(model, witness, view, value), value: decision })
    }
  }
}

/** Any selection of the others' votes in one place, and any vote of the liar's. */
function* handedVotes(
  { ids, values }: Model,
  others: readonly number[],
  phase: Ballot['phase'],
  view: number,
  said: readonly [number, number],
): Generator<ConsensusEvent> {
  const choices = (bits: number) => [
    undefined,
    ...(bits & NIL ? [null] : []),
    ...ids.filter((_, value) => bits & bitOf(value)),
  ]
  for (const first of choices(said[0])) {
    for (const second of choices(said[1])) {
      if (first === undefined && second === undefined) continue
      for (const lie of choices(15)) {
        const votes = [first, second, lie].flatMap((value, i) =>
          value === undefined ? [] : [ballot(phase, view, value, [...others, LIAR][i] as number)],
        )
        const named = votes.find(({ value }) => value !== null)?.value
        const value = named == null ? undefined : (values[ids.indexOf(named)] as Decision)
        yield message({ ballots: votes, ...(value && { value }) })
      }
    }
  }
}

export interface Moves {
  readonly next: readonly Content[]
  /** calls of the machine */
  readonly steps: number
  readonly broken: readonly string[]
}

export function movesOf(model: Model, seat: number, content: Content, heard: Heard): Moves {
  const next: Content[] = []
  const broken: string[] = []
  let steps = 0
  const before = stateOf(model, seat, content)
  for (const events of eventsFor(model, seat, content, heard)) {
    let state = before
    let after = content
    for (const event of events) {
      state = model.machine.step(state, event, { signer: fakeSigner(seat) }).state
      steps++
      // after each event: a vote may leave the log when the next one ends its view
      if (state.step !== 'decided') after = contentOf(model, after, state)
    }
    broken.push(...brokenRules(model, content, after, heard, events, state))
    if (state.step !== 'decided') next.push(after)
  }
  return { next, steps, broken }
}

/** What an honest member never does, judged by what exists and not by what the machine remembers. */
function brokenRules(
  model: Model,
  before: Content,
  after: Content,
  heard: Heard,
  events: readonly ConsensusEvent[],
  state: ConsensusState,
): readonly string[] {
  const broken: string[] = []
  if (state.abstaining) broken.push('took another for itself')
  if (state.certificate !== null) {
    const decided = bitOf(model.values.indexOf(state.certificate.value))
    const own = state.ballots.filter(({ seat }) => seat === state.config.seat).length
    const others = heard.precommits.filter((bits) => bits & decided).length
    return own + others < model.needed ? ['decided without a quorum'] : []
  }
  if (after.view * 3 + after.at < before.view * 3 + before.at) broken.push('went back')
  for (let view = 0; view < model.views; view++) {
    for (const phase of ['prevotes', 'precommits'] as const) {
      const said = votesIn(before[phase], view)
      const cast = votesIn(after[phase], view) & ~said
      if (cast === 0) continue
      if (said !== 0) broken.push('voted twice')
      if (view < before.view) broken.push('voted in a view it had left')
      if (cast === NIL) continue
      const value = Math.log2(cast) - 1
      if (phase === 'prevotes') broken.push(...brokenPrevote(model, before, heard, events, { view, value }))
      else {
        if (!hasPolka(model, heard.polkas, view, value)) broken.push('precommitted without a quorum of prevotes')
        if (after.lock !== 1 + view * model.ids.length + value) broken.push('precommitted without a lock')
      }
    }
  }
  const moved = after.lock !== before.lock && votesIn(after.precommits, lockOf(model, after.lock)?.view ?? 0) === 0
  return moved ? [...broken, 'locked without a precommit'] : broken
}

/** A value is judged by an honest member or has an earlier quorum; a lock yields to a later quorum alone. */
function brokenPrevote(
  model: Model,
  before: Content,
  heard: Heard,
  events: readonly ConsensusEvent[],
  { view, value }: { readonly view: number; readonly value: number },
): readonly string[] {
  const accepted = events.some((one) => one.type === 'value' || (one.type === 'verdict' && one.admissible))
  const lock = lockOf(model, before.lock)
  const earlier = Array.from({ length: view }, (_, of) => of).filter((of) => hasPolka(model, heard.polkas, of, value))
  const broken: string[] = []
  if (!accepted && earlier.length === 0 && lock?.value !== value) broken.push('prevoted what nobody judged')
  if (lock !== null && lock.value !== value && !earlier.some((of) => of >= lock.view)) broken.push('broke its lock')
  return broken
}
