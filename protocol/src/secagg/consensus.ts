/**
 * Agreement of a committee on one value for each (job, round, attempt): a survivor set or ABANDON. Single-decree
 * Tendermint (Buchman, Kwon, Milošević, arXiv 1807.04938, algorithm 1; the rules below carry its line numbers) with q
 * of the committee's profile as quorum. Implements docs/spec/consensus.md. Safe with at most t malicious seats whatever
 * the network does; decides once the network is calm and q honest seats are up. Whether a fresh value is admissible is
 * the caller's judgement, and so is that the state is on disk before an effect leaves.
 */
import type { Hex } from '../crypto/hash.js'
import { assert } from '../errors.js'
import type {
  ConsensusContext,
  ConsensusEffect,
  ConsensusEvent,
  ConsensusStep,
  Question,
  TimedPhase,
} from './consensus-events.js'
import {
  ballotsFor,
  ballotsOf,
  type ConsensusConfig,
  type ConsensusState,
  hasQuorum,
  proposalOf,
  prune,
  quorums,
  reachedView,
  record,
  standing,
  valueNamed,
} from './consensus-log.js'
import { type Ballot, type Decision, proposerSeat, type Reading, valueId } from './consensus-messages.js'
import { castBallot, castProposal, certificateMessage, certificateOf } from './consensus-signed.js'

export type * from './consensus-events.js'
export { type ConsensusConfig, type ConsensusState, standing, type ViewTimeouts } from './consensus-log.js'

/** What is forgotten from view to view. */
const NOTHING_YET = { admissible: null, prevoteTimer: false, precommitTimer: false } as const

/** A member that waits: it takes messages, and starts by `start` or when t+1 others have. */
export function begin(config: ConsensusConfig): ConsensusState {
  return {
    config,
    step: 'idle',
    view: -1,
    ...NOTHING_YET,
    locked: null,
    valid: null,
    ballots: [],
    proposals: [],
    certificate: null,
    accused: [],
    abstaining: false,
  }
}

/** What this member waits for its caller to say, if anything. */
export function openQuestion(state: ConsensusState): Question | null {
  const { config, view, step: at } = state
  if (at !== 'propose' || state.abstaining) return null
  const proposal = proposalOf(state, view)
  const own = proposerSeat(config, view) === config.seat
  if (proposal === undefined) return own ? { type: 'need-value', view } : null
  const unbound = state.locked === null || state.locked.id === proposal.id
  if (own || proposal.validView !== -1 || state.admissible !== null || !unbound) return null
  return { type: 'need-verdict', view, value: proposal.value, attachments: proposal.attachments }
}

/**
 * One step. The caller writes the new state, synced, before it carries out any effect, and decodes the same state after a
 * restart: it is the record of every vote cast, and no second vote is signed for a phase and view that has one.
 */
export function step(state: ConsensusState, event: ConsensusEvent, context: ConsensusContext): ConsensusStep {
  if (state.step === 'decided') return afterDecision(state, event)
  const taken = take(state, event, context)
  const offered = event.type === 'message' ? event.reading.value : null
  const settled = settle(taken, offered, context)
  return { state: settled.state, effects: [...settled.effects, ...announcements(state, settled.state, event)] }
}

/** Votes and proposals are said at once; questions and changes of standing are told once. */
function announcements(
  before: ConsensusState,
  after: ConsensusState,
  event: ConsensusEvent,
): readonly ConsensusEffect[] {
  const again = event.type === 'resume'
  const effects: ConsensusEffect[] = []
  const { config } = after
  const message = standing(after)
  const spoke =
    after.certificate !== before.certificate ||
    after.ballots.some((one) => one.seat === config.seat && !before.ballots.includes(one)) ||
    after.proposals.some((one) => one.seat === config.seat && !before.proposals.includes(one))
  if (message !== null && (again || spoke)) effects.push({ type: 'broadcast', message })
  const question = openQuestion(after)
  const asked = openQuestion(before)
  const isNew = again || question?.type !== asked?.type || question?.view !== asked?.view
  if (question !== null && isNew) effects.push(question)
  if (after.abstaining && !before.abstaining) effects.push({ type: 'abstaining' })
  if (after.certificate !== null) effects.push({ type: 'decided', certificate: after.certificate })
  return effects
}

