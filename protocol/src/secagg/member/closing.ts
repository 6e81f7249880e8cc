/**
 * A job that ends here without an outcome: the member forgets the keys, never votes in it again, says where it stands, and
 * learns from the others' standings what was certified. Implements docs/spec/secure-aggregation.md, "Rounds without an
 * outcome". Until that is settled the guard counts what this member voted for.
 */
import type { Hex } from '../../crypto/hash.js'
import { openSigned, payloadHash } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { ASK_AGAIN_MS, ASK_UNTIL_MS } from '../../limits.js'
import { withEntry } from '../../machine.js'
import type { SetProof, WireOf } from '../../wire.js'
import { SPECIFICATION } from '../messages.js'
import type { Ending } from '../record.js'
import { proofOfStanding } from '../set-proof.js'
import { checkStanding, comparePlaces, resolve, takeStand } from '../standing.js'
import { rememberSet, suspectSet } from './memory.js'
import { maySign } from './speaking.js'
import {
  accuse,
  attemptKey,
  attemptName,
  audit,
  electorate,
  eraseSecrets,
  type MemberState,
  send,
  setTimer,
  specificationOf,
  survivorKeys,
  type Turn,
  update,
} from './state.js'

/** Nobody can end it together any more. What this member stood behind may have been certified without its knowledge. */
export const expire = (turn: Turn): void => close(turn, { status: 'expired', code: 'expired' })

/** Ends the job here without an outcome: what was certified is settled by standings. */
export function close(turn: Turn, ended: Ending): void {
  eraseSecrets(turn)
  const { consensus, certificate, attempt } = turn.state
  const specification = specificationOf(turn)?.body
  const seen = [certificate?.value, consensus?.valid?.value].flatMap((value) =>
    value?.kind === 'survivors' && specification ? [survivorKeys(specification, value.survivors)] : [],
  )
  for (const sites of [...attempt.voted, ...seen]) suspectSet(turn, sites)
  update(turn, { progress: { ...turn.state.progress, ended } })
  forgetStates(turn)
  audit(turn, 'job-ended', { status: ended.status, code: ended.code })
  ask(turn, fellows(turn))
}

/** Nobody needs a state of a job that is over, and its key is about to be erased. */
export function forgetStates(turn: Turn): void {
  update(turn, { progress: { ...turn.state.progress, previous: null }, nextState: undefined })
}

/** Whether the attempt that the job ended in here may have an outcome that this member does not know. */
export const isUnresolved = (turn: Turn): boolean => lacksOutcome(turn.state)

export function lacksOutcome({ progress, records, resolved }: MemberState): boolean {
  return endsOpen(progress.ended) && !resolved && !records.has(attemptKey(progress))
}

/** Ends that no certificate stands for. */
const endsOpen = (ended: Ending | null): boolean => ended?.status === 'expired' || ended?.code === 'committee-retired'

/** The other present members. */
export const fellows = (turn: Turn): readonly Hex[] =>
  turn.seats.filter((key): key is Hex => key !== null && key !== turn.context.self)

/** Who knows the outcome answers with records, who has closed the job without one with standings. */
export function ask(turn: Turn, whom: readonly Hex[]): void {
  if (!isUnresolved(turn)) return
  const { nowMs } = turn.context
  if (nowMs < turn.job.notAfter + ASK_UNTIL_MS) setTimer(turn, 'ask', nowMs + ASK_AGAIN_MS)
  for (const key of whom) send(turn, 'behind', key, { type: 'behind', ...attemptName(turn) })
}

/** Once the job has ended without an outcome: this member's own standing, signed once and for all. */
export function advanceClosed(turn: Turn): void {
  const { context, state } = turn
  if (!isUnresolved(turn) || state.standings.has(context.self) || !maySign(turn)) return
  const stand = takeStand(electorate(turn).instance, state.consensus, state.specification, context.signer)
  if (stand === undefined) return
  const message: WireOf<'standing'> = { type: 'standing', ...stand }
  update(turn, { standings: withEntry(state.standings, context.self, message) })
  audit(turn, 'standing-signed', { named: stand.proof?.value.kind ?? 'none' })
  const cohort = state.specification ? openSigned(state.specification, SPECIFICATION).body.cohort : []
  for (const key of new Set([...fellows(turn), ...cohort.map((one) => one.site)]))
    if (key !== context.self) send(turn, 'standing', key, message)
  settle(turn)
}

/** All that this member holds, to whoever asks: one member that is up can show what the others said. */
export function tellStandings(turn: Turn, to: Hex): void {
  for (const [signer, message] of turn.state.standings) send(turn, `standing/${signer}`, to, message)
}

export function onStanding(turn: Turn, message: WireOf<'standing'>): Verdict {
  const { progress, standings } = turn.state
  if (progress.ended === null) return later('not-closed')
  if (!endsOpen(progress.ended)) return ignore('past')
  const facts = checkStanding(message, turn.jobId, turn.job, turn.context.roster)
  const [signer, ...more] = facts.signers as [Hex]
  if (more.length > 0) return reject('signature', 'standings are passed on one by one')
  const known = standings.get(signer)
  if (known !== undefined) {
    if (payloadHash(known.standing) === payloadHash(message.standing)) return accept
    accuse(turn, 'second-standing', signer)
    return ignore('second-standing')
  }
  update(turn, { standings: withEntry(standings, signer, message) })
  settle(turn)
  return accept
}

/** With q standings nothing else can have been certified: the guard keeps what they name and forgets the rest. */
function settle(turn: Turn): void {
  const { jobId, job, context, state } = turn
  const proofs = new Map<readonly Hex[], SetProof | undefined>()
  const facts = [...state.standings.values()].map((one) => {
    const checked = checkStanding(one, jobId, job, context.roster)
    if (checked.survivors !== undefined) proofs.set(checked.survivors, proofOfStanding(state.job, one))
    return checked
  })
  const found = resolve(turn.profile, facts)
  if (found === undefined) return
  if (isUnresolved(turn) && comparePlaces(found.from, state.progress) <= 0) {
    clearSuspicion(turn)
    audit(turn, 'attempt-resolved', { sets: found.sets.length })
  }
  for (const sites of found.sets) {
    const proof = proofs.get(sites)
    if (proof !== undefined) rememberSet(turn, sites, null, proof)
  }
}

/** The outcome is known: what was merely voted for need not be remembered. */
export function clearSuspicion(turn: Turn): void {
  update(turn, { resolved: true })
  turn.effects.push({ type: 'forget-tentative', job: turn.jobId })
}
