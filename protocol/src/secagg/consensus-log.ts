/**
 * A member's log of one decision: its state, what is counted in it, what must be kept of it. Implements
 * docs/spec/consensus.md, "What a member keeps". The state is canonical-CBOR encodable plain data.
 */
import { equalBytes, type Hex } from '../crypto/hash.js'
import type { Signed } from '../encoding/signed.js'
import type {
  Ballot,
  Certificate,
  ConsensusMessage,
  Decision,
  Electorate,
  Proposed,
  Reading,
} from './consensus-messages.js'
import { valueId } from './consensus-messages.js'
import { certificateMessage, signedProposal, signedVote, signedVotes } from './consensus-signed.js'
import type { Evidence } from './messages.js'

/** Delays in milliseconds; each further view adds `viewStepMs`, so that some view outlasts any network that calms down. */
export interface ViewTimeouts {
  readonly proposeMs: number
  readonly voteMs: number
  readonly viewStepMs: number
}

export interface ConsensusConfig extends Electorate {
  /** this member's own seat */
  readonly seat: number
  readonly timeouts: ViewTimeouts
}

export interface ConsensusState {
  readonly config: ConsensusConfig
  readonly step: 'idle' | 'propose' | 'prevote' | 'precommit' | 'decided'
  /** -1 before the start */
  readonly view: number
  /** the caller's judgement of the fresh proposal of this view, null while it has none */
  readonly admissible: boolean | null
  /** whether q prevotes (q precommits) of this view started their timer */
  readonly prevoteTimer: boolean
  readonly precommitTimer: boolean
  /** the last value this member precommitted */
  readonly locked: { readonly view: number; readonly id: Hex } | null
  /** the value with q prevotes in the highest view known */
  readonly valid: { readonly view: number; readonly id: Hex; readonly value: Decision } | null
  /** verified votes, own ones included; one for each seat, phase and view */
  readonly ballots: readonly Ballot[]
  /** verified proposals, the first of each view */
  readonly proposals: readonly Proposed[]
  readonly certificate: Certificate | null
  /** seats already reported for contradicting themselves */
  readonly accused: readonly number[]
  /** a vote of this member exists that its log does not hold: it was restored from a backup and must not vote again */
  readonly abstaining: boolean
}

/** Ballots of later views are kept this far ahead, and beyond it those of each sender's highest view. */
const VIEWS_AHEAD = 16
/** Proposals are larger, and who needs one later gets it with the quorum for it. */
const PROPOSALS_AHEAD = 2

export function ballotsOf(state: ConsensusState, phase: Ballot['phase'], view: number): readonly Ballot[] {
  return state.ballots.filter((ballot) => ballot.phase === phase && ballot.view === view)
}

export function ballotsFor(
  state: ConsensusState,
  phase: Ballot['phase'],
  view: number,
  id: Hex | null,
): readonly Ballot[] {
  return state.ballots.filter((ballot) => ballot.phase === phase && ballot.view === view && ballot.value === id)
}

export function hasQuorum(state: ConsensusState, ballots: readonly Ballot[]): boolean {
  return ballots.length >= state.config.profile.quorum
}

export function proposalOf(state: ConsensusState, view: number): Proposed | undefined {
  return state.proposals.find((proposal) => proposal.view === view)
}

/** Values (not null) that a quorum names in one phase of one view. */
export function quorums(
  state: ConsensusState,
  phase: Ballot['phase'],
): readonly { readonly view: number; readonly id: Hex }[] {
  const tally: { readonly view: number; readonly id: Hex; count: number }[] = []
  for (const { phase: at, view, value } of state.ballots) {
    if (at !== phase || value === null) continue
    const entry = tally.find((one) => one.view === view && one.id === value)
    if (entry === undefined) tally.push({ view, id: value, count: 1 })
    else entry.count++
  }
  return tally.flatMap(({ view, id, count }) => (count >= state.config.profile.quorum ? [{ view, id }] : []))
}

/** The value behind an id, if a proposal, the valid value or the message being read shows it. */
export function valueNamed(state: ConsensusState, id: Hex, offered: Decision | null): Decision | undefined {
  if (state.valid?.id === id) return state.valid.value
  const proposal = state.proposals.find((one) => one.id === id)
  if (proposal !== undefined) return proposal.value
  return offered !== null && valueId(offered) === id ? offered : undefined
}

/** The highest view that at least one honest other member has reached: t+1 others were seen there or beyond. */
export function reachedView(state: ConsensusState): number {
  const { seat, profile } = state.config
  const others = highestViews(state).filter((_, other) => other !== seat)
  return others.sort((a, b) => b - a)[profile.colluding] ?? -1
}