/** A decided member only helps others to the certificate. */
function afterDecision(state: ConsensusState, event: ConsensusEvent): ConsensusStep {
  const { certificate, config } = state
  assert(certificate !== null, 'decided without a certificate')
  if (event.type === 'resume') return { state, effects: announcements(state, state, event) }
  if (event.type !== 'message') return { state, effects: [] }
  const { state: heard } = record({ ...state, ballots: [] }, event.reading)
  const [theirs] = quorums(heard, 'precommit')
  if (theirs === undefined) {
    return { state, effects: [{ type: 'send', seat: event.from, message: certificateMessage(certificate) }] }
  }
  const { value } = event.reading
  const other =
    value === null || valueId(value) !== theirs.id || theirs.id === valueId(certificate.value) ? null : value
  if (other === null) return { state, effects: [] }
  const conflicting = certificateOf(config, other, ballotsFor(heard, 'precommit', theirs.view, theirs.id))
  return { state, effects: [{ type: 'conflict', certificates: [certificate, conflicting] }] }
}

/** The event alone, before the rules look at what follows from it. */
function take(state: ConsensusState, event: ConsensusEvent, context: ConsensusContext): ConsensusStep {
  const still = quiet(state)
  switch (event.type) {
    case 'start':
      return state.step === 'idle' && !context.silent ? enter(state, 0) : still
    case 'resume':
      return context.silent ? still : { state, effects: timers(state) }
    case 'message':
      return heed(state, event.reading)
    case 'value': {
      const asked = openQuestion(state)
      if (context.silent || asked?.type !== 'need-value' || asked.view !== event.view) return still
      return { state: propose(state, -1, event.value, event.attachments, context), effects: [] }
    }
    case 'verdict': {
      const asked = openQuestion(state)
      if (context.silent || asked?.type !== 'need-verdict' || asked.view !== event.view) return still
      return { state: { ...state, admissible: event.admissible }, effects: [] }
    }
    case 'timeout':
      return event.view === state.view && !context.silent ? takeTimeout(state, event.phase, context) : still
  }
}

function heed(state: ConsensusState, reading: Reading): ConsensusStep {
  const { state: next, evidence } = record(state, reading)
  return { state: next, effects: evidence.map((one) => ({ type: 'evidence', evidence: one })) }
}

/** Lines 57–67. A timer that was never set does nothing. */
function takeTimeout(state: ConsensusState, phase: TimedPhase, context: ConsensusContext): ConsensusStep {
  if (phase === 'propose' && state.step === 'propose') return quiet(vote(state, 'prevote', null, context))
  if (phase === 'prevote' && state.step === 'prevote' && state.prevoteTimer) {
    return quiet(vote(state, 'precommit', null, context))
  }
  if (phase === 'precommit' && state.precommitTimer) return enter(state, state.view + 1)
  return quiet(state)
}

/** Line 11. */
function enter(state: ConsensusState, view: number): ConsensusStep {
  const entered: ConsensusState = { ...state, view, step: 'propose', ...NOTHING_YET }
  return { state: entered, effects: timers(entered) }
}

function timers(state: ConsensusState): readonly ConsensusEffect[] {
  const phases: TimedPhase[] = []
  if (state.step === 'propose') phases.push('propose')
  if (state.step === 'prevote' && state.prevoteTimer) phases.push('prevote')
  if (state.precommitTimer) phases.push('precommit')
  return phases.map((phase) => timer(state, phase))
}

function timer({ config, view }: ConsensusState, phase: TimedPhase): ConsensusEffect {
  const { proposeMs, voteMs, viewStepMs } = config.timeouts
  return { type: 'set-timer', view, phase, delayMs: (phase === 'propose' ? proposeMs : voteMs) + view * viewStepMs }
}

function settle(from: ConsensusStep, offered: Decision | null, context: ConsensusContext): ConsensusStep {
  let { state } = from
  const effects = [...from.effects]
  for (;;) {
    const next =
      decide(state, offered) ?? (state.abstaining || context.silent ? null : progress(state, offered, context))
    if (next === null) return { state: prune(state), effects }
    state = next.state
    effects.push(...next.effects)
  }
}

