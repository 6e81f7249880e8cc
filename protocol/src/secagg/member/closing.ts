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
import type { WireOf } from '../../wire.js'
import { SPECIFICATION } from '../messages.js'
import { checkStanding, comparePlaces, resolve, takeStand } from '../standing.js'
import { rememberSet, suspectSet } from './memory.js'
import {
  accuse,
  attemptKey,
  attemptName,
  audit,
  electorate,
  eraseSecrets,
  maySign,
  send,
  setTimer,
  specificationOf,
  survivorKeys,
  type Turn,
  update,
} from './state.js'

/** Nobody can end it together any more. What this member stood behind may have been certified without its knowledge. */
export function expire(turn: Turn): void {
  eraseSecrets(turn)
  const { consensus, certificate, attempt } = turn.state
  const specification = specificationOf(turn)?.body
  const seen = [certificate?.value, consensus?.valid?.value].flatMap((value) =>
    value?.kind === 'survivors' && specification ? [survivorKeys(specification, value.survivors)] : [],
  )
  for (const sites of [...attempt.voted, ...seen]) suspectSet(turn, sites)
  update(turn, { progress: { ...turn.state.progress, ended: { status: 'expired', code: 'expired' } } })
  audit(turn, 'job-ended', { status: 'expired', code: 'expired' })
  ask(turn, fellows(turn))
}

/** Whether the attempt that the job ended in here may have an outcome that this member does not know. */
export function isUnresolved(turn: Turn): boolean {
  const { progress, records, resolved } = turn.state
  return progress.ended?.status === 'expired' && !resolved && !records.has(attemptKey(progress))
}

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
  if (progress.ended.status !== 'expired') return ignore('past')
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
  const facts = [...state.standings.values()].map((one) => checkStanding(one, jobId, job, context.roster))
  const found = resolve(turn.profile, facts)
  if (found === undefined) return
  if (isUnresolved(turn) && comparePlaces(found.from, state.progress) <= 0) {
    clearSuspicion(turn)
    audit(turn, 'attempt-resolved', { sets: found.sets.length })
  }
  for (const sites of found.sets) rememberSet(turn, sites, null)
}

/** The outcome is known: what was merely voted for need not be remembered. */
export function clearSuspicion(turn: Turn): void {
  update(turn, { resolved: true })
  turn.effects.push({ type: 'forget-tentative', job: turn.jobId })
}
