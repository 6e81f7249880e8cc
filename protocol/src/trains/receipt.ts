/**
 * A train in a receipt: the chain of hops, who confirmed its end, and what that says of each station. Implements
 * docs/spec/trains.md, "Receipt". It cannot show what a station added, nor that it handed on the sum of what it was given and
 * its own.
 */
import type { Hex } from '../crypto/hash.js'
import { decodeSigned, openSigned } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { activeMember } from '../identity/roster.js'
import type { KnownLog, SignedJob } from '../jobs/decisions.js'
import { bytesOf, type ReceiptDocument } from '../jobs/receipt-document.js'
import type { Rounds } from '../jobs/receipt-rounds.js'
import { statusOf } from './arriving.js'
import { checkChain, isConfirmed, STATION_REVOKED } from './chain.js'
import { CONFIRMATION } from './messages.js'

/** What a chain says of one station, in the order of the route. */
export interface StationFinding {
  readonly name: string
  /** `added`, `not-reached` if the train ended before it, or why its rows are not on the train */
  readonly code: string
}

export interface Travelled extends Rounds {
  readonly stations: readonly StationFinding[]
  readonly confirmed: number
}

export const TRAIN_CANNOT_SHOW: readonly string[] = [
  'that what the stations put in was true, or that each handed on the sum of what it was given and its own',
  'that stations kept to themselves the states that they saw in the clear',
  'that a station which was left out as unreachable could not be reached',
  'that the hub showed everyone the same log, that its members are who it says, or that nobody was revoked in the meantime',
  'what the result reveals together with other results',
]

function fail(message: string): never {
  throw new FlameshError('chain', message)
}

/** Throws `chain`, or what opening a signed object throws. */
export function readTrain(
  { train, decisions }: ReceiptDocument,
  { id, job }: SignedJob,
  { roster }: KnownLog,
): Travelled {
  if (train === null || job.route === null) return fail('the receipt shows no train')
  const opened = (texts: readonly string[]) => texts.map((text) => decodeSigned(bytesOf(text)))
  const confirmations = opened(train.confirmations)
  const chain = checkChain({ hops: opened(train.hops), decisions: opened(decisions) }, id, job)
  const { arrival } = chain.last.body
  if (arrival === null) return fail('the train in the receipt did not arrive')
  if (!isConfirmed(chain, confirmations, id, job)) fail('fewer than most of the stations confirmed this end')
  const stayed = (key: Hex) =>
    [job.notBefore, job.notAfter].every((atMs) => activeMember(roster, key, atMs) !== undefined)
  if (chain.revoked.some(stayed)) fail('a station was left out as revoked, and the receipt does not show that it was')
  if (arrival.code === STATION_REVOKED && chain.links.every(({ body }) => stayed(body.station)))
    fail('a train ended as one of its stations was revoked, and the receipt does not show that one was')
  const codes = new Map<Hex, string>()
  for (const { body } of chain.links) {
    codes.set(body.station, body.failed ?? 'added')
    for (const { position, code } of body.skipped) codes.set(job.route.stations[position] as Hex, code)
  }
  return {
    attempts: [],
    rounds: 1,
    ending: { status: statusOf(arrival), code: arrival.code },
    survivors: arrival.outcome === 'failed' ? [] : chain.contributors,
    opened: arrival.commitment === null ? undefined : { roundId: id, commitment: arrival.commitment },
    consents: [],
    stations: job.route.stations.map((key) => ({
      name: roster.members.get(key)?.name ?? 'unknown',
      code: codes.get(key) ?? 'not-reached',
    })),
    confirmed: new Set(confirmations.map((one) => openSigned(one, CONFIRMATION).body.station)).size,
  }
}

export const describeTrain = ({ stations, confirmed }: Travelled): string => {
  const told = stations.map(({ name, code }) => (code === 'added' ? name : `${name} (${code})`))
  return `a train over ${told.join(', ')}; ${confirmed} of ${stations.length} stations confirmed its end`
}