const quiet = (state: ConsensusState): ConsensusStep => ({ state, effects: [] })

/** Line 49: q precommits of any one view. What led there is no longer needed. */
function decide(state: ConsensusState, offered: Decision | null): ConsensusStep | null {
  if (state.step === 'decided') return null
  for (const { view, id } of quorums(state, 'precommit')) {
    const value = valueNamed(state, id, offered)
    if (value === undefined) continue
    const ballots = ballotsFor(state, 'precommit', view, id)
    const certificate = certificateOf(state.config, value, ballots)
    const kept = { ballots, proposals: [], locked: null, valid: null, ...NOTHING_YET }
    return quiet({ ...state, step: 'decided', certificate, ...kept })
  }
  return null
}

/** The first rule that applies, or null. */
function progress(state: ConsensusState, offered: Decision | null, context: ConsensusContext): ConsensusStep | null {
  if (state.step === 'decided') return null
  const { view, valid } = state
  for (const quorum of quorums(state, 'prevote')) {
    // Line 42, for any view: a quorum seen late still tells what to propose next. Locks follow line 36 alone.
    if (quorum.view <= (valid?.view ?? -1)) continue
    const value = valueNamed(state, quorum.id, offered)
    if (value !== undefined) return quiet({ ...state, valid: { ...quorum, value } })
  }
  const reached = reachedView(state)
  if (reached > view) return enter(state, reached) // line 55
  if (state.step === 'propose') {
    const voted = proposeOrPrevote(state, context)
    if (voted !== null) return quiet(voted)
  }
  if (state.step === 'prevote') {
    if (valid?.view === view) {
      return quiet(vote({ ...state, locked: { view, id: valid.id } }, 'precommit', valid.id, context)) // line 36
    }
    if (hasQuorum(state, ballotsFor(state, 'prevote', view, null))) {
      return quiet(vote(state, 'precommit', null, context)) // line 44
    }
    if (!state.prevoteTimer && hasQuorum(state, ballotsOf(state, 'prevote', view))) {
      return { state: { ...state, prevoteTimer: true }, effects: [timer(state, 'prevote')] } // line 34
    }
  }
  if (state.step !== 'idle' && !state.precommitTimer && hasQuorum(state, ballotsOf(state, 'precommit', view))) {
    return { state: { ...state, precommitTimer: true }, effects: [timer(state, 'precommit')] } // line 47
  }
  return null
}

/** Lines 14–18, 22 and 28. */
function proposeOrPrevote(state: ConsensusState, context: ConsensusContext): ConsensusState | null {
  const { view, valid, locked, config } = state
  const own = proposerSeat(config, view) === config.seat
  const proposal = proposalOf(state, view)
  if (proposal === undefined) return own && valid !== null ? propose(state, valid.view, valid.value, [], context) : null
  const { id, validView } = proposal
  const bound = locked !== null && locked.id !== id
  if (validView === -1) {
    if (bound || state.admissible === false) return vote(state, 'prevote', null, context)
    return own || state.admissible === true ? vote(state, 'prevote', id, context) : null
  }
  if (!hasQuorum(state, ballotsFor(state, 'prevote', validView, id))) return null
  return vote(state, 'prevote', bound && locked.view > validView ? null : id, context)
}

/** Casts the one vote of this phase and view and moves on. A vote already in the log stands. */
function vote(
  state: ConsensusState,
  phase: Ballot['phase'],
  id: Hex | null,
  context: ConsensusContext,
): ConsensusState {
  const { config, view } = state
  const next = { ...state, step: phase }
  if (state.abstaining || ballotsOf(state, phase, view).some((ballot) => ballot.seat === config.seat)) return next
  const ballot = { phase, view, value: id, seat: config.seat }
  return { ...next, ballots: [...state.ballots, castBallot(config, ballot, context.signer)] }
}

function propose(
  state: ConsensusState,
  validView: number,
  value: Decision,
  attachments: readonly Uint8Array[],
  { signer }: ConsensusContext,
): ConsensusState {
  const proposal = castProposal(
    state.config,
    { view: state.view, seat: state.config.seat, validView, value, attachments },
    signer,
  )
  return { ...state, proposals: [...state.proposals, proposal] }
}
