/**
 * From one committee to the next: what its members sign when they leave, and when the successor may begin. Implements
 * docs/spec/secure-aggregation.md, "Handover". Any set that is or could yet be certified has a quorum of precommits, and so an
 * honest member among any quorum of those that left; it lists the set, and proves it.
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { beyond, historyName, namedSets } from '../history.js'
import type { CommitteeRecord, Roster, Succession } from '../identity/roster.js'
import { JOB, type JobId } from '../jobs/job.js'
import { MAX_PROOFS_PER_MESSAGE } from '../limits.js'
import { withEntry } from '../machine.js'
import { profileOf } from '../secagg/committee.js'
import { lacksOutcome } from '../secagg/member/closing.js'
import type { MemberState } from '../secagg/member/state.js'
import { RETIREMENT, type Retirement } from '../secagg/messages.js'
import { seatsOf } from '../secagg/record.js'
import { proofOfStanding, verifySetProof } from '../secagg/set-proof.js'
import type { SetProof } from '../wire.js'
import { type DeskState, remember } from './desk.js'
import type { Floor } from './floor.js'
import type { JobRoles } from './roles.js'

interface Step {
  readonly predecessor: CommitteeRecord
  readonly successor: CommitteeRecord
  readonly succession: Succession
}

/** Every takeover that the log names. */
function stepsOf(roster: Roster): readonly Step[] {
  return [...roster.committees.values()].flatMap((successor) =>
    (successor.succeeds ?? []).flatMap((succession) => {
      const predecessor = roster.committees.get(succession.committee)
      return predecessor === undefined ? [] : [{ predecessor, successor, succession }]
    }),
  )
}

const nameOf = (predecessor: number, successor: number, member: Hex): string => `${predecessor}/${successor}/${member}`

export interface DueRetirements {
  /** with what the member's standings name: it counts as certified from now on */
  readonly desk: DeskState
  readonly bodies: readonly Retirement[]
}

/** What this node has to sign now: it holds no job of these datasets open, and has itself taken over all that it leaves. */
export function dueRetirements(
  desk: DeskState,
  roster: Roster,
  self: Hex,
  jobs: ReadonlyMap<JobId, JobRoles>,
): DueRetirements {
  let next = desk
  const bodies: Retirement[] = []
  for (const { predecessor, successor, succession } of stepsOf(roster)) {
    if (!predecessor.members.includes(self)) continue
    if (desk.retirements.has(nameOf(predecessor.index, successor.index, self))) continue
    const datasets = [...succession.datasets].sort()
    const members = seatedIn(jobs, predecessor, datasets, roster, self)
    const ready = members.every((one) => one.progress.ended !== null && !cannotSay(one, self))
    if (!ready || !datasets.every((dataset) => mayServe(desk, roster, predecessor.index, dataset))) continue
    for (const member of members)
      for (const proof of standingProof(member, self)) next = remember(next, verifySetProof(proof, roster).entry, proof)
    const sets = [...next.history.values()]
      .filter((one) => datasets.includes(one.dataset))
      .flatMap((one) => namedSets([one]).map((named) => ({ key: one.key, ...named })))
      .sort((a, b) => (a.key + a.set < b.key + b.set ? -1 : 1))
    bodies.push({ predecessor: predecessor.index, successor: successor.index, datasets, sets })
  }
  return { desk: next, bodies }
}

/** This node's part in the jobs of a committee and its datasets, but those in which its seat is absent. */
function seatedIn(
  jobs: ReadonlyMap<JobId, JobRoles>,
  committee: CommitteeRecord,
  datasets: readonly string[],
  roster: Roster,
  self: Hex,
): readonly MemberState[] {
  return [...jobs.values()].flatMap(({ signed, member }) => {
    const { body } = openSigned(signed, JOB)
    if (member === undefined || body.committee !== committee.index || !datasets.includes(body.dataset)) return []
    return seatsOf(body, committee, roster).includes(self) ? [member] : []
  })
}

/** A member that cannot say where it stood must not retire either: what it voted for might be missing. */
const cannotSay = (member: MemberState, self: Hex): boolean => lacksOutcome(member) && !member.standings.has(self)

function standingProof(member: MemberState, self: Hex): readonly SetProof[] {
  const own = lacksOutcome(member) ? member.standings.get(self) : undefined
  const proof = own && proofOfStanding(member.job, own)
  return proof === undefined ? [] : [proof]
}

