/**
 * One site's message of a round: the masked vector by slices, and the seeds of its masks sealed to each member. Implements
 * docs/spec/secure-aggregation.md, "Submissions". Masking hides the vector from any t members; it does not make it honest.
 */
import { z } from 'zod'
import { type Hex, hexToBytes, utf8ToBytes } from '../crypto/hash.js'
import { open, seal } from '../crypto/sealing.js'
import { decode, encode } from '../encoding/canonical.js'
import { bytesSchema } from '../encoding/signed.js'
import { envelopeHash, seedCommitment, sliceHash } from './commitment.js'
import { holdersOf, type Profile, profileOf, seedsOf, sliceRange, slicesOf, subsets } from './committee.js'
import { deriveSeeds, maskVector } from './mask.js'
import type { Prekey, Specification, Submission } from './messages.js'
import { encodeVector, wordBytes } from './ring.js'

export interface SliceData {
  readonly slice: number
  readonly data: Uint8Array
}

/** What one member receives from one site besides the signed submission. */
export interface Parcel {
  readonly seat: number
  readonly envelope: Uint8Array
  readonly slices: readonly SliceData[]
}

export interface PreparedSubmission {
  readonly body: Submission
  readonly parcels: readonly Parcel[]
}

/** What masking has to know of a round; the rest of its specification names every site. */
export interface RoundShape
  extends Pick<Specification, 'dimension' | 'counts' | 'ring' | 'fractionBits' | 'boundBits' | 'slices'> {
  readonly seats: number
}

export function roundShape(specification: Specification): RoundShape {
  const { dimension, counts, ring, fractionBits, boundBits, slices, committee } = specification
  return { dimension, counts, ring, fractionBits, boundBits, slices, seats: committee.seats.length }
}

export interface PrepareInput {
  readonly shape: RoundShape
  readonly roundId: Hex
  /** the one-time keys by seat, null where absent */
  readonly prekeys: readonly (Prekey | null)[]
  readonly site: Hex
  readonly enrolment: number
  readonly values: Float64Array
  /** 32 fresh random bytes for the seeds, then 32 for each seat's encapsulation; never used again */
  readonly randomness: Uint8Array
}

const envelopeSchema = z.array(z.strictObject({ subset: z.int().min(0).max(20), seed: bytesSchema })).max(21)

export function envelopeInfo(roundId: Hex): Uint8Array {
  return utf8ToBytes(`flamesh-sa-1 envelope ${roundId}`)
}

/** Binds an envelope to everything the site signs but the envelopes' own hashes, and to its seat. */
function envelopeContext(body: Submission, seat: number): Uint8Array {
  const { envelopes: _, ...rest } = body
  return encode({ ...rest, seat })
}

export function roundProfile(specification: Specification): Profile {
  return profileOf(specification.committee.seats.length) as Profile
}

export function sliceOf(shape: Pick<RoundShape, 'dimension' | 'ring' | 'slices'>, vector: Uint8Array, slice: number) {
  const { from, to } = sliceRange(shape.dimension, shape.slices, slice)
  return vector.slice(from * wordBytes(shape.ring), to * wordBytes(shape.ring))
}

/**
 * Encodes, masks and seals one vector. Throws `not-finite` or `out-of-bound` if the values break the specification.
 */
