/**
 * Which values are admissible: what Haves imply, what speaks against a survivor set, and what proves that an attempt cannot
 * end otherwise. Implements docs/spec/secure-aggregation.md, "Admissible values".
 */
import type { Hex } from '../../crypto/hash.js'
import { decodeSigned, openSigned, payloadHash, type Signed } from '../../encoding/signed.js'
import { errorCode } from '../../errors.js'
import { survivorsHash } from '../../history.js'
import { activeMember } from '../../identity/roster.js'
import { CANCEL } from '../../jobs/messages.js'
import type { ConsensusEvent, Question } from '../consensus.js'
import { type Decision, valueId } from '../consensus-messages.js'
import { HAVE, type Have, type Specification, WITHDRAWAL } from '../messages.js'
import { guardOutcome } from './memory.js'
import { approvals, cohortView } from './specifying.js'
import { accuse, attemptName, audit, sendToMembers, specificationOf, survivorKeys, type Turn, update } from './state.js'

type Implied = Pick<Extract<Decision, { kind: 'survivors' }>, 'survivors' | 'submissions'>

/** U: the sites of which enough members hold one and the same submission whole. */
export function impliedSurvivors(turn: Turn, specification: Specification, haves: readonly Have[]): Implied {
  const found = specification.cohort.flatMap((_, index) => {
    const held = haves.flatMap((one) => one.submissions[one.sites.indexOf(index)] ?? [])
    const submission = held.find((hash) => held.filter((other) => other === hash).length >= turn.profile.haves)
    return submission === undefined ? [] : [{ index, submission }]
  })
  return { survivors: found.map((one) => one.index), submissions: found.map((one) => one.submission) }
}

/** Why a survivor set may not be opened: the code of an ABANDON, or `unknown`, so wait; undefined if it may. */
export function survivorsObjection(
  turn: Turn,
  specification: Specification,
  indices: readonly number[],
): string | undefined {
  const { context } = turn
  const keys = survivorKeys(specification, indices)
  const organisation = (key: Hex): string => context.roster.members.get(key)?.organisation ?? key
  if (specification.pinned !== null && survivorsHash(keys) !== survivorsHash(specification.pinned)) {
    const left = specification.pinned.filter(
      (key) => turn.state.withdrawals.has(key) || !activeMember(context.roster, key, context.nowMs),
    )
    if (left.length > 0) return 'pinned-site-left'
    return context.nowMs >= turn.job.notAfter ? 'expired' : 'too-few-submissions'
  }
  if (new Set(keys.map(organisation)).size < specification.minCohort)
    return context.nowMs >= turn.job.notAfter ? 'expired' : 'too-few-submissions'
  if (keys.some((key) => activeMember(context.roster, key, context.nowMs) === undefined))
    return specification.pinned === null ? 'survivor-revoked' : 'pinned-site-left'
  const guarded = guardOutcome(turn, specification, keys)
  return guarded === 'passed' ? undefined : guarded
}

export function pinnedWithdrawals(turn: Turn, specification: Specification): readonly Signed[] {
  return (specification.pinned ?? []).flatMap((key) => turn.state.withdrawals.get(key) ?? [])
}

/** Whether a fresh value is admissible here; undefined while this member cannot tell. */
export function judge(turn: Turn, question: Extract<Question, { type: 'need-verdict' }>): ConsensusEvent | undefined {
  const verdict = (admissible: boolean): ConsensusEvent => ({ type: 'verdict', view: question.view, admissible })
  try {
    const attachments = question.attachments.map(decodeSigned)
    const { value, view } = question
    const admissible =
      value.kind === 'survivors'
        ? judgeSurvivors(turn, value, attachments)
        : judgeAbandon(turn, value.code, view, attachments)
    if (admissible === false) audit(turn, 'proposal-refused', { view, value: value.kind })
    return admissible === undefined ? undefined : verdict(admissible)
  } catch (error) {
    audit(turn, 'proposal-refused', { view: question.view, code: errorCode(error) })
    return verdict(false)
  }
}

/**
 * The attached Haves, each by another seat, all for this round. One that contradicts a Have known here is evidence, and
 * counts all the same: refusing it would let one liar block every round.
 */
