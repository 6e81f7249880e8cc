/**
 * The end of a train: most stations confirm it, each one end and no other, and only then it leaves for the recipients.
 * Implements docs/spec/trains.md, "Arrival". Where a slow station and one that went on without it both came to an end, at most
 * one of the two is confirmed by most; it may happen that neither is, and then the job expires.
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, type Signed, signObject } from '../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { withEntry } from '../machine.js'
import type { WireOf } from '../wire.js'
import { type Chain, checkChain, isConfirmed, standing } from './chain.js'
import { type Arrival, CONFIRMATION, HOP } from './messages.js'
import { majorityOf } from './route.js'
import {
  audit,
  isActive,
  isLast,
  isOver,
  lastMs,
  letGo,
  noteHops,
  ownChain,
  send,
  setStatus,
  type Turn,
  update,
} from './state.js'

/** Where the train is: whoever handed it to one that has handed it on can forget what it held. */
export function onTravelling(turn: Turn, from: Hex, message: WireOf<'travelling'>): Verdict {
  const { context, jobId, job, route } = turn
  if (!route.stations.includes(from)) return reject('not-the-station', 'no station of this route')
  const chain = checkChain(message, jobId, job)
  if (!noteHops(turn, chain, from)) return ignore('two-hops')
  const { last } = chain
  const passed = chain.links.slice(0, -1).some(({ body }) => body.station === context.self)
  if (passed && turn.state.held !== undefined && from === last.body.next) letGo(turn)
  if (last.body.arrival === null) return accept
  return confirm(turn, chain)
}

/** A station's word for one end. Who asks again lacks the answer. */
function confirm(turn: Turn, chain: Chain): Verdict {
  const { context, voice, state, jobId: id, job } = turn
  const { last } = chain
  if (state.confirmed !== undefined) {
    if (openSigned(state.confirmed.signed, CONFIRMATION).body.last !== last.hash) return ignore('confirmed-another')
    tellConfirmed(turn)
    return accept
  }
  if (isOver(state) || context.nowMs >= turn.job.notAfter) return ignore('closed')
  if (voice === 'waiting') return later('not-greeted')
  if (voice === 'restored') return ignore('restored-from-backup')
  const against = standing(chain, { id, job }, context, context.nowMs)
  if (against !== undefined) return against
  signConfirmation(turn, last.hash, last.body.station)
  tellConfirmed(turn)
  letGo(turn)
  return accept
}

function signConfirmation(turn: Turn, last: Hex, to: Hex): Signed {
  const { context, jobId } = turn
  const body = { job: jobId, station: context.self, last }
  const signed = signObject(CONFIRMATION.kind, CONFIRMATION.version, body, context.signer)
  update(turn, { confirmed: { signed, to } })
  return signed
}

export function tellConfirmed(turn: Turn): void {
  const { confirmed } = turn.state
  if (confirmed === undefined || confirmed.to === turn.context.self) return
  const message = { type: 'confirmation' as const, job: turn.jobId, confirmation: confirmed.signed }
  send(turn, 'confirmation', confirmed.to, message)
}

/** Of the station where the train ended. */
export function confirmOwn(turn: Turn): void {
  const { hop } = turn.state
  if (hop === undefined) return
  const signed = signConfirmation(turn, openSigned(hop, HOP).hash, turn.context.self)
  update(turn, { confirmations: withEntry(turn.state.confirmations, turn.context.self, signed) })
}

export function onConfirmation(turn: Turn, message: WireOf<'confirmation'>): Verdict {
  const { state, jobId, route } = turn
  const { body, signers } = openSigned(message.confirmation, CONFIRMATION)
  if (
    signers.length !== 1 ||
    signers[0] !== body.station ||
    body.job !== jobId ||
    !route.stations.includes(body.station)
  )
    return reject('not-the-station', 'no confirmation by a station of this route')
  const { hop } = state
  if (hop === undefined || !isLast(state) || body.last !== openSigned(hop, HOP).hash) return ignore('confirmed-another')
  if (!isActive(turn, body.station)) return ignore('station-revoked')
  if (isOver(state)) return ignore('closed')
  update(turn, { confirmations: withEntry(state.confirmations, body.station, message.confirmation) })
  if (turn.state.confirmations.size < majorityOf(route)) return accept
  end(turn, openSigned(hop, HOP).body.arrival)
  deliver(turn)
  return accept
}

/** The last station hands the end of the train to whoever wants to know: with the result, to the recipients. */
export function deliver(turn: Turn, whom: readonly Hex[] = audience(turn), again = false): void {
  const { state, jobId, job, route, context } = turn
  if (!isLast(state) || state.confirmations.size < majorityOf(route)) return
  const { hops, decisions } = ownChain(turn)
  const confirmations = [...state.confirmations.values()]
  const common = { type: 'delivery' as const, job: jobId, hops: [...hops], decisions: [...decisions], confirmations }
  for (const key of whom.filter((one) => audience(turn).includes(one))) {
    if (key === context.self || (state.delivered.get(key) && !again)) continue
    const box = job.recipients.includes(key) ? (state.box ?? null) : null
    send(turn, 'delivery', key, { ...common, box }, Math.max(lastMs(turn), context.nowMs + MET_MS))
  }
}

/** A try after the job's time, for whoever came into reach (milliseconds). */
const MET_MS = 60_000

const audience = ({ job, route }: Turn): readonly Hex[] => [
  ...new Set([job.researcher, ...job.recipients, ...route.stations]),
]

export function onDelivered(turn: Turn, to: Hex): void {
  update(turn, { delivered: withEntry(turn.state.delivered, to, true) })
}

/** The end of a train at a station that is not the last. */
export function onDelivery(turn: Turn, message: WireOf<'delivery'>): Verdict {
  const { jobId, job, state } = turn
  const chain = checkChain(message, jobId, job)
  if (!isConfirmed(chain, message.confirmations, jobId, job))
    return reject('chain', 'an end that most stations did not confirm')
  if (isOver(state) && state.status?.status !== 'expired') return ignore('closed')
  end(turn, chain.last.body.arrival)
  return accept
}

function end(turn: Turn, arrival: Arrival | null): void {
  if (arrival === null) return
  const status = statusOf(arrival)
  setStatus(turn, status, arrival.code, 'the train has arrived')
  audit(turn, 'job-ended', { status, code: arrival.code })
  letGo(turn)
}

export function statusOf({ outcome }: Arrival): 'released' | 'suppressed' | 'failed' {
  switch (outcome) {
    case 'result':
      return 'released'
    case 'suppressed':
      return 'suppressed'
    case 'failed':
      return 'failed'
  }
}