export function prepareSubmission(input: PrepareInput): PreparedSubmission {
  const { shape, roundId, site, randomness } = input
  const profile = profileOf(shape.seats) as Profile
  const encoded = encodeVector(input.values, shape.ring, shape.fractionBits, 2 ** shape.boundBits, shape.counts)
  const master = randomness.subarray(0, 32)
  const seeds = deriveSeeds(master, roundId, site, subsets(profile))
  const masked = maskVector(encoded, seeds, shape.ring)
  const slices = Array.from({ length: shape.slices }, (_, slice) => sliceOf(shape, masked, slice))
  const unsealed: Submission = {
    roundId,
    site,
    enrolment: input.enrolment,
    seeds: seeds.map((seed, subset) => seedCommitment(seed, roundId, site, subset)),
    slices: slices.map((data, slice) => sliceHash(data, roundId, site, slice)),
    envelopes: [],
  }
  const parcels: Parcel[] = []
  for (const [seat, prekey] of input.prekeys.entries()) {
    if (prekey === null) continue
    const plain = encode(seedsOf(profile, seat).map((subset) => ({ subset, seed: seeds[subset] as Uint8Array })))
    const at = 32 * (seat + 1)
    const ephemeral = randomness.subarray(at, at + 32)
    const envelope = seal(
      hexToBytes(prekey.key),
      envelopeInfo(roundId),
      envelopeContext(unsealed, seat),
      plain,
      ephemeral,
    )
    const mine = slicesOf(profile, seat, shape.slices).map((slice) => ({
      slice,
      data: slices[slice] as Uint8Array,
    }))
    parcels.push({ seat, envelope, slices: mine })
  }
  const hashes = input.prekeys.map((prekey, seat) => {
    const parcel = parcels.find((one) => one.seat === seat)
    return prekey === null || parcel === undefined ? null : envelopeHash(parcel.envelope, roundId, site, seat)
  })
  return { body: { ...unsealed, envelopes: hashes }, parcels }
}

/** What a member could verify of one site's submission. */
export interface Holdings {
  /** by subset index */
  readonly seeds: ReadonlyMap<number, Uint8Array>
  /** by slice */
  readonly slices: ReadonlyMap<number, Uint8Array>
  /** true when every seed and slice of this seat is there and fits its commitment */
  readonly whole: boolean
}

export interface Delivery {
  readonly body: Submission
  readonly envelope: Uint8Array | undefined
  readonly slices: readonly SliceData[]
  /** from co-holders: seeds already unsealed, and slices */
  readonly supplied: readonly { readonly subset: number; readonly seed: Uint8Array }[]
}

/** Opens a delivery with the seat's one-time secret and keeps what fits the commitments; the rest counts as not delivered. */
export function holdingsOf(
  specification: Specification,
  roundId: Hex,
  seat: number,
  secret: Uint8Array | undefined,
  delivery: Delivery,
): Holdings {
  const profile = roundProfile(specification)
  const { body } = delivery
  const seeds = new Map<number, Uint8Array>()
  const slices = new Map<number, Uint8Array>()
  const offered = [...delivery.supplied, ...openEnvelope(roundId, seat, secret, delivery)]
  for (const { subset, seed } of offered) {
    if (!holdersOf(profile, subset).includes(seat)) continue
    if (seedCommitment(seed, roundId, body.site, subset) === body.seeds[subset]) seeds.set(subset, seed)
  }
  for (const { slice, data } of delivery.slices) {
    if (sliceHash(data, roundId, body.site, slice) !== body.slices[slice]) continue
    const { from, to } = sliceRange(specification.dimension, specification.slices, slice)
    if (data.length === (to - from) * wordBytes(specification.ring)) slices.set(slice, data)
  }
  const whole =
    seedsOf(profile, seat).every((subset) => seeds.has(subset)) &&
    slicesOf(profile, seat, specification.slices).every((slice) => slices.has(slice))
  return { seeds, slices, whole }
}

function openEnvelope(
  roundId: Hex,
  seat: number,
  secret: Uint8Array | undefined,
  delivery: Delivery,
): readonly { subset: number; seed: Uint8Array }[] {
  const { body, envelope } = delivery
  if (
    secret === undefined ||
    envelope === undefined ||
    envelopeHash(envelope, roundId, body.site, seat) !== body.envelopes[seat]
  )
    return []
  const plain = open(secret, envelopeInfo(roundId), envelopeContext({ ...body, envelopes: [] }, seat), envelope)
  return plain === undefined ? [] : decodeSeeds(plain)
}

/** Seeds as they stand in an envelope or a supply; anything malformed counts as none. */
export function decodeSeeds(plain: Uint8Array): readonly { subset: number; seed: Uint8Array }[] {
  try {
    const parsed = envelopeSchema.safeParse(decode(plain))
    return parsed.success ? parsed.data.filter((one) => one.seed.length === 32) : []
  } catch {
    return []
  }
}

export function encodeSeeds(seeds: ReadonlyMap<number, Uint8Array>, wanted: readonly number[]): Uint8Array {
  return encode(
    wanted.flatMap((subset) => (seeds.has(subset) ? [{ subset, seed: seeds.get(subset) as Uint8Array }] : [])),
  )
}