function readHaves(turn: Turn, roundId: Hex, attachments: readonly Signed[]): readonly Have[] | undefined {
  const haves: Have[] = []
  for (const signed of attachments.filter((one) => one.kind === HAVE.kind)) {
    const { body, hash, signers } = openSigned(signed, HAVE)
    const known = turn.state.haves.get(String(body.seat))
    const genuine = signers.length === 1 && turn.seats[body.seat] === signers[0] && body.roundId === roundId
    if (!genuine || haves.some((one) => one.seat === body.seat)) return undefined
    if (known !== undefined && payloadHash(known) !== hash) accuse(turn, 'second-have', signers[0] as Hex)
    haves.push(body)
  }
  return haves
}

function judgeSurvivors(
  turn: Turn,
  value: Extract<Decision, { kind: 'survivors' }>,
  attachments: readonly Signed[],
): boolean | undefined {
  const specification = specificationOf(turn)
  if (specification === undefined) return undefined
  if (value.roundId !== specification.roundId) return false
  const haves = readHaves(turn, specification.roundId, attachments)
  if (haves === undefined || haves.length < turn.profile.quorum) return false
  if (!knownHavesAttached(turn, haves)) return false
  const implied = impliedSurvivors(turn, specification.body, haves)
  if (valueId({ ...value, ...implied }) !== valueId(value)) return false
  const objection = survivorsObjection(turn, specification.body, implied.survivors)
  return objection === 'unknown' ? undefined : objection === undefined
}

/** A proposer may not pick the Haves that suit it: all that this member knows must be there. It passes on those that are not. */
function knownHavesAttached(turn: Turn, haves: readonly Have[]): boolean {
  const missing = [...turn.state.haves].filter(([seat]) => !haves.some((one) => String(one.seat) === seat))
  for (const [seat, have] of missing) sendToMembers(turn, `have/${seat}`, { type: 'have', ...attemptName(turn), have })
  return missing.length === 0
}

function judgeAbandon(turn: Turn, code: string, view: number, attachments: readonly Signed[]): boolean | undefined {
  // by then every seat has had a turn
  if (code === 'no-agreement') return view >= turn.profile.members
  if (code === 'cancelled') return provesCancel(turn, attachments)
  if (code === 'cohort-below-minimum') {
    if (turn.state.progress.cohort !== null || turn.state.specification !== undefined) return false
    if (approvals(turn).length >= turn.job.cohort.minimum) return false
    return cohortView(turn).ready ? true : undefined
  }
  const specification = specificationOf(turn)
  if (code === 'expired' && specification === undefined) return turn.context.nowMs >= turn.job.notAfter
  if (code === 'no-specification') {
    const { abandon } = turn.state.attempt
    return abandon === code || abandon === 'cohort-below-minimum'
      ? true
      : specification === undefined
        ? undefined
        : false
  }
  if (specification === undefined) return undefined
  const haves = readHaves(turn, specification.roundId, attachments)
  if (haves !== undefined && haves.length >= turn.profile.quorum && knownHavesAttached(turn, haves)) {
    for (const signed of attachments.filter((one) => one.kind === WITHDRAWAL.kind)) noteWithdrawal(turn, signed)
    const { survivors } = impliedSurvivors(turn, specification.body, haves)
    const objection = survivorsObjection(turn, specification.body, survivors)
    return objection === 'unknown' ? undefined : objection === code
  }
  return false
}

function provesCancel(turn: Turn, attachments: readonly Signed[]): boolean {
  return attachments.some((signed) => {
    if (signed.kind !== CANCEL.kind) return false
    const { body, signers } = openSigned(signed, CANCEL)
    return body.job === turn.jobId && signers.length === 1 && signers[0] === turn.job.researcher
  })
}

function noteWithdrawal(turn: Turn, signed: Signed): void {
  const { body, signers } = openSigned(signed, WITHDRAWAL)
  const { round, attempt } = turn.state.progress
  if (
    signers[0] !== body.site ||
    !turn.state.decisions.has(body.site) ||
    body.job !== turn.jobId ||
    body.round !== round ||
    body.attempt !== attempt
  )
    return
  update(turn, { withdrawals: new Map(turn.state.withdrawals).set(body.site, signed) })
}
