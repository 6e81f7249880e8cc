/**
 * What members say to each other to agree on one value: signed votes and proposals, the message that carries them, and
 * the quorum certificate. Implements docs/spec/consensus.md, "Objects" and "Reading a message". Verifies form, membership
 * and signatures; whether a value is admissible is not decided here.
 */
import { z } from 'zod'
import { equalBytes, type Hex } from '../crypto/hash.js'
import { decode, encode, hashOf } from '../encoding/canonical.js'
import { bytesSchema, hexSchema, type Kind, type Signed, signedSchema, verifySignature } from '../encoding/signed.js'
import type { Verdict } from '../encoding/verdict.js'
import { FlameshError } from '../errors.js'
import { MAX_COHORT } from '../limits.js'
import { type Profile, proposerOf } from './committee.js'

/** Views a committee can never reach: a bound on integers, not on patience. */
export const MAX_VIEW = 2 ** 31
/** A fresh proposal attaches at most two statements of each of seven members. */
const MAX_ATTACHMENTS = 16
/** One attachment: a Have over the largest cohort, at 70 bytes a site. */
const MAX_ATTACHMENT_BYTES = 160 * 1024
/** Votes with equal bodies are one object, so four sets of seven votes fit. */
const MAX_VOTE_OBJECTS = 32

const viewSchema = z.int().min(0).max(MAX_VIEW)
export const instanceShape = { job: hexSchema, round: z.int().min(1), attempt: z.int().min(0) }

/** The one decision: every vote names it, so no vote counts in another. */
export interface Instance {
  readonly job: Hex
  readonly round: number
  readonly attempt: number
}

const ascending = (indices: readonly number[]) => indices.every((one, i) => i === 0 || (indices[i - 1] as number) < one)

export const decisionSchema = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('survivors'),
      roundId: hexSchema,
      /** cohort indices, ascending */
      survivors: z
        .array(
          z
            .int()
            .min(0)
            .max(MAX_COHORT - 1),
        )
        .min(1)
        .max(MAX_COHORT)
        .refine(ascending, 'not ascending')
        .readonly(),
      /** hash of each survivor's submission: the one that its masks and slices are added from */
      submissions: z.array(hexSchema).max(MAX_COHORT).readonly(),
    })
    .refine((value) => value.submissions.length === value.survivors.length, 'not one submission a survivor'),
  z.strictObject({ kind: z.literal('abandon'), code: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/) }),
])
/** What is agreed on: the survivor set U of a specification, or that this attempt ends without one. */
export type Decision = z.infer<typeof decisionSchema>

/** How votes name a value. Survivor sets and reasons are public: no salt is needed. */
export function valueId(value: Decision): Hex {
  let id = valueIds.get(value)
  if (id === undefined) {
    id = hashOf(value)
    valueIds.set(value, id)
  }
  return id
}

/** A value is never changed, names a thousand submissions, and is asked for its id with every message. */
const valueIds = new WeakMap<Decision, Hex>()

export const voteSchema = z.strictObject({
  ...instanceShape,
  phase: z.enum(['prevote', 'precommit']),
  view: viewSchema,
  /** valueId, or null for none */
  value: hexSchema.nullable(),
})
export type Vote = z.infer<typeof voteSchema>
export const VOTE: Kind<Vote> = { kind: 'vote', version: 1, schema: voteSchema }

export const proposalSchema = z.strictObject({
  ...instanceShape,
  view: viewSchema,
  /** the view whose q prevotes justify the value, or -1: fresh */
  validView: z.int().min(-1).max(MAX_VIEW),
  value: decisionSchema,
  /** what a fresh value is judged by (Haves and the like); opaque here */
  attachments: z
    .array(bytesSchema.refine((bytes) => bytes.length <= MAX_ATTACHMENT_BYTES))
    .max(MAX_ATTACHMENTS)
    .readonly(),
})
export type Proposal = z.infer<typeof proposalSchema>
export const PROPOSAL: Kind<Proposal> = { kind: 'proposal', version: 1, schema: proposalSchema }

