/**
 * Where the train goes from here: to the next station that can be reached, or, after the last one, through the release gate
 * to the recipients. Implements docs/spec/trains.md, "Handing on" and "Arrival". A station that was left out here may have
 * taken the train all the same: arriving.ts sees to it that only one of two ends counts.
 */
import { type Hex, hexToBytes } from '../crypto/hash.js'
import { isSealable, sealFor } from '../crypto/sealing.js'
import { encode } from '../encoding/canonical.js'
import { openSigned, payloadHash, signObject } from '../encoding/signed.js'
import type { Verdict } from '../encoding/verdict.js'
import { activeMember, type Member } from '../identity/roster.js'
import { analysisOf } from '../jobs/analysis-of.js'
import { withEntry } from '../machine.js'
import { commitResult } from '../secagg/commitment.js'
import { passGate } from '../secagg/gate.js'
import { releaseContext } from '../secagg/member/opening.js'
import { decodeVector } from '../secagg/ring.js'
import type { WireOf } from '../wire.js'
import { confirmOwn } from './arriving.js'
import { BELOW_MINIMUM, STATION_REVOKED } from './chain.js'
import { freshSalt, type Held, RING, sealToNext } from './holding.js'
import { type Arrival, HOP, type Hop, type Skip } from './messages.js'
import {
  approvalOf,
  audit,
  hasRefused,
  held,
  isActive,
  isClosed,
  isLast,
  letGo,
  ownChain,
  send,
  type Turn,
  tellStations,
  update,
} from './state.js'

/** Why a station is left out; undefined if it is not. */
function skipCode(turn: Turn, key: Hex): Skip['code'] | undefined {
  if (hasRefused(turn, key)) return 'refused'
  if (!isActive(turn, key)) return 'revoked'
  return turn.state.unreachable.get(key) ? 'unreachable' : undefined
}

interface Way {
  readonly next: Hex | undefined
  readonly skipped: readonly Skip[]
  /** where the train ends for want of stations: those after the next one too */
  readonly without: readonly Skip[]
  /** stations from the next one on that may still take the train */
  readonly ahead: number
}

function wayOn(turn: Turn): Way {
  const { route, position, state } = turn
  const starts = state.taken?.hops.length === 0
  const codes = route.stations.map((key, at) => (at === position ? undefined : skipCode(turn, key)))
  const next = route.stations.find((_, at) => at > position && codes[at] === undefined)
  const to = next === undefined ? route.stations.length : route.stations.indexOf(next)
  const without = codes.flatMap((code, at) =>
    code !== undefined && (at > position || starts) ? [{ position: at, code }] : [],
  )
  const skipped = without.filter((one) => one.position < to)
  return { next, skipped, without, ahead: codes.filter((code, at) => at > position && code === undefined).length }
}

function contributorsOf({ state, context }: Turn): readonly Hex[] {
  const before = (state.taken?.hops ?? []).map((signed) => openSigned(signed, HOP).body)
  const own = state.added?.failed === null ? [context.self] : []
  return [...before.flatMap((hop) => (hop.failed === null ? [hop.station] : [])), ...own]
}

/** Hands the train on, or ends it, as far as is known now who can be reached. Nothing is said twice differently. */
export function advance(turn: Turn): void {
  const { state, job, voice } = turn
  const now = held(turn)
  if (state.added === undefined || now === undefined || isClosed(turn) || isLast(state) || voice !== 'free') return
  const before = (state.taken?.hops ?? []).map((signed) => openSigned(signed, HOP).body.station)
  const way = wayOn(turn)
  const contributors = contributorsOf(turn)
  if (!before.every((key) => isActive(turn, key))) return finish(turn, way, failed(STATION_REVOKED), undefined)
  if (contributors.length + way.ahead < job.cohort.minimum) return finish(turn, way, failed(BELOW_MINIMUM), undefined)
  if (way.next === undefined) return arrive(turn, way, now, contributors)
  const to = activeMember(turn.context.roster, way.next, turn.context.nowMs)
  if (to !== undefined) handOn(turn, way, now, to)
}

const failed = (code: string): Arrival => ({ outcome: 'failed', code, commitment: null })

function signHop(turn: Turn, way: Way, arrival: Arrival | null): void {
  const { state, context, jobId, position } = turn
  const previous = state.taken?.hops.at(-1)
  const approval = approvalOf(turn, context.self)
  if (state.added === undefined || approval === undefined) return
  const body: Hop = {
    job: jobId,
    position,
    station: context.self,
    decision: payloadHash(approval),
    previous: previous === undefined ? null : payloadHash(previous),
    failed: state.added.failed,
    state: state.added.state,
    skipped: [...(arrival?.outcome === 'failed' ? way.without : way.skipped)],
    next: arrival === null ? (way.next ?? null) : null,
    arrival,
  }
  update(turn, { hop: signObject(HOP.kind, HOP.version, body, context.signer) })
}

