/**
 * Between the ballots of a log and signed objects, both ways. Implements docs/spec/consensus.md, "Objects". Signing here
 * does not ask whether a vote was cast before: that is the state machine's duty.
 */
import type { Hex } from '../crypto/hash.js'
import { encode } from '../encoding/canonical.js'
import { type Signed, type Signer, sign } from '../encoding/signed.js'
import {
  type Ballot,
  type Certificate,
  type ConsensusMessage,
  type Decision,
  type Electorate,
  PROPOSAL,
  type Proposed,
  proposalBody,
  VOTE,
  valueId,
  voteBody,
} from './consensus-messages.js'

export function castBallot(electorate: Electorate, vote: Omit<Ballot, 'signature'>, signer: Signer): Ballot {
  const { signature } = sign(VOTE.kind, VOTE.version, encode(voteBody(electorate, vote)), signer)
  return { ...vote, signature }
}

export function castProposal(
  electorate: Electorate,
  one: Omit<Proposed, 'id' | 'signature'>,
  signer: Signer,
): Proposed {
  const { signature } = sign(PROPOSAL.kind, PROPOSAL.version, encode(proposalBody(electorate, one)), signer)
  return { ...one, id: valueId(one.value), signature }
}

const keyOf = (electorate: Electorate, seat: number): Hex => electorate.seats[seat] as Hex

/** The signed objects behind these ballots: one for each (phase, view, value), signatures in seat order. */
export function signedVotes(electorate: Electorate, ballots: readonly Ballot[]): readonly Signed[] {
  const groups = new Map<string, Ballot[]>()
  for (const ballot of ballots) {
    const name = `${ballot.phase}/${ballot.view}/${ballot.value}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [ballot])
    else group.push(ballot)
  }
  return [...groups.values()].map((group) => ({
    kind: VOTE.kind,
    version: VOTE.version,
    payload: encode(voteBody(electorate, group[0] as Ballot)),
    signatures: [...group]
      .sort((a, b) => a.seat - b.seat)
      .map(({ seat, signature }) => ({ signer: keyOf(electorate, seat), signature })),
  }))
}

export const signedVote = (electorate: Electorate, one: Ballot): Signed => signedVotes(electorate, [one])[0] as Signed

export function signedProposal(electorate: Electorate, one: Proposed): Signed {
  const signer = keyOf(electorate, one.seat)
  const payload = encode(proposalBody(electorate, one))
  return { kind: PROPOSAL.kind, version: PROPOSAL.version, payload, signatures: [{ signer, signature: one.signature }] }
}

export function certificateOf(electorate: Electorate, value: Decision, ballots: readonly Ballot[]): Certificate {
  const quorum = [...ballots].sort((a, b) => a.seat - b.seat).slice(0, electorate.profile.quorum)
  return { value, precommits: signedVotes(electorate, quorum)[0] as Signed }
}

/** The newest quorum for a value in one phase, as one payload; undefined if these ballots hold none. */
export function quorumVotes(
  electorate: Electorate,
  ballots: readonly Ballot[],
  phase: Ballot['phase'],
  value: Decision,
): { readonly value: Decision; readonly view: number; readonly votes: Signed } | undefined {
  const id = valueId(value)
  const views = new Set(ballots.map((one) => one.view))
  for (const view of [...views].sort((a, b) => b - a)) {
    const group = ballots.filter((one) => one.phase === phase && one.view === view && one.value === id)
    if (group.length < electorate.profile.quorum) continue
    return { value, view, votes: certificateOf(electorate, value, group).precommits }
  }
  return undefined
}

/** A certificate as the message that ends the decision at whoever receives it. */
export function certificateMessage({ value, precommits }: Certificate): ConsensusMessage {
  return { proposal: null, votes: [precommits], value }
}