/**
 * Everything a member sends: perhaps its proposal, votes of any members, and in clear the value that a quorum among them
 * names. The envelope is unsigned; each part proves itself.
 */
export interface ConsensusMessage {
  readonly proposal: Signed | null
  readonly votes: readonly Signed[]
  readonly value: Decision | null
}
export const consensusMessageSchema: z.ZodType<ConsensusMessage> = z.strictObject({
  proposal: signedSchema.nullable(),
  votes: z.array(signedSchema).max(MAX_VOTE_OBJECTS),
  value: decisionSchema.nullable(),
})

/** Proof of the decision: the value and q precommits for it in one view, as one payload with q signatures. */
export interface Certificate {
  readonly value: Decision
  readonly precommits: Signed
}
export const certificateSchema: z.ZodType<Certificate> = z.strictObject({
  value: decisionSchema,
  precommits: signedSchema,
})

/** Shows that an honest member stood behind a value: q votes of one phase and view, and the specification of a set. */
export interface StandingProof {
  readonly value: Decision
  readonly votes: Signed
  /** null for ABANDON */
  readonly specification: Signed | null
}
export const standingProofSchema: z.ZodType<StandingProof> = z.strictObject({
  value: decisionSchema,
  votes: signedSchema,
  specification: signedSchema.nullable(),
})

/** Who may vote on what. */
export interface Electorate {
  readonly instance: Instance
  /** Ed25519 keys in seat order, null where the seat is absent */
  readonly seats: readonly (Hex | null)[]
  readonly profile: Profile
}

/** One verified vote as the log keeps it; instance and key follow from the electorate. */
export interface Ballot {
  readonly phase: Vote['phase']
  readonly view: number
  readonly value: Hex | null
  readonly seat: number
  readonly signature: Uint8Array
}

/** One verified proposal. */
export interface Proposed {
  readonly view: number
  /** the proposer of that view */
  readonly seat: number
  readonly validView: number
  readonly value: Decision
  /** valueId of `value` */
  readonly id: Hex
  readonly attachments: readonly Uint8Array[]
  readonly signature: Uint8Array
}

/** What an accepted message says. */
export interface Reading {
  readonly verdict: 'accept'
  readonly ballots: readonly Ballot[]
  readonly proposal: Proposed | null
  readonly value: Decision | null
}
export type Rejection = Extract<Verdict, { verdict: 'reject' }>

export function proposerSeat({ instance, seats }: Electorate, view: number): number {
  const present = seats.flatMap((key, seat) => (key === null ? [] : [seat]))
  return proposerOf(present, instance.round, instance.attempt, view)
}

export function voteBody(
  { instance }: Electorate,
  { phase, view, value }: Pick<Ballot, 'phase' | 'view' | 'value'>,
): Vote {
  return { job: instance.job, round: instance.round, attempt: instance.attempt, phase, view, value }
}

export function proposalBody({ instance }: Electorate, one: Omit<Proposed, 'seat' | 'id' | 'signature'>): Proposal {
  const { view, validView, value, attachments } = one
  return { job: instance.job, round: instance.round, attempt: instance.attempt, view, validView, value, attachments }
}

/**
 * Opens a message whose form `consensusMessageSchema` has established. `known` are ballots already verified (a member's
 * log): most of what a message repeats is among them and costs no verification. One bad part rejects the whole: an honest
 * sender passes on nothing it has not verified.
 */
export function readMessage(
  electorate: Electorate,
  message: ConsensusMessage,
  known: readonly Ballot[] = [],
): Reading | Rejection {
  return orReject(() => ({
    verdict: 'accept',
    ballots: message.votes.flatMap((signed) => readVotes(electorate, signed, known)),
    proposal: message.proposal === null ? null : readProposal(electorate, message.proposal),
    value: message.value,
  }))
}

/** What a certificate proves: the value, the view that decided, and the seats that signed. */
export interface Certified {
  readonly verdict: 'accept'
  readonly value: Decision
  readonly view: number
  readonly seats: readonly number[]
}

