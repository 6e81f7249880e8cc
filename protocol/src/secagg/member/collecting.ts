/**
 * From a specification to this member's Have: the round goes out to the sites, their submissions come in and are checked,
 * the round closes. Implements docs/spec/secure-aggregation.md, "Submissions" and "Closing".
 */
import type { Hex } from '../../crypto/hash.js'
import { hexToBytes } from '../../crypto/hash.js'
import { isSealable, openSealed, sealFor } from '../../crypto/sealing.js'
import { decode, encode } from '../../encoding/canonical.js'
import { openSigned, payloadHash, type Signed, signObject } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { activeMember } from '../../identity/roster.js'
import { withEntry } from '../../machine.js'
import type { WireOf } from '../../wire.js'
import { proposerSeat } from '../consensus-messages.js'
import { HAVE, type Have, type Specification, SUBMISSION, WITHDRAWAL } from '../messages.js'
import { holdings } from './holding.js'
import { maySign } from './speaking.js'
import {
  accuse,
  attemptName,
  audit,
  electorate,
  knowsState,
  nameOf,
  type Stored,
  send,
  sendToMembers,
  setTimer,
  specificationOf,
  stateOf,
  type Turn,
  update,
  updateAttempt,
} from './state.js'

/** What a member's uplink and processor may take for one site before others think it silent: rounds and records name all sites. */
export const ANNOUNCE_MS_PER_SITE = 20

export function advanceCollecting(turn: Turn): void {
  const specification = specificationOf(turn)
  const { attempt, certificate } = turn.state
  if (specification === undefined || certificate !== undefined || attempt.closedAtMs !== null) return
  const { context } = turn
  if (!turn.state.attempt.announced) {
    const primary = proposerSeat(electorate(turn), 0) === turn.seat
    const specifiedAtMs = turn.state.attempt.specifiedAtMs ?? context.nowMs
    const { cohort, closesAt } = specification.body
    const patienceMs = Math.min(cohort.length * ANNOUNCE_MS_PER_SITE, Math.max(0, closesAt - specifiedAtMs) / 4)
    const dueMs = specifiedAtMs + (primary ? 0 : context.timings.graceMs + Math.floor(patienceMs))
    if (context.nowMs >= dueMs) announceRound(turn, specification.body)
    else setTimer(turn, 'announce', dueMs)
  }
  const settled = !isWaiting(turn, specification.body)
  const over =
    turn.state.cancelled !== undefined ||
    context.nowMs >= specification.body.closesAt ||
    waitsInVain(turn, specification.body)
  if (!maySign(turn)) return
  if (settled || over) closeRound(turn, specification.body, specification.roundId)
  else setTimer(turn, 'close', specification.body.closesAt)
}

/** Whether a site of the cohort has yet to answer. One that had not a moment ago is looked at first: a thousand may follow. */
function isWaiting(turn: Turn, specification: Specification): boolean {
  const { state, context } = turn
  const isAwaited = (index: number): boolean => {
    const site = specification.cohort[index]?.site
    if (site === undefined || state.submissions.has(String(index)) || state.withdrawals.has(site)) return false
    return activeMember(context.roster, site, context.nowMs) !== undefined
  }
  if (isAwaited(awaited.get(specification) ?? 0)) return true
  const found = specification.cohort.findIndex((_, index) => isAwaited(index))
  awaited.set(specification, found)
  return found >= 0
}

/** The index of the site that was waited for last. */
const awaited = new WeakMap<Specification, number>()

/**
 * A pause is for sites that may come back. A pinned site that left does not, and a site that has heard of a revoked seat no
 * longer answers a specification that names it: the next attempt names others, or the job ends.
 */
function waitsInVain(turn: Turn, { pinned, committee }: Specification): boolean {
  if (pinned === null && turn.job.dropout !== 'pause') return false
  const { roster, nowMs } = turn.context
  const isGone = (key: Hex): boolean => activeMember(roster, key, nowMs) === undefined
  const left = pinned?.some((key) => turn.state.withdrawals.has(key) || isGone(key)) ?? false
  return left || committee.seats.some((prekey, seat) => prekey !== null && isGone(turn.committee.members[seat] as Hex))
}

/** The specification and the state it starts from, to every site of the cohort that has not answered. */
export function announceRound(turn: Turn, specification: Specification): void {
  if (turn.state.specification === undefined || !knowsState(turn)) return
  const { previous } = turn.state.progress
  updateAttempt(turn, { announced: true })
  const others = electorate(turn).seats.flatMap((key) => (key === null || key === turn.context.self ? [] : [key]))
  const waiting = specification.cohort
    .filter((_, index) => !turn.state.submissions.has(String(index)))
    .map((one) => one.site)
  sendRound(turn, turn.state.specification, new Set([...waiting, ...(previous === null ? [] : others)]))
}

/** Whoever takes part in the round and lost the state it starts from, or never had it, is told again. */
export function roundAgain(turn: Turn, to: Hex): void {
  const specification = specificationOf(turn)
  const { specification: signed, submissions, progress } = turn.state
  if (signed === undefined || specification === undefined || progress.previous === null || !knowsState(turn)) return
  const index = specification.body.cohort.findIndex((one) => one.site === to)
  const isAwaited = index >= 0 && !submissions.has(String(index))
  if (isAwaited || turn.seats.includes(to)) sendRound(turn, signed, [to])
}

