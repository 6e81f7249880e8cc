/**
 * Where this member and others stand in a job, and what is said to whoever is behind. Implements docs/spec/secure-aggregation.md,
 * "Attempts and rounds".
 */
import type { Hex } from '../../crypto/hash.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { outcomeOf } from '../record.js'
import { comparePlaces, type Place } from '../standing.js'
import { isUnresolved, tellStandings } from './closing.js'
import { roundAgain } from './collecting.js'
import { tellAgreement } from './deciding.js'
import { releaseAgain } from './ending.js'
import { attemptName, send, type Turn } from './state.js'

/** Where a message stands against the attempt under way. */
export function placeOf(turn: Turn, { round, attempt }: Place): 'past' | 'now' | 'ahead' {
  const { progress } = turn.state
  if (progress.ended !== null) return 'past'
  if (round === progress.round && attempt === progress.attempt) return 'now'
  return round < progress.round || (round === progress.round && attempt < progress.attempt) ? 'past' : 'ahead'
}

/** A member that is behind gets the records of what it missed instead of an answer. */
export function answerPast(turn: Turn, from: Hex, since: Place): Verdict {
  if (!turn.seats.includes(from)) return ignore('past')
  sendRecords(turn, from, since)
  return ignore('past')
}

/** Once the job has ended records are everybody's, and so is where its members stand if there is no outcome. */
export function onBehind(turn: Turn, from: Hex, since: Place): Verdict {
  if (turn.state.progress.ended === null) {
    const place = placeOf(turn, since)
    if (place === 'now' && turn.seats.includes(from)) tellAgreement(turn, from)
    if (place === 'now') roundAgain(turn, from)
    return place === 'past' ? answerPast(turn, from, since) : ignore('not-past')
  }
  sendRecords(turn, from, since)
  tellStandings(turn, from)
  releaseAgain(turn, from)
  return accept
}

/** A member goes from one to the next. All sets of a job are one, so for a site the last of a set and the last of all do. */
function sendRecords(turn: Turn, to: Hex, since: Place): void {
  const records = [...turn.state.records]
  const ofSet = records.findLast(([, { certificate }]) => certificate.value.kind === 'survivors')
  const last = records.at(-1)
  const wanted = turn.seats.includes(to)
    ? records.filter(([, one]) => comparePlaces(one, since) >= 0)
    : records.filter((one) => one === ofSet || one === last)
  for (const [name, record] of wanted) send(turn, `outcome/${name}`, to, outcomeOf(record))
}

/** Others are further: this member asks for what led there, and takes the message when it has caught up. */
export function askAhead(turn: Turn, from: Hex): Verdict {
  if (turn.seats.includes(from)) send(turn, 'behind', from, { type: 'behind', ...attemptName(turn) })
  return later('ahead')
}

/** A fellow knows how the job ended: if this member does not, it asks for what led there. */
export function onEnded(turn: Turn, from: Hex, at: Place): Verdict {
  if (!turn.seats.includes(from)) return reject('not-a-member', 'no seat in this job')
  if (placeOf(turn, at) === 'past' && !isUnresolved(turn)) return ignore('known')
  send(turn, 'behind', from, { type: 'behind', ...attemptName(turn) })
  return accept
}
