/**
 * Jobs run to their end by hand: a real log, real signatures, the real analyses on made-up rows, and every object that a
 * receipt is made of. Each step can be given a twist, so that tests can show that a wrong one is found.
 */
import type { Column, Outcome, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { countSlots } from '@flamesh/protocol/analyses/layout.js'
import { type AnyAnalysis, findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { type Hex, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import {
  type Kind,
  payloadHash,
  type Signed,
  type Signer,
  sign,
  signObject,
} from '@flamesh/protocol/encoding/signed.js'
import { survivorsHash } from '@flamesh/protocol/history.js'
import { openCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { extendRoster } from '@flamesh/protocol/identity/fold.js'
import { type CommitteeRecord, emptyRoster, type Roster } from '@flamesh/protocol/identity/roster.js'
import { type Entry, openStatement } from '@flamesh/protocol/identity/statements.js'
import { compileJob } from '@flamesh/protocol/jobs/compile.js'
import { JOB, type Job } from '@flamesh/protocol/jobs/job.js'
import { DECISION, type Decision } from '@flamesh/protocol/jobs/messages.js'
import { defaultPolicy, policyHash } from '@flamesh/protocol/jobs/policy.js'
import { buildReceipt, presentResult } from '@flamesh/protocol/jobs/receipt.js'
import { commitResult } from '@flamesh/protocol/secagg/commitment.js'
import {
  type Certificate,
  type Decision as Value,
  VOTE,
  valueId,
  voteBody,
} from '@flamesh/protocol/secagg/consensus-messages.js'
import { certificateOf } from '@flamesh/protocol/secagg/consensus-signed.js'
import {
  OPENED,
  type OpenedBody,
  PREKEY,
  SPECIFICATION,
  type Specification,
} from '@flamesh/protocol/secagg/messages.js'
import { electorateOf } from '@flamesh/protocol/secagg/record.js'
import { addInto, decodeVector, encodeVector } from '@flamesh/protocol/secagg/ring.js'
import { buildSpecification, closingTime } from '@flamesh/protocol/secagg/specification.js'
import type { AttemptRecord } from '@flamesh/protocol/wire.js'
import {
  checkpointOver,
  committee,
  enrol,
  hub,
  leavesOf,
  START_MS,
  sealingKey,
  signAll,
  signer,
} from '../identity/fixtures.js'
import { LUNG } from './support.js'

export const NOW = START_MS + 1000
export const SITES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => `site-${letter}`)
const SEATS = SITES.slice(0, 4)
export const keyOf = (name: string): Hex => signer(name).publicKey

export const ENTRIES: readonly Entry[] = [
  ...SITES.map((name) => enrol(name)),
  enrol('ruth', { roles: ['researcher'], organisation: 'university' }),
  /** a colleague of the committee's first member */
  enrol('adam', { roles: ['researcher'], organisation: 'org-site-a' }),
  committee('default', SEATS, ['lung']),
]

export interface World {
  readonly statements: readonly Uint8Array[]
  readonly roster: Roster
  readonly checkpoint: Uint8Array
}

export function worldOf(entries: readonly Entry[]): World {
  const statements = signAll(entries)
  const folded = extendRoster(
    emptyRoster,
    statements.map((bytes) => openStatement(bytes, hub.publicKey).statement),
  )
  if (!folded.ok) throw new Error(folded.message)
  return { statements, roster: folded.roster, checkpoint: checkpointOver(statements) }
}

/** 30 rows a site, the same at every run. */
function rowsOf(site: number): Rows {
  let seed = site * 7919 + 17
  const next = (below: number) => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  const column = (make: () => number) => Float64Array.from({ length: 30 }, make)
  return {
    count: 30,
    columns: new Map<string, Column>([
      ['time', column(() => 1 + next(900))],
      ['status', column(() => 1 + next(2))],
      ['age', column(() => 40 + next(40))],
      ['sex', column(() => 1 + next(2))],
      ['ph.ecog', column(() => next(3))],
      ['wt.loss', column(() => next(100) / 7)],
    ]),
  }
}

/** The opened sum over some sites (indices of SITES). */
function sumOver(analysis: AnyAnalysis, job: Job, sites: readonly number[], state: unknown): bigint[] {
  const plan = analysis.plan(job.parameters, state)
  const sum = new Uint8Array(16 * plan.slots.length)
  for (const site of sites) {
    const vector = analysis.contribute(rowsOf(site), job.parameters, state)
    addInto(sum, encodeVector(vector, 128, plan.fractionBits, plan.bound, countSlots(plan)), 128)
  }
  return [...decodeVector(sum, 128, plan.fractionBits)]
}

export interface Twists {
  /** site → what its decision says otherwise; `null` leaves it out */
  readonly decisions?: Readonly<Record<string, Partial<Decision> | null>>
  /** signers of specifications, certificates and openings (names); a quorum by default */
  readonly signers?: readonly string[]
  readonly openedBy?: readonly string[]
  readonly specification?: (body: Specification) => Specification
  readonly opened?: (body: OpenedBody) => OpenedBody
  /** sites (indices) whose update is in the sum of a round */
  readonly survivors?: (round: number) => readonly number[]
  /** attempts of the first round that end otherwise before the one that counts */
  readonly attemptsBefore?: readonly ('abandoned' | 'not-opened' | 'lost')[]
  /** ends the job here instead: a reason of the committee's */
  readonly abandon?: string
}

export interface Run {
  readonly world: World
  readonly job: Job
  readonly signed: Signed
  readonly decisions: readonly Signed[]
  readonly records: readonly AttemptRecord[]
  readonly released: Uint8Array | undefined
  readonly result: Readonly<Record<string, unknown>> | undefined
}

const SALT = sha256(utf8ToBytes('salt'))

function signBy<T>(kind: Kind<T>, body: T, names: readonly string[]): Signed {
  const payload = encode(body)
  return {
    kind: kind.kind,
    version: kind.version,
    payload,
    signatures: names.map((name) => sign(kind.kind, kind.version, payload, signer(name))),
  }
}

export function signJob(job: Job, by: Signer): Signed {
  return signObject(JOB.kind, JOB.version, job, by)
}

export function compileIn(world: World, document: Record<string, unknown>, researcher = 'ruth'): Job {
  const { size, root } = openCheckpoint(world.checkpoint, hub.publicKey)
  return compileJob(
    { name: 'a question', dataset: 'lung', ...document },
    {
      roster: world.roster,
      researcher: keyOf(researcher),
      catalogue: new Map(SITES.map((name) => [name, [LUNG]])),
      nowMs: NOW,
      nonce: sealingKey('nonce'),
      checkpoint: { size, root },
    },
  )
}

function decide(job: Job, signed: Signed, name: string, twist: Partial<Decision>): Signed {
  const body: Decision = {
    job: payloadHash(signed),
    site: keyOf(name),
    decision: 'approve',
    code: 'policy',
    message: '',
    policyHash: policyHash(defaultPolicy),
    datasetVersion: sealingKey('version'),
    checkpoint: job.checkpoint,
    consents: [],
    decidedAt: NOW + 500,
    by: 'policy',
    operators: [],
    ...twist,
  }
  return signObject(DECISION.kind, DECISION.version, body, signer(name))
}

interface Place {
  readonly round: number
  readonly attempt: number
  readonly state: unknown
  readonly stateCommitment: Hex | null
  readonly pinned: readonly Hex[] | null
}

/** The specification, certificate and opening of one attempt. */
class Committee {
  constructor(
    private readonly job: Job,
    private readonly jobId: Hex,
    private readonly roster: Roster,
    private readonly approvals: readonly Signed[],
    private readonly twists: Twists,
  ) {}

  private get record(): CommitteeRecord {
    return this.roster.committees.get(this.job.committee) as CommitteeRecord
  }

  private get signers(): readonly string[] {
    return this.twists.signers ?? SEATS.slice(1)
  }

  specify(place: Place): Signed {
    const { job, jobId, roster } = this
    const { seats } = electorateOf({ job: jobId, ...place }, job, this.record, roster)
    const prekeys = SEATS.map((name, seat) =>
      seats[seat] === null
        ? null
        : signBy(
            PREKEY,
            {
              member: keyOf(name),
              committee: this.record.index,
              key: sealingKey(`${name} ${place.round}.${place.attempt}`),
            },
            [name],
          ),
    )
    const cohort = this.approvals.map((signed) => ({
      site: signed.signatures[0]?.signer as Hex,
      decision: payloadHash(signed),
    }))
    const body = buildSpecification(
      { jobId, job, committee: this.record, ...place },
      {
        cohort,
        seats: prekeys,
        closesAt: closingTime(job, place.pinned !== null, NOW + 1000),
        checkpoint: job.checkpoint,
        history: [],
        consents: [],
      },
    )
    return signBy(SPECIFICATION, this.twists.specification?.(body) ?? body, this.signers)
  }

  certify(place: Place, value: Value): Certificate {
    const electorate = electorateOf({ job: this.jobId, ...place }, this.job, this.record, this.roster)
    const vote = { phase: 'precommit' as const, view: 0, value: valueId(value) }
    const payload = encode(voteBody(electorate, vote))
    const ballots = this.signers.map((name) => ({
      ...vote,
      seat: SEATS.indexOf(name),
      signature: sign(VOTE.kind, VOTE.version, payload, signer(name)).signature,
    }))
    return certificateOf(electorate, value, ballots)
  }

  abandon(place: Place, code: string): AttemptRecord {
    return {
      job: this.jobId,
      round: place.round,
      attempt: place.attempt,
      specification: null,
      certificate: this.certify(place, { kind: 'abandon', code }),
      opened: null,
    }
  }

  open(place: Place, indices: readonly number[], outcome: Outcome<unknown, unknown> | undefined): AttemptRecord {
    const specification = this.specify(place)
    const roundId = payloadHash(specification)
    const cohort = this.approvals.map((signed) => signed.signatures[0]?.signer as Hex).sort()
    const keys = indices.map((index) => keyOf(SITES[index] as string)).sort()
    const value: Value = {
      kind: 'survivors',
      roundId,
      survivors: keys.map((key) => cohort.indexOf(key)),
      submissions: keys.map(() => roundId),
    }
    const record = {
      job: this.jobId,
      round: place.round,
      attempt: place.attempt,
      specification,
      certificate: this.certify(place, value),
    }
    if (outcome === undefined) return { ...record, opened: null }
    const bytes =
      outcome.kind === 'suppressed' ? null : encode(outcome.kind === 'state' ? outcome.state : outcome.released)
    const body: OpenedBody = {
      job: this.jobId,
      round: place.round,
      attempt: place.attempt,
      roundId,
      survivors: survivorsHash(keys),
      outcome: outcome.kind,
      code: outcome.kind === 'suppressed' ? outcome.code : null,
      contributors: outcome.kind === 'suppressed' ? null : indices.length,
      commitment: bytes === null ? null : commitResult(SALT, bytes, roundId),
      macs: [],
    }
    return {
      ...record,
      opened: signBy(OPENED, this.twists.opened?.(body) ?? body, this.twists.openedBy ?? this.signers),
    }
  }
}

/** Runs a signed job over the eight sites to its end. */
export function runJob(world: World, signed: Signed, job: Job, twists: Twists = {}): Run {
  const given = SITES.flatMap((name) => {
    const twist = twists.decisions?.[name]
    return twist === null ? [] : [decide(job, signed, name, twist ?? {})]
  })
  const refused = (name: string) => twists.decisions?.[name]?.decision === 'refuse'
  const approvals = given.filter(
    (one) => !SITES.some((name) => refused(name) && keyOf(name) === one.signatures[0]?.signer),
  )
  const members = new Committee(job, payloadHash(signed), world.roster, approvals, twists)
  const analysis = findAnalysis(job.analysis.name, job.analysis.version) as AnyAnalysis
  const survivorsIn = twists.survivors ?? (() => SITES.flatMap((name, index) => (refused(name) ? [] : [index])))
  const records: AttemptRecord[] = []
  const run = { world, job, signed, decisions: given }
  let place: Place = { round: 1, attempt: 0, state: undefined, stateCommitment: null, pinned: null }
  for (const before of twists.attemptsBefore ?? []) {
    if (before === 'abandoned') records.push(members.abandon(place, 'not-enough-sites'))
    if (before === 'not-opened') records.push(members.open(place, survivorsIn(1), undefined))
    place = { ...place, attempt: place.attempt + 1 }
  }
  if (twists.abandon !== undefined)
    return {
      ...run,
      records: [...records, members.abandon(place, twists.abandon)],
      released: undefined,
      result: undefined,
    }
  for (;;) {
    const survivors = survivorsIn(place.round)
    const rules = { minimumCell: job.minimumCell, minimumContributors: job.cohort.minimum }
    const sum = sumOver(analysis, job, survivors, place.state)
    const outcome = analysis.combine(
      sum,
      { parameters: job.parameters, rules, survivors: survivors.length },
      place.state,
    )
    const record = members.open(place, survivors, outcome)
    records.push(record)
    if (outcome.kind === 'suppressed') return { ...run, records, released: undefined, result: undefined }
    if (outcome.kind === 'result') {
      const released = encode(outcome.released)
      return { ...run, records, released, result: presentResult(job, released, SALT) }
    }
    const commitment = commitResult(SALT, encode(outcome.state), payloadHash(record.specification as Signed))
    const pinned = survivors.map((index) => keyOf(SITES[index] as string)).sort()
    place = { round: place.round + 1, attempt: 0, state: outcome.state, stateCommitment: commitment, pinned }
  }
}

export function receiptOf(run: Run, world = run.world): Uint8Array {
  return buildReceipt({
    job: run.signed,
    decisions: run.decisions,
    consents: [],
    records: run.records,
    roster: world.roster,
    leaves: leavesOf(world.statements),
    checkpoint: world.checkpoint,
    hubKey: hub.publicKey,
    statementAt: (index) => world.statements[index] as Uint8Array,
  })
}