function handOn(turn: Turn, way: Way, now: Held, to: Member): void {
  const { route, context, jobId } = turn
  const before = turn.state.hop && openSigned(turn.state.hop, HOP).body.next
  if (before !== to.key) {
    signHop(turn, way, null)
    audit(turn, 'train-handed-on', { to: to.name, skipped: way.skipped.length })
    update(turn, { _waiting: undefined })
  }
  const { hop, taken } = turn.state
  if (hop === undefined) return
  // nobody before has told that there is a train
  if (taken?.hops.length === 0) tellStations(turn, ownChain(turn))
  const { hops, decisions } = ownChain(turn)
  const box = sealToNext(now, jobId, payloadHash(hop), to, context.random)
  const waiting = turn.state._waiting ?? { sinceMs: context.nowMs, taken: false, passed: false }
  update(turn, { _waiting: waiting })
  const untilMs = route.unreachable === 'skip' ? waiting.sinceMs + route.hopWithinMs : turn.job.notAfter
  send(turn, 'train', to.key, { type: 'train', job: jobId, hops: [...hops], decisions: [...decisions], box }, untilMs)
  awaitNext(turn)
}

/** A station that has taken the train may itself have to wait for each of those that follow it. */
function awaitNext(turn: Turn): void {
  const { route, position, state } = turn
  if (route.unreachable === 'wait' || state._waiting === undefined) return
  const { sinceMs, taken } = state._waiting
  const patience = taken ? route.stations.length - position : 1
  turn.effects.push({ type: 'timer', name: 'next', atMs: sinceMs + patience * route.hopWithinMs })
}

/** The next station has not taken the train in time, or has not got rid of it. */
export function onNextTimer(turn: Turn): void {
  const { state, route, position, context } = turn
  const next = state.hop && openSigned(state.hop, HOP).body.next
  if (state._waiting === undefined || state.held === undefined || !next || route.unreachable === 'wait') return
  const patience = state._waiting.taken ? route.stations.length - position : 1
  if (context.nowMs < state._waiting.sinceMs + patience * route.hopWithinMs) return
  // it goes on by another way, which this station has heard of; a mere word would stop it for ever
  if (state._waiting.passed && state.heard.has(next)) return update(turn, { _waiting: undefined })
  update(turn, { unreachable: withEntry(state.unreachable, next, true) })
  advance(turn)
}

/** The verdict of a station that was handed the train. */
export function onAnswered(turn: Turn, to: Hex, verdict: Verdict): void {
  const next = turn.state.hop && openSigned(turn.state.hop, HOP).body.next
  if (next !== to || turn.state._waiting === undefined) return
  if (verdict.verdict !== 'accept') {
    audit(turn, 'train-refused', { to, code: verdict.verdict === 'ignore' ? verdict.code : verdict.verdict })
    if (verdict.verdict === 'ignore' && verdict.code === 'station-passed')
      update(turn, { _waiting: { ...turn.state._waiting, passed: true } })
    return
  }
  if (turn.state._waiting.taken) return
  update(turn, { _waiting: { sinceMs: turn.context.nowMs, taken: true, passed: false } })
  awaitNext(turn)
}

/** Through the gate that every sum passes, over the stations whose rows are on the train. */
function arrive(turn: Turn, way: Way, now: Held, contributors: readonly Hex[]): void {
  const { job, jobId, context } = turn
  const plan = analysisOf(job)?.plan(job.parameters, undefined)
  if (plan === undefined) return
  const release = passGate({
    job,
    round: 1,
    minCohort: job.cohort.minimum,
    sum: decodeVector(now.state, RING, plan.fractionBits),
    fractionBits: plan.fractionBits,
    survivors: contributors,
    state: undefined,
    history: [],
    consents: new Set(),
  })
  if (release.kind !== 'result') {
    const code = release.kind === 'suppressed' ? release.code : 'no-result'
    return finish(turn, way, { outcome: 'suppressed', code, commitment: null }, undefined)
  }
  const salt = freshSalt(context.random)
  const commitment = commitResult(salt, release.bytes, jobId)
  const box = sealRelease(turn, encode({ released: release.bytes, salt }))
  finish(turn, way, { outcome: 'result', code: 'released', commitment }, box)
}

/** A recipient that is revoked by now gets nothing. */
function sealRelease(turn: Turn, plain: Uint8Array): WireOf<'delivery'>['box'] {
  const { context, job, jobId } = turn
  const recipients = job.recipients.flatMap((key) => {
    const member = activeMember(context.roster, key, context.nowMs)
    return member !== undefined && isSealable(hexToBytes(member.sealingKey)) ? [member] : []
  })
  return recipients.length === 0 ? null : sealFor(recipients, releaseContext(jobId), plain, context.random)
}

/** The train ends here: what this station held nobody needs any more, and the others are asked to confirm this end. */
function finish(turn: Turn, way: Way, arrival: Arrival, box: WireOf<'delivery'>['box'] | undefined): void {
  signHop(turn, way, arrival)
  update(turn, { box: box ?? null })
  letGo(turn)
  audit(turn, 'train-ended-here', { outcome: arrival.outcome, code: arrival.code })
  tellStations(turn, ownChain(turn))
  confirmOwn(turn)
}
