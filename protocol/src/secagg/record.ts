/**
 * The record of one finished attempt: specification, certificate, opening. Whoever holds one can check it against the log
 * alone: members that were away catch up by it, sites feed their guard from it, receipts are made of it. Implements
 * docs/spec/secure-aggregation.md, "Records".
 */
import type { Hex } from '../crypto/hash.js'
import type { Signed } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { survivorsHash } from '../history.js'
import type { CommitteeRecord, Roster } from '../identity/roster.js'
import { absentSeats } from '../jobs/check.js'
import type { Job, JobId } from '../jobs/job.js'
import { MAX_GOSSIPED_RECORD_BYTES } from '../limits.js'
import { type AttemptRecord, encodeWire, type WireOf } from '../wire.js'
import { type Profile, profileOf } from './committee.js'
import { type Electorate, type Instance, verifyCertificate } from './consensus-messages.js'
import { OPENED, type OpenedBody, type Specification } from './messages.js'
import { openByCommittee, openQuorumSpecification } from './specification.js'

/** Keys in seat order; null for the seats of the researcher's and recipients' organisations, which have no say in the job. */
export function seatsOf(job: Job, committee: CommitteeRecord, roster: Roster): readonly (Hex | null)[] {
  const absent = absentSeats(job, committee, roster)
  return committee.members.map((key, seat) => (absent.includes(seat) ? null : key))
}

/** Who votes on an attempt: the seats that are present in the job. */
export function electorateOf(instance: Instance, job: Job, committee: CommitteeRecord, roster: Roster): Electorate {
  return { instance, seats: seatsOf(job, committee, roster), profile: profileOf(committee.members.length) as Profile }
}

/** What a checked record says. */
export interface RecordFacts {
  readonly specification: Specification | undefined
  readonly roundId: Hex | undefined
  /** keys of the survivor set, sorted; undefined for an abandoned attempt */
  readonly survivors: readonly Hex[] | undefined
  readonly abandoned: string | undefined
  readonly opened: OpenedBody | undefined
}

/**
 * Checks a record against the job and the log. Throws FlameshError: `certificate`, `quorum`, `signature`, or `record` if
 * its parts do not belong together.
 */
export function checkRecord(record: AttemptRecord, jobId: JobId, job: Job, roster: Roster): RecordFacts {
  const before = checked.get(record)
  if (before?.jobId === jobId && before.roster === roster) return before.facts
  const facts = checkAnew(record, jobId, job, roster)
  checked.set(record, { jobId, roster, facts })
  return facts
}

/** Every role in a job looks at the same record, and it is told by several peers. The id is the hash of the job. */
const checked = new WeakMap<
  AttemptRecord,
  { readonly jobId: JobId; readonly roster: Roster; readonly facts: RecordFacts }
>()

function checkAnew(record: AttemptRecord, jobId: JobId, job: Job, roster: Roster): RecordFacts {
  const committee = roster.committees.get(job.committee)
  if (committee === undefined) throw new FlameshError('committee-unknown', 'the log names no such committee')
  const instance = { job: jobId, round: record.round, attempt: record.attempt }
  const electorate = electorateOf(instance, job, committee, roster)
  const certified = verifyCertificate(electorate, record.certificate)
  if (certified.verdict !== 'accept') throw new FlameshError('certificate', certified.message)
  const specification =
    record.specification === null ? undefined : openQuorumSpecification(record.specification, electorate.seats)
  if (specification !== undefined) {
    const { job: of, round, attempt } = specification.body
    if (of !== jobId || round !== record.round || attempt !== record.attempt)
      mismatch('the specification is of another attempt')
  }
  if (certified.value.kind === 'abandon') {
    // nobody looks at its signatures, and receipts would carry it
    if (record.opened !== null) return mismatch('an opening of an attempt that came to nothing')
    return {
      specification: specification?.body,
      roundId: specification?.hash,
      survivors: undefined,
      abandoned: certified.value.code,
      opened: undefined,
    }
  }
  if (specification === undefined || certified.value.roundId !== specification.hash)
    return mismatch('the certificate is for another specification')
  const survivors = certified.value.survivors.map((index) => specification.body.cohort[index]?.site)
  if (!survivors.every((key) => key !== undefined)) return mismatch('a survivor outside the cohort')
  const opened = record.opened === null ? undefined : openByQuorum(record.opened, electorate)
  if (
    opened !== undefined &&
    (opened.roundId !== specification.hash || opened.survivors !== survivorsHash(survivors))
  ) {
    return mismatch('the opening is of another sum')
  }
  return { specification: specification.body, roundId: specification.hash, survivors, abandoned: undefined, opened }
}

function mismatch(message: string): never {
  throw new FlameshError('record', message)
}

/** An opening of this attempt with the signatures of a quorum. */
export function openByQuorum(signed: Signed, { instance, seats, profile }: Electorate): OpenedBody {
  const { body, signers } = openByCommittee(signed, OPENED, seats)
  if (signers.length < profile.quorum) throw new FlameshError('quorum', 'the opening lacks a quorum of signatures')
  if (body.job !== instance.job || body.round !== instance.round || body.attempt !== instance.attempt) {
    return mismatch('the opening is of another attempt')
  }
  return body
}

/** Reasons that end the job rather than the attempt. */
const FINAL_CODES = new Set(['cohort-below-minimum', 'cancelled', 'expired', 'pinned-site-left', 'guard'])

export interface Ending {
  readonly status: 'released' | 'suppressed' | 'failed' | 'cancelled' | 'expired'
  readonly code: string
}

/** How a finished attempt ends its job; undefined if another attempt or round follows. */
export function endingOf(
  job: Job,
  attempt: number,
  facts: Pick<RecordFacts, 'abandoned' | 'opened'>,
): Ending | undefined {
  const { abandoned, opened } = facts
  if (abandoned !== undefined) {
    if (abandoned === 'cancelled' || abandoned === 'expired') return { status: abandoned, code: abandoned }
    return FINAL_CODES.has(abandoned) || attempt + 1 >= job.maxAttempts
      ? { status: 'failed', code: abandoned }
      : undefined
  }
  if (opened === undefined || opened.outcome === 'state') return undefined
  return opened.outcome === 'result'
    ? { status: 'released', code: 'released' }
    : { status: 'suppressed', code: opened.code ?? 'suppressed' }
}

/** A long record goes to many: one message, encoded once. */
const outcomes = new WeakMap<AttemptRecord, WireOf<'outcome'>>()

export function outcomeOf(record: AttemptRecord): WireOf<'outcome'> {
  const found = outcomes.get(record) ?? { type: 'outcome' as const, record }
  outcomes.set(record, found)
  return found
}

/** Whether it is short enough to be announced; of a longer one members tell that it is there. */
export const isGossiped = (record: AttemptRecord): boolean =>
  encodeWire(outcomeOf(record)).length <= MAX_GOSSIPED_RECORD_BYTES
