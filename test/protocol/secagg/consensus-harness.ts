/** A committee without keys: signatures that name their seat, and a reader that believes them. For consensus tests. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import type { Signed, Signer } from '@flamesh/protocol/encoding/signed.js'
import { profileOf } from '@flamesh/protocol/secagg/committee.js'
import {
  begin,
  type ConsensusConfig,
  type ConsensusEffect,
  type ConsensusEvent,
  type ConsensusState,
  step,
} from '@flamesh/protocol/secagg/consensus.js'
import {
  type Ballot,
  type ConsensusMessage,
  type Decision,
  type Proposal,
  type Reading,
  type Vote,
  valueId,
} from '@flamesh/protocol/secagg/consensus-messages.js'

export const keyOf = (seat: number): Hex => (seat + 1).toString(16).padStart(64, '0')
export const seatOf = (key: Hex): number => Number.parseInt(key, 16) - 1
export const fakeSignature = (seat: number): Uint8Array => new Uint8Array(64).fill(seat + 1)
export const fakeSigner = (seat: number): Signer => ({ publicKey: keyOf(seat), sign: () => fakeSignature(seat) })

export const survivors = (...indices: readonly number[]): Decision => ({
  kind: 'survivors',
  roundId: 'ab'.repeat(32),
  survivors: indices,
  submissions: indices.map((index) => keyOf(index)),
})
export const abandon: Decision = { kind: 'abandon', code: 'no-answer' }

export interface Setting {
  readonly seats: number
  /** absent seats */
  readonly absent?: readonly number[]
  readonly round?: number
  readonly attempt?: number
}

export function configOf({ seats, absent = [], round = 1, attempt = 0 }: Setting, seat: number): ConsensusConfig {
  const profile = profileOf(seats)
  if (profile === undefined) throw new Error('no such profile')
  return {
    instance: { job: 'cd'.repeat(32), round, attempt },
    seats: Array.from({ length: seats }, (_, i) => (absent.includes(i) ? null : keyOf(i))),
    profile,
    seat,
    timeouts: { proposeMs: 20, voteMs: 20, viewStepMs: 10 },
  }
}

const bodies = new Map<string, unknown>()
function bodyOf<T>(signed: Signed): T {
  const name = Buffer.from(signed.payload).toString('latin1')
  let body = bodies.get(name)
  if (body === undefined) {
    body = decode(signed.payload)
    if (bodies.size > 20_000) bodies.clear()
    bodies.set(name, body)
  }
  return body as T
}

/** What `readMessage` makes of a message whose signatures are good. */
export function believe(message: ConsensusMessage): Reading {
  const ballots = message.votes.flatMap((signed) => {
    const { phase, view, value } = bodyOf<Vote>(signed)
    return signed.signatures.map(({ signer, signature }) => ({ phase, view, value, seat: seatOf(signer), signature }))
  })
  if (message.proposal === null) return { verdict: 'accept', ballots, proposal: null, value: message.value }
  const { view, validView, value, attachments } = bodyOf<Proposal>(message.proposal)
  const signature = (message.proposal.signatures[0] as { signature: Uint8Array }).signature
  const proposal = {
    view,
    seat: seatOf((message.proposal.signatures[0] as { signer: Hex }).signer),
    validView,
    value,
    id: valueId(value),
    attachments,
    signature,
  }
  return { verdict: 'accept', ballots, proposal, value: message.value }
}

export const ballot = (phase: Ballot['phase'], view: number, value: Hex | null, seat: number): Ballot => ({
  phase,
  view,
  value,
  seat,
  signature: fakeSignature(seat),
})

export interface Contents {
  readonly from?: number
  readonly ballots?: readonly Ballot[]
  readonly value?: Decision
  readonly proposal?: {
    readonly view: number
    readonly validView?: number
    readonly value: Decision
    readonly seat: number
  }
}

export function message({ from = 0, ballots = [], value, proposal }: Contents): ConsensusEvent {
  const proposed =
    proposal === undefined
      ? null
      : {
          view: proposal.view,
          seat: proposal.seat,
          validView: proposal.validView ?? -1,
          value: proposal.value,
          id: valueId(proposal.value),
          attachments: [],
          signature: fakeSignature(proposal.seat),
        }
  return { type: 'message', from, reading: { verdict: 'accept', ballots, proposal: proposed, value: value ?? null } }
}

/** One member under test: applies events and remembers the effects of the last one. */
export class Member {
  state: ConsensusState
  effects: readonly ConsensusEffect[] = []

  constructor(setting: Setting, seat: number) {
    this.state = begin(configOf(setting, seat))
  }

  apply(...events: readonly ConsensusEvent[]): this {
    for (const event of events) {
      const next = step(this.state, event, { signer: fakeSigner(this.state.config.seat) })
      this.state = next.state
      this.effects = next.effects
    }
    return this
  }

  all<T extends ConsensusEffect['type']>(type: T): readonly Extract<ConsensusEffect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<ConsensusEffect, { type: T }> => effect.type === type)
  }

  /** The value this member voted for, undefined while it has not voted. */
  voted(phase: Ballot['phase'], view: number): Hex | null | undefined {
    return this.state.ballots.find(
      (one) => one.seat === this.state.config.seat && one.phase === phase && one.view === view,
    )?.value
  }
}

// Round 1, attempt 0 of four seats: seat 1 proposes in view 0, then 2, 3, 0.
export const FOUR = { seats: 4 }
export const v = survivors(0, 1, 2)
export const w = survivors(0, 1)
export const [V, W] = [valueId(v), valueId(w)]
export const start: ConsensusEvent = { type: 'start' }
export const admissible = (view: number, is = true): ConsensusEvent => ({ type: 'verdict', view, admissible: is })
export const timeout = (view: number, phase: 'propose' | 'prevote' | 'precommit'): ConsensusEvent => ({
  type: 'timeout',
  view,
  phase,
})
export const prevotes = (view: number, id: string | null, ...seats: number[]) =>
  seats.map((seat) => ballot('prevote', view, id, seat))
export const precommits = (view: number, id: string | null, ...seats: number[]) =>
  seats.map((seat) => ballot('precommit', view, id, seat))
export const fresh = (view: number, value = v) => message({ proposal: { view, value, seat: (view + 1) % 4 } })