/** Whether a committee serves a dataset: from its statement on, or once it holds a quorum of its predecessor's retirements. */
export function mayServe(desk: DeskState, roster: Roster, committee: number, dataset: string): boolean {
  const succession = roster.committees.get(committee)?.succeeds?.find((one) => one.datasets.includes(dataset))
  if (succession === undefined) return true
  const members = roster.committees.get(succession.committee)?.members ?? []
  const counted = members.filter((member) => {
    const signed = desk.retirements.get(nameOf(succession.committee, committee, member))
    return signed !== undefined && isProven(desk, signed)
  })
  return counted.length >= (profileOf(members.length)?.quorum ?? Number.POSITIVE_INFINITY)
}

/** What a retirement lists and this node cannot yet prove. */
function unproven(desk: DeskState, signed: Signed): readonly Hex[] {
  return openSigned(signed, RETIREMENT).body.sets.flatMap(({ key, ...listed }) => {
    const name = historyName(key, listed.set)
    const entry = desk.history.get(name)
    return entry === undefined || beyond([listed], namedSets([entry])).length > 0 ? [name] : []
  })
}

const proven = new WeakMap<Signed, boolean>()

/** A liar may list what nobody can prove: its retirement then never counts, and nobody waits for it. */
function isProven(desk: DeskState, signed: Signed): boolean {
  if (proven.get(signed) === true) return true // what is remembered is never forgotten
  const all = unproven(desk, signed).length === 0
  if (all) proven.set(signed, true)
  return all
}

/** The first of a member counts; it has no reason to sign another. */
export function keepRetirement(desk: DeskState, signed: Signed): DeskState {
  const { body, signers } = openSigned(signed, RETIREMENT)
  const name = nameOf(body.predecessor, body.successor, signers[0] as Hex)
  return desk.retirements.has(name) ? desk : { ...desk, retirements: withEntry(desk.retirements, name, signed) }
}

export function sendRetirement(floor: Pick<Floor, 'send'>, to: Hex, retirement: Signed): void {
  const { predecessor, successor } = openSigned(retirement, RETIREMENT).body
  const member = retirement.signatures[0]?.signer
  floor.send(to, `retirement/${predecessor}/${successor}/${member}`, { type: 'retirement', retirement })
}

/** To a member of a successor all that its handover consists of, whoever signed it. */
export function offerRetirements(desk: DeskState, floor: Floor, to: Hex): void {
  for (const signed of desk.retirements.values()) {
    const { successor } = openSigned(signed, RETIREMENT).body
    if (floor.log.roster.committees.get(successor)?.members.includes(to)) sendRetirement(floor, to, signed)
  }
}

/** Throws what opening it throws. */
export async function takeRetirement(desk: DeskState, from: Hex, signed: Signed, floor: Floor): Promise<Verdict> {
  const { body, hash, signers } = openSigned(signed, RETIREMENT)
  const step = stepsOf(floor.log.roster).find(
    (one) => one.predecessor.index === body.predecessor && one.successor.index === body.successor,
  )
  if (step === undefined) return later('committee-unknown')
  const [signer] = signers
  if (signers.length !== 1 || signer === undefined || !step.predecessor.members.includes(signer))
    return reject('not-a-member', 'a retirement from a committee by one who has no seat on it')
  if (body.datasets.join() !== [...step.succession.datasets].sort().join())
    return reject('retirement', 'a retirement from other datasets than were handed over')
  const known = desk.retirements.get(nameOf(body.predecessor, body.successor, signer))
  if (known !== undefined && openSigned(known, RETIREMENT).hash !== hash) return ignore('second-retirement')
  await floor.keep(keepRetirement(desk, signed))
  askForUnproven(unproven(desk, signed), from, floor)
  await floor.learned()
  return accept
}

function askForUnproven(names: readonly Hex[], from: Hex, floor: Floor): void {
  for (let at = 0; at < names.length; at += MAX_PROOFS_PER_MESSAGE) {
    const some = names.slice(at, at + MAX_PROOFS_PER_MESSAGE)
    floor.send(from, `history-request/retirement/${at}`, { type: 'history-request', names: some, jobs: [] })
  }
}