function sendRound(turn: Turn, specification: Signed, whom: Iterable<Hex>): void {
  const { round, attempt, previous } = turn.state.progress
  const kept = stateOf(turn)
  const first = { type: 'round' as const, specification, previous: null } // encoded once
  for (const key of whom) {
    const member = activeMember(turn.context.roster, key, turn.context.nowMs)
    if (member === undefined || !isSealable(hexToBytes(member.sealingKey))) continue
    const id = `round/${round}.${attempt}`
    if (previous === null || kept === undefined) {
      send(turn, id, key, first)
      continue
    }
    const box = sealFor([member], stateContext(previous.commitment), encode({ ...kept }), turn.context.random)
    send(turn, id, key, { ...first, previous: { opened: previous.opened, box } })
  }
}

/** What a box with a state is bound to. */
export function stateContext(commitment: Hex): Uint8Array {
  return encode(['flamesh state', commitment])
}

/** The state and salt in a box sealed to this node; undefined if there is none that opens. */
export function openState(
  box: Parameters<typeof openSealed>[0],
  self: Hex,
  secret: Uint8Array,
  commitment: Hex,
): { readonly state: Uint8Array; readonly salt: Uint8Array } | undefined {
  const plain = openSealed(box, self, secret, stateContext(commitment))
  if (plain === undefined) return undefined
  try {
    const { state, salt } = decode(plain) as { state?: unknown; salt?: unknown }
    return state instanceof Uint8Array && salt instanceof Uint8Array ? { state, salt } : undefined
  } catch {
    return undefined
  }
}

function closeRound(turn: Turn, specification: Specification, roundId: Hex): void {
  const held = specification.cohort.flatMap((_, site) => {
    const stored = turn.state.submissions.get(String(site))
    return stored?.whole && stored.submit ? [{ site, submission: payloadHash(stored.submit.submission) }] : []
  })
  const sites = held.map((one) => one.site)
  const body: Have = { roundId, seat: turn.seat, sites, submissions: held.map((one) => one.submission) }
  const have = signObject(HAVE.kind, HAVE.version, body, turn.context.signer)
  audit(turn, 'round-closed', { sites: sites.length, cohort: specification.cohort.length })
  updateAttempt(turn, { closedAtMs: turn.context.nowMs })
  update(turn, { haves: withEntry(turn.state.haves, String(turn.seat), have) })
  sendToMembers(turn, 'have', { type: 'have', ...attemptName(turn), have })
}

export function onSubmit(turn: Turn, from: Hex, message: WireOf<'submit'>): Verdict {
  const specification = specificationOf(turn)
  if (specification === undefined) return later('specification-unknown')
  const { body, hash, signers } = openSigned(message.submission, SUBMISSION)
  const index = specification.body.cohort.findIndex((one) => one.site === body.site)
  const member = activeMember(turn.context.roster, body.site, turn.context.nowMs)
  if (index < 0 || signers.length !== 1 || signers[0] !== body.site)
    return reject('not-in-cohort', 'a submission from outside the cohort')
  // whoever passed it on could have spoilt what is not signed, and the site would be left out for it
  if (from !== body.site) return reject('not-the-site', 'a submission that its site did not send')
  // either end may not have read yet that the site was enrolled anew
  if (member?.index !== body.enrolment)
    return body.enrolment < turn.context.log.size ? ignore('certificate') : later('certificate')
  if (body.roundId !== specification.roundId) return reject('another-round', 'a submission for another specification')
  const known = turn.state.submissions.get(String(index))
  if (known?.submit) {
    if (payloadHash(known.submit.submission) === hash) return accept
    accuse(turn, 'second-submission', body.site)
    return reject('second-submission', 'this site already submitted something else')
  }
  const stored: Stored = { submit: message, supplies: known?.supplies ?? {}, whole: false }
  const held = holdings(turn, specification.body, stored, hash)
  const { whole } = held
  if (whole) update(turn, { _held: withEntry(turn.state._held, hash, held) })
  else audit(turn, 'bad-submission', { site: nameOf(turn, body.site) })
  update(turn, { submissions: withEntry(turn.state.submissions, String(index), { ...stored, whole }) })
  audit(turn, 'submission-received', { site: nameOf(turn, body.site), whole })
  return accept
}

export function onWithdrawal(turn: Turn, signed: Signed): Verdict {
  const { body, signers } = openSigned(signed, WITHDRAWAL)
  if (signers.length !== 1 || signers[0] !== body.site) return reject('signature', 'not signed by the site')
  if (!turn.state.decisions.has(body.site)) return later('approval-unknown')
  if (!turn.state.withdrawals.has(body.site)) {
    update(turn, { withdrawals: withEntry(turn.state.withdrawals, body.site, signed) })
    audit(turn, 'site-withdrew', { site: nameOf(turn, body.site), code: body.code })
  }
  return accept
}

export function onHave(turn: Turn, signed: Signed): Verdict {
  const specification = specificationOf(turn)
  if (specification === undefined) return later('specification-unknown')
  const { body, hash, signers } = openSigned(signed, HAVE)
  if (signers.length !== 1 || turn.seats[body.seat] !== signers[0]) return reject('signature', 'not signed by the seat')
  if (body.roundId !== specification.roundId) return reject('another-round', 'a Have for another specification')
  const known = turn.state.haves.get(String(body.seat))
  if (known !== undefined) {
    if (openSigned(known, HAVE).hash === hash) return accept
    accuse(turn, 'second-have', signers[0] as Hex)
    return ignore('second-have') // whoever passes it on may know of no other
  }
  update(turn, { haves: withEntry(turn.state.haves, String(body.seat), signed) })
  return accept
}
