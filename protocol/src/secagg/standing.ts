/**
 * Standings: what a member says of a job that it closed without an outcome. It names the value that it may have helped to
 * certify, and promises that it never votes in the job again; with q of them it is settled what was certified. Implements
 * docs/spec/secure-aggregation.md, "Rounds without an outcome". Also what a committee leaves behind when it hands over.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import {
  hexSchema,
  type Kind,
  openSigned,
  payloadHash,
  type Signed,
  type Signer,
  signObject,
} from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import type { Roster } from '../identity/roster.js'
import type { Job, JobId } from '../jobs/job.js'
import type { Profile } from './committee.js'
import type { ConsensusState } from './consensus-log.js'
import {
  type Electorate,
  type Instance,
  instanceShape,
  MAX_VIEW,
  type StandingProof,
  valueId,
  verifyQuorum,
} from './consensus-messages.js'
import { quorumVotes } from './consensus-signed.js'
import { electorateOf } from './record.js'
import { openQuorumSpecification } from './specification.js'

/**
 * Whoever signs it votes in no attempt of the job any more, and has the record of every attempt before this one. The body
 * does not say who: the key of the signature does, so equal standings of several members are one payload.
 */
export const standingSchema = z
  .strictObject({
    ...instanceShape,
    /** of the last quorum it saw, if it ever precommitted a value; -1: it never did */
    view: z.int().min(-1).max(MAX_VIEW),
    /** name of that value */
    value: hexSchema.nullable(),
  })
  .refine(({ view, value }) => (view === -1) === (value === null), 'a value has a view')
export type Standing = z.infer<typeof standingSchema>
export const STANDING: Kind<Standing> = { kind: 'standing', version: 1, schema: standingSchema }

export interface Stand {
  readonly standing: Signed
  /** null if no value is named */
  readonly proof: StandingProof | null
}

/** (round, attempt) in the order of a job. */
export type Place = Pick<Instance, 'round' | 'attempt'>
export const comparePlaces = (a: Place, b: Place): number => a.round - b.round || a.attempt - b.attempt

/** What a checked standing says. */
export interface StandingFacts {
  readonly place: Place
  readonly signers: readonly Hex[]
  /** keys of the survivor set it names, in cohort order */
  readonly survivors: readonly Hex[] | undefined
}

/**
 * The standing of a member that has ended its part in this instance. Undefined if it was shown votes that it has forgotten,
 * or cannot prove what it would have to name: then it must not say anything.
 */
export function takeStand(
  instance: Instance,
  state: ConsensusState | undefined,
  specification: Signed | undefined,
  signer: Signer,
): Stand | undefined {
  const sign = (view: number, value: Hex | null): Signed =>
    signObject(STANDING.kind, STANDING.version, { ...instance, view, value }, signer)
  if (state?.abstaining) return undefined
  // who precommitted no value is in no certificate
  if (state === undefined || (state.certificate === null && state.locked === null))
    return { standing: sign(-1, null), proof: null }
  const named = namedBy(state)
  if (named === undefined) return undefined
  const { value, votes, view } = named
  if (value.kind === 'abandon')
    return { standing: sign(view, valueId(value)), proof: { value, votes, specification: null } }
  if (specification === undefined || payloadHash(specification) !== value.roundId) return undefined
  return { standing: sign(view, valueId(value)), proof: { value, votes, specification } }
}

/**
 * A member that precommitted a value names `valid`, not its lock: the quorum behind it is still in the log, and q prevotes
 * in a later view rule the locked value out.
 */
function namedBy({ certificate, valid, config, ballots }: ConsensusState) {
  if (certificate !== null) return quorumVotes(config, ballots, 'precommit', certificate.value)
  return valid === null ? undefined : quorumVotes(config, ballots, 'prevote', valid.value)
}

/** Throws FlameshError: what opening it throws, `not-a-member`, or `standing` if the proof is not of what is named. */
export function checkStanding(stand: Stand, jobId: JobId, job: Job, roster: Roster): StandingFacts {
  const { body, signers } = openSigned(stand.standing, STANDING)
  const committee = roster.committees.get(job.committee)
  if (committee === undefined) throw new FlameshError('committee-unknown', 'the log names no such committee')
  if (body.job !== jobId) throw new FlameshError('wrong-instance', 'a standing in another job')
  const electorate = electorateOf(instanceOf(body), job, committee, roster)
  if (!signers.every((key) => electorate.seats.includes(key)))
    throw new FlameshError('not-a-member', 'signed by a key without a seat')
  return {
    place: { round: body.round, attempt: body.attempt },
    signers,
    survivors: checkProof(stand, body, electorate),
  }
}

const instanceOf = ({ job, round, attempt }: Standing): Instance => ({ job, round, attempt })

function checkProof({ proof }: Stand, body: Standing, electorate: Electorate): readonly Hex[] | undefined {
  if ((proof === null) !== (body.value === null))
    throw new FlameshError('standing', 'a value and its proof go together')
  if (proof === null) return undefined
  const { value, votes, specification } = proof
  if (valueId(value) !== body.value) throw new FlameshError('standing', 'the proof is of another value')
  if (verifyQuorum(electorate, votes, value).view !== body.view)
    throw new FlameshError('standing', 'the proof is of another view')
  if (value.kind === 'abandon') return undefined
  if (specification === null) throw new FlameshError('standing', 'the specification is missing')
  const { body: specified, hash } = openQuorumSpecification(specification, electorate.seats)
  if (hash !== value.roundId) throw new FlameshError('standing', 'the set is of another specification')
  const survivors = value.survivors.map((index) => specified.cohort[index]?.site)
  if (!survivors.every((key) => key !== undefined)) throw new FlameshError('standing', 'a survivor outside the cohort')
  return survivors
}

export interface Resolution {
  /** no certificate exists, or ever will, for this attempt or a later one, except for the sets below */
  readonly from: Place
  readonly sets: readonly (readonly Hex[])[]
}

/**
 * What q members' standings settle; undefined while they are fewer. A member that stands at an attempt has voted in none
 * after it, so it counts for all of these as well.
 */
export function resolve(profile: Profile, standings: readonly StandingFacts[]): Resolution | undefined {
  const placeOf = new Map<Hex, Place>()
  for (const { signers, place } of standings) {
    for (const key of signers) {
      const known = placeOf.get(key)
      // one that stands twice counts where it says less
      if (known === undefined || comparePlaces(known, place) < 0) placeOf.set(key, place)
    }
  }
  const from = [...placeOf.values()].sort(comparePlaces)[profile.quorum - 1]
  if (from === undefined) return undefined
  const sets = standings.flatMap(({ place, survivors }) =>
    survivors !== undefined && comparePlaces(place, from) >= 0 ? [survivors] : [],
  )
  return { from, sets }
}