export function verifyCertificate(electorate: Electorate, certificate: Certificate): Certified | Rejection {
  return orReject(() => {
    const { phase, view, seats } = verifyQuorum(electorate, certificate.precommits, certificate.value)
    if (phase !== 'precommit') throw new FlameshError('certificate', 'a certificate holds precommits')
    return { verdict: 'accept', value: certificate.value, view, seats }
  })
}

/** q votes of one phase and view for a value: an honest member found it admissible, or proposed it. Throws FlameshError. */
export function verifyQuorum(
  electorate: Electorate,
  votes: Signed,
  value: Decision,
): { readonly phase: Vote['phase']; readonly view: number; readonly seats: readonly number[] } {
  const ballots = readVotes(electorate, votes, [])
  const { phase, view, value: named } = ballots[0] as Ballot
  if (named !== valueId(value)) throw new FlameshError('certificate', 'the votes are for another value')
  if (ballots.length < electorate.profile.quorum) throw new FlameshError('certificate', 'too few votes')
  return { phase, view, seats: ballots.map(({ seat }) => seat).sort((a, b) => a - b) }
}

function orReject<T>(read: () => T): T | Rejection {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FlameshError) || error.code === 'internal') throw error
    return { verdict: 'reject', code: error.code, message: error.message }
  }
}

function readVotes(electorate: Electorate, signed: Signed, known: readonly Ballot[]): readonly Ballot[] {
  const isKnown = (seat: number, signature: Uint8Array) =>
    known.some(
      (ballot) =>
        ballot.seat === seat &&
        equalBytes(ballot.signature, signature) &&
        equalBytes(encode(voteBody(electorate, ballot)), signed.payload),
    )
  const { body, signers } = open(electorate, signed, VOTE, isKnown)
  return signers.map(({ seat, signature }) => ({
    phase: body.phase,
    view: body.view,
    value: body.value,
    seat,
    signature,
  }))
}

function readProposal(electorate: Electorate, signed: Signed): Proposed {
  const { body, signers } = open(electorate, signed, PROPOSAL, () => false)
  const { view, validView, value, attachments } = body
  const [one, ...more] = signers
  if (one === undefined || more.length > 0 || one.seat !== proposerSeat(electorate, view)) {
    throw new FlameshError('not-proposer', 'a proposal is signed by the proposer of its view alone')
  }
  if (validView >= view) throw new FlameshError('schema', 'a proposal is justified by an earlier view')
  return { view, seat: one.seat, validView, value, id: valueId(value), attachments, signature: one.signature }
}

/** Signatures (of distinct seats, each verified unless known), then strict decoding, schema, and the right decision. */
function open<T extends Instance>(
  electorate: Electorate,
  signed: Signed,
  kind: Kind<T>,
  isKnown: (seat: number, signature: Uint8Array) => boolean,
): { readonly body: T; readonly signers: readonly { readonly seat: number; readonly signature: Uint8Array }[] } {
  if (signed.kind !== kind.kind || signed.version !== kind.version)
    throw new FlameshError('schema', `expected a ${kind.kind}`)
  const signers = signed.signatures.map(({ signer, signature }) => ({
    seat: electorate.seats.indexOf(signer),
    signer,
    signature,
  }))
  if (new Set(signers.map(({ signer }) => signer)).size !== signers.length)
    throw new FlameshError('signature', 'a signer appears twice')
  for (const one of signers) {
    if (one.seat < 0) throw new FlameshError('not-a-member', 'signed by a key without a seat')
    if (!isKnown(one.seat, one.signature) && !verifySignature(signed, one)) {
      throw new FlameshError('signature', `bad signature on a ${kind.kind}`)
    }
  }
  const parsed = kind.schema.safeParse(decode(signed.payload))
  if (!parsed.success) throw new FlameshError('schema', `malformed ${kind.kind}`)
  const { job, round, attempt } = electorate.instance
  const body = parsed.data
  if (body.job !== job || body.round !== round || body.attempt !== attempt) {
    throw new FlameshError('wrong-instance', `a ${kind.kind} of another decision`)
  }
  return { body, signers }
}
