/**
 * What this member holds of a site, and how it gets what it lacks: after a certificate it asks the co-holders of the same
 * seeds and slices. Implements docs/spec/secure-aggregation.md, "Missing pieces". Everything is checked against the
 * submission that the certificate names; another one of the same site counts as none.
 */
import { type Hex, hexToBytes } from '../../crypto/hash.js'
import { open, seal } from '../../crypto/sealing.js'
import { encode } from '../../encoding/canonical.js'
import { openSigned, payloadHash, type Signed, signObject } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { withEntry } from '../../machine.js'
import type { WireOf } from '../../wire.js'
import { holdersOf, seedsOf, slicesOf } from '../committee.js'
import { FETCH, type Specification, SUBMISSION } from '../messages.js'
import { openPrekeys } from '../specification.js'
import { type Delivery, decodeSeeds, encodeSeeds, envelopeInfo, type Holdings, holdingsOf } from '../submission.js'
import {
  attemptName,
  audit,
  nameOf,
  roundSecret,
  type Stored,
  send,
  sendToMembers,
  specificationOf,
  survivorsOf,
  type Turn,
  update,
} from './state.js'

const NOTHING: Stored = { submit: null, supplies: {}, whole: false }
const supplyContext = (roundId: Hex, site: number): Uint8Array => encode(['supply', roundId, site])

const storedOf = (turn: Turn, site: number): Stored => turn.state.submissions.get(String(site)) ?? NOTHING

/** One site's delivery of the submission with this hash, and what co-holders supplied of it; undefined if there is none. */
export function deliveryOf(
  turn: Turn,
  specification: Specification,
  stored: Stored,
  submission: Hex,
): Delivery | undefined {
  const submit = stored.submit && payloadHash(stored.submit.submission) === submission ? stored.submit : undefined
  const supplies = Object.values(stored.supplies).filter((one) => payloadHash(one.submission) === submission)
  const signed = submit?.submission ?? supplies[0]?.submission
  if (signed === undefined) return undefined
  const secret = roundSecret(turn, specification)
  const { body } = openSigned(signed, SUBMISSION)
  const supplied = supplies.flatMap((one) => {
    if (secret === undefined) return []
    const plain = open(secret, envelopeInfo(body.roundId), supplyContext(body.roundId, one.site), one.seeds)
    return plain === undefined ? [] : decodeSeeds(plain)
  })
  const slices = [...(submit?.slices ?? []), ...supplies.flatMap((one) => one.slices)]
  return { body, envelope: submit?.envelope, slices, supplied }
}

export function holdings(turn: Turn, specification: Specification, stored: Stored, submission: Hex): Holdings {
  const delivery = deliveryOf(turn, specification, stored, submission)
  if (delivery === undefined) return { seeds: new Map(), slices: new Map(), whole: false }
  return holdingsOf(specification, delivery.body.roundId, turn.seat, roundSecret(turn, specification), delivery)
}

/** Whether this member holds all that its seat should of one survivor's certified submission. */
function isWhole(turn: Turn, specification: Specification, stored: Stored, submission: Hex): boolean {
  if (stored.whole && stored.submit && payloadHash(stored.submit.submission) === submission) return true
  return holdings(turn, specification, stored, submission).whole
}

/** After a certificate: asks co-holders for what certified sites failed to give this member. */
export function fetchMissing(turn: Turn): void {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  if (specification === undefined || survivors === undefined) return
  const { body, roundId } = specification
  for (const [at, site] of survivors.indices.entries()) {
    if (isWhole(turn, body, storedOf(turn, site), survivors.submissions[at] as Hex)) continue
    const fetch = signObject(FETCH.kind, FETCH.version, { roundId, seat: turn.seat, site }, turn.context.signer)
    audit(turn, 'fetch', { site: nameOf(turn, survivors.keys[at] as Hex) })
    sendToMembers(turn, `fetch/${site}`, { type: 'fetch', ...attemptName(turn), fetch })
  }
}

/** A co-holder asks: it gets the seeds that both of us hold, sealed to its one-time key, and slices it replicates. */
export function onFetch(turn: Turn, signed: Signed): Verdict {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  if (specification === undefined || survivors === undefined) return later('not-certified')
  const { body, signers } = openSigned(signed, FETCH)
  const asking = turn.seats[body.seat]
  if (signers.length !== 1 || !asking || signers[0] !== asking) return reject('signature', 'not signed by the seat')
  const at = survivors.indices.indexOf(body.site)
  if (body.roundId !== specification.roundId || at < 0) return reject('not-certified', 'not a certified site')
  const { roundId } = specification
  const { openBy, slices } = specification.body
  const stored = storedOf(turn, body.site)
  const submission = submissionOf(stored, survivors.submissions[at] as Hex)
  const delivery = deliveryOf(turn, specification.body, stored, survivors.submissions[at] as Hex)
  const prekey = openPrekeys(specification.body, turn.committee)[body.seat]
  if (
    submission === undefined ||
    delivery === undefined ||
    !prekey ||
    turn.state.attempt.halted ||
    turn.context.nowMs >= openBy
  )
    return ignore('nothing-to-supply')
  const mine = holdingsOf(specification.body, roundId, turn.seat, roundSecret(turn, specification.body), delivery)
  const shared = seedsOf(turn.profile, body.seat).filter((one) => holdersOf(turn.profile, one).includes(turn.seat))
  const message: WireOf<'supply'> = {
    type: 'supply',
    ...attemptName(turn),
    site: body.site,
    submission,
    seeds: seal(
      hexToBytes(prekey.key),
      envelopeInfo(roundId),
      supplyContext(roundId, body.site),
      encodeSeeds(mine.seeds, shared),
      turn.context.random(32),
    ),
    slices: slicesOf(turn.profile, body.seat, slices).flatMap((slice) => {
      const data = mine.slices.get(slice)
      return data === undefined ? [] : [{ slice, data }]
    }),
  }
  send(turn, `supply/${body.site}`, asking, message, openBy)
  return accept
}

function submissionOf(stored: Stored, hash: Hex): Signed | undefined {
  const all = [...(stored.submit ? [stored.submit] : []), ...Object.values(stored.supplies)]
  return all.find((one) => payloadHash(one.submission) === hash)?.submission
}

export function onSupply(turn: Turn, from: Hex, message: WireOf<'supply'>): Verdict {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  if (specification === undefined || survivors === undefined) return later('not-certified')
  const at = survivors.indices.indexOf(message.site)
  const submission = survivors.submissions[at]
  const { body, hash, signers } = openSigned(message.submission, SUBMISSION)
  if (hash !== submission || signers[0] !== body.site || body.site !== survivors.keys[at])
    return reject('not-certified', 'a supply of a submission that is not certified')
  const stored = storedOf(turn, message.site)
  if (isWhole(turn, specification.body, stored, submission)) return ignore('not-needed')
  const grown: Stored = { ...stored, supplies: { ...stored.supplies, [from]: message } }
  update(turn, { submissions: withEntry(turn.state.submissions, String(message.site), grown) })
  if (isWhole(turn, specification.body, grown, submission)) update(turn, { _sums: undefined })
  return accept
}
