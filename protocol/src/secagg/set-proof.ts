/**
 * The proof that a survivor set counts for the guard, for nodes that know nothing of its job: job, specification, the value,
 * a quorum's votes for it, and the opening if there was one. Checked with the log alone. Implements
 * docs/spec/secure-aggregation.md, "History between nodes".
 */
import { openSigned, type Signed } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import type { SurvivorHistory } from '../history.js'
import { survivorsHash } from '../history.js'
import type { Roster } from '../identity/roster.js'
import { guardKey } from '../jobs/check.js'
import { JOB, type Job } from '../jobs/job.js'
import type { AttemptRecord, SetProof, WireOf } from '../wire.js'
import { verifyQuorum } from './consensus-messages.js'
import { type OpenedBody, SPECIFICATION } from './messages.js'
import { electorateOf, openByQuorum } from './record.js'
import { openQuorumSpecification } from './specification.js'

/** The proof in the record of an attempt; undefined if it was abandoned. */
export function proofOfRecord(job: Signed, record: AttemptRecord): SetProof | undefined {
  const { specification, certificate, opened } = record
  if (specification === null || certificate.value.kind !== 'survivors') return undefined
  return { job, specification, value: certificate.value, votes: certificate.precommits, opened }
}

/** The proof that a member's standing came with; undefined if it names no set. */
export function proofOfStanding(job: Signed, { proof }: Pick<WireOf<'standing'>, 'proof'>): SetProof | undefined {
  if (proof === null || proof.specification === null) return undefined
  return { job, specification: proof.specification, value: proof.value, votes: proof.votes, opened: null }
}

export interface ProvenSet {
  readonly entry: SurvivorHistory
  readonly job: Job
}

const refuse = (message: string): never => {
  throw new FlameshError('set-proof', message)
}

/**
 * What a proof proves, as this node's memory keeps it. Throws FlameshError: `committee-unknown` if the log does not name the
 * committee (it may be behind), `quorum`, `signature`, `schema`, or `set-proof` if the parts do not belong together.
 */
export function verifySetProof(proof: SetProof, roster: Roster): ProvenSet {
  const { body: job, hash, signers } = openSigned(proof.job, JOB)
  if (signers.length !== 1 || signers[0] !== job.researcher) refuse('the job is not signed by its researcher')
  const committee = roster.committees.get(job.committee)
  if (committee === undefined) throw new FlameshError('committee-unknown', 'the log names no such committee')
  const { round, attempt } = openSigned(proof.specification, SPECIFICATION).body
  const electorate = electorateOf({ job: hash, round, attempt }, job, committee, roster)
  const specification = openQuorumSpecification(proof.specification, electorate.seats)
  if (specification.body.job !== hash) refuse('the specification is of another job')
  const { value } = proof
  if (value.kind !== 'survivors' || value.roundId !== specification.hash)
    return refuse('the votes are not for a set of this specification')
  verifyQuorum(electorate, proof.votes, value)
  const sites = value.survivors.flatMap((index) => specification.body.cohort[index]?.site ?? [])
  if (sites.length !== value.survivors.length) refuse('a survivor outside the cohort')
  const opened = proof.opened === null ? undefined : openByQuorum(proof.opened, electorate)
  if (opened !== undefined && !isOf(opened, specification.hash, survivorsHash(sites)))
    refuse('the opening is of another sum')
  const entry: SurvivorHistory = {
    key: guardKey(job),
    dataset: job.dataset,
    sites: [...sites].sort(),
    ownVersion: null,
    job: hash,
    contributors: opened?.contributors ?? null,
    minCohort: job.cohort.minimum,
    proven: true,
  }
  return { entry, job }
}

const isOf = (opened: OpenedBody, roundId: string, survivors: string): boolean =>
  opened.roundId === roundId && opened.survivors === survivors