/** By seat: the highest view it was seen in, or -1. */
function highestViews(state: ConsensusState): number[] {
  const highest = state.config.seats.map(() => -1)
  for (const { seat, view } of [...state.ballots, ...state.proposals])
    highest[seat] = Math.max(highest[seat] ?? -1, view)
  return highest
}

/** The log with a message's ballots and proposal in it, and the contradictions found: one a seat is enough. */
export function record(
  state: ConsensusState,
  reading: Reading,
): { readonly state: ConsensusState; readonly evidence: readonly Evidence[] } {
  const evidence: Evidence[] = []
  const { config, view } = state
  let { ballots, proposals, accused, abstaining } = state
  const accuse = (seat: number, first: () => Signed, second: () => Signed) => {
    if (seat === config.seat || accused.includes(seat)) return
    accused = [...accused, seat]
    evidence.push({ against: config.seats[seat] as Hex, first: first(), second: second() })
  }
  for (const ballot of reading.ballots) {
    const same = ballots.find((one) => one.seat === ballot.seat && samePlace(one, ballot))
    if (same?.value === ballot.value) continue
    // The log keeps every own vote of these views, so one it lacks was cast by a later self.
    if (ballot.seat === config.seat) abstaining ||= ballot.view >= view - 1
    if (same === undefined) {
      ballots = [...ballots, ballot]
      continue
    }
    accuse(
      ballot.seat,
      () => signedVote(config, same),
      () => signedVote(config, ballot),
    )
    // Who contradicts itself counts where a quorum needs it: else a quorum seen by one member could not convince another.
    const group = reading.ballots.filter((one) => samePlace(one, ballot) && one.value === ballot.value)
    const seats = new Set(group.map((one) => one.seat))
    if (seats.size >= config.profile.quorum) ballots = [...ballots.filter((one) => one !== same), ballot]
  }
  const { proposal } = reading
  if (proposal !== null) {
    const same = proposalOf(state, proposal.view)
    const contradicts = same !== undefined && !sameProposal(same, proposal)
    if (proposal.seat === config.seat) {
      abstaining ||= contradicts || (same === undefined && proposal.view >= view - 1)
    } else if (same === undefined) {
      proposals = [...proposals, proposal]
    } else if (contradicts) {
      accuse(
        proposal.seat,
        () => signedProposal(config, same),
        () => signedProposal(config, proposal),
      )
    }
  }
  return { state: { ...state, ballots, proposals, accused, abstaining }, evidence }
}

const samePlace = (a: Ballot, b: Ballot) => a.phase === b.phase && a.view === b.view

/** Signatures do not matter: a liar may sign one proposal twice with different randomness, and that is no contradiction. */
function sameProposal(a: Proposed, b: Proposed): boolean {
  return (
    a.id === b.id &&
    a.validView === b.validView &&
    a.attachments.length === b.attachments.length &&
    a.attachments.every((bytes, i) => equalBytes(bytes, b.attachments[i] as Uint8Array))
  )
}

/** Drops what no rule can ask for again: memory is bounded whatever peers send. */
export function prune(state: ConsensusState): ConsensusState {
  const { view, valid } = state
  const proposals = state.proposals.filter((one) => one.view >= view - 1 && one.view <= view + PROPOSALS_AHEAD)
  const highest = highestViews(state)
  const justifies = ({ phase, view: at, value }: Ballot) =>
    phase === 'prevote' &&
    ((valid?.view === at && valid.id === value) || proposals.some((one) => one.validView === at && one.id === value))
  const ballots = state.ballots.filter(
    (one) =>
      (one.view >= view - 1 && (one.view <= view + VIEWS_AHEAD || one.view === highest[one.seat])) || justifies(one),
  )
  const same = proposals.length === state.proposals.length && ballots.length === state.ballots.length
  return same ? state : { ...state, proposals, ballots }
}

/**
 * All a peer needs from this member now, as one message: the certificate; or its own proposal of this view, every vote
 * known of this view, the precommits of the one before, and the valid value with its prevotes. A later one replaces it.
 */
export function standing(state: ConsensusState): ConsensusMessage | null {
  const { config, view, valid, certificate } = state
  if (certificate !== null) return certificateMessage(certificate)
  if (state.step === 'idle' || state.abstaining) return null
  const own = state.proposals.find((one) => one.view === view && one.seat === config.seat)
  const ballots = state.ballots.filter(
    (one) =>
      one.view === view ||
      (one.view === view - 1 && one.phase === 'precommit') ||
      (one.view === valid?.view && one.phase === 'prevote' && one.value === valid.id),
  )
  return {
    proposal: own === undefined ? null : signedProposal(config, own),
    votes: signedVotes(config, ballots),
    value: valid?.value ?? null,
  }
}
