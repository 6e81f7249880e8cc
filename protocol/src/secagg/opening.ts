/**
 * From a certified survivor set to its sum: partial sums of the masks, each computed by t + 1 holders and checked, and
 * the sum itself. Implements docs/spec/secure-aggregation.md, "Opening". With c ≥ 3t + 1 a member that lies is named.
 */
import { z } from 'zod'
import { type Hex, sha256Hex, utf8ToBytes } from '../crypto/hash.js'
import { open, seal } from '../crypto/sealing.js'
import { decode, encode } from '../encoding/canonical.js'
import { bytesSchema } from '../encoding/signed.js'
import { holdersOf, replicasOf, sliceRange, subsets } from './committee.js'
import { partialMac, partialMacKey, resultSalt, SEED_BYTES, sumMasks } from './mask.js'
import type { Partial, Specification } from './messages.js'
import { addInto, decodeVector, subtractInto } from './ring.js'
import { type Holdings, roundProfile, sliceOf } from './submission.js'

/** `part` of a partial that is the sum of masked vectors rather than of masks. */
export const MASKED = -1

/** One partial sum as its holder computed it. */
export interface PartialSum {
  readonly part: number
  readonly slice: number
  readonly data: Uint8Array
  /** null for sums of masked vectors: they are no secret, and a hash is enough */
  readonly macKey: Uint8Array | null
  /** MAC, or hash for a sum of masked vectors */
  readonly tag: Hex
}

const slotName = (part: number, slice: number): string => `${part}/${slice}`

function maskedTag(roundId: Hex, survivors: Hex, slice: number, data: Uint8Array): Hex {
  return sha256Hex(utf8ToBytes(`flamesh-sa-1 masked sum ${roundId} ${survivors} ${slice}\0`), data)
}

function tagOf(roundId: Hex, survivors: Hex, sum: Pick<PartialSum, 'part' | 'slice' | 'data' | 'macKey'>): Hex {
  if (sum.macKey === null) return maskedTag(roundId, survivors, sum.slice, sum.data)
  return partialMac(sum.macKey, { roundId, survivors, slice: sum.slice, part: sum.part }, sum.data)
}

/**
 * Every partial sum that a seat can compute: over the subsets whose seeds, and the slices whose data, it holds of all
 * survivors. `holdings` are the survivors' in cohort order.
 */
export function partialSums(
  specification: Specification,
  roundId: Hex,
  survivors: Hex,
  holdings: readonly Holdings[],
): readonly PartialSum[] {
  const sums: PartialSum[] = []
  const { ring, dimension, slices } = specification
  for (let subset = 0; subset < subsets(roundProfile(specification)).length; subset++) {
    if (!holdings.every((one) => one.seeds.has(subset))) continue
    const seeds = holdings.map((one) => one.seeds.get(subset) as Uint8Array)
    const macKey = partialMacKey(seeds, roundId, subset)
    const masks = sumMasks(seeds, ring, 0, dimension) // one key stream a seed, however many slices
    for (let slice = 0; slice < slices; slice++) {
      const data = sliceOf(specification, masks, slice)
      sums.push({
        part: subset,
        slice,
        data,
        macKey,
        tag: tagOf(roundId, survivors, { part: subset, slice, data, macKey }),
      })
    }
  }
  for (let slice = 0; slice < slices; slice++) {
    if (!holdings.every((one) => one.slices.has(slice))) continue
    const { from, to } = sliceRange(dimension, slices, slice)
    const data = new Uint8Array(((to - from) * ring) / 8)
    for (const one of holdings) addInto(data, one.slices.get(slice) as Uint8Array, ring)
    sums.push({ part: MASKED, slice, data, macKey: null, tag: maskedTag(roundId, survivors, slice, data) })
  }
  return sums
}

/** The sums of `mine` that the member in `seat` cannot compute itself. */
export function partialsFor(
  specification: Specification,
  seat: number,
  mine: readonly PartialSum[],
): readonly PartialSum[] {
  const profile = roundProfile(specification)
  return mine.filter(({ part, slice }) =>
    part === MASKED ? !replicasOf(profile, slice).includes(seat) : !holdersOf(profile, part).includes(seat),
  )
}

const sealedSchema = z.array(z.strictObject({ data: bytesSchema, macKey: bytesSchema.nullable() }))

const partialInfo = (roundId: Hex): Uint8Array => utf8ToBytes(`flamesh-sa-1 partials ${roundId}`)

/** The data behind these partials, in their order, for one member's eyes. */
export function sealPartials(
  recipientKey: Uint8Array,
  roundId: Hex,
  partials: readonly Partial[],
  sums: readonly PartialSum[],
  ephemeral: Uint8Array,
): Uint8Array {
  const plain = encode(sums.map(({ data, macKey }) => ({ data, macKey })))
  return seal(recipientKey, partialInfo(roundId), encode(partials), plain, ephemeral)
}

/** The sums in a sealed box, each if it is what its sender signed, undefined otherwise. */
export function openPartials(
  secret: Uint8Array,
  roundId: Hex,
  partials: readonly Partial[],
  sealed: Uint8Array,
): readonly (PartialSum | undefined)[] {
  const plain = open(secret, partialInfo(roundId), encode(partials), sealed)
  const contents = plain === undefined ? [] : readContents(plain)
  return partials.map((partial, at) => {
    const content = contents[at]
    if (content === undefined || (content.macKey === null) !== (partial.part === MASKED)) return undefined
    if (content.macKey !== null && content.macKey.length !== SEED_BYTES) return undefined
    const sum = { part: partial.part, slice: partial.slice, ...content, tag: partial.tag }
    return tagOf(roundId, partial.survivors, sum) === partial.tag ? sum : undefined
  })
}

function readContents(plain: Uint8Array): z.infer<typeof sealedSchema> {
  try {
    return sealedSchema.safeParse(decode(plain)).data ?? []
  } catch {
    return []
  }
}

export interface Added {
  /** Σ over the survivors, fixed point */
  readonly sum: readonly bigint[]
  readonly salt: Uint8Array
  /** accepted tags of the mask sums, subset-major, then slice */
  readonly macs: readonly Hex[]
}

export interface Assembly {
  readonly added: Added | undefined
  /** seats whose signed tag differs from one that t + 1 members signed */
  readonly liars: readonly number[]
}

/**
 * Adds up: own partial sums count at once, others' when t + 1 members signed the same tag, at least one of them with data
 * that fits. `added` is undefined while something is missing.
 */
export function assemble(
  specification: Specification,
  roundId: Hex,
  mine: readonly PartialSum[],
  received: ReadonlyMap<
    number,
    readonly {
      readonly tag: Hex
      readonly part: number
      readonly slice: number
      readonly sum: PartialSum | undefined
    }[]
  >,
): Assembly {
  const profile = roundProfile(specification)
  const accepted = new Map(mine.map((sum) => [slotName(sum.part, sum.slice), sum]))
  const liars = new Set<number>()
  const bySlot = new Map<string, { seat: number; tag: Hex; sum: PartialSum | undefined }[]>()
  for (const [seat, list] of received) {
    for (const one of list) {
      const allowed = one.part === MASKED ? replicasOf(profile, one.slice) : holdersOf(profile, one.part)
      if (!allowed.includes(seat)) continue
      const name = slotName(one.part, one.slice)
      const votes = bySlot.get(name) ?? []
      // one seat, one vote: a liar that repeats itself must not reach t + 1 alone
      if (!votes.some((vote) => vote.seat === seat)) bySlot.set(name, [...votes, { seat, tag: one.tag, sum: one.sum }])
    }
  }
  for (const [name, votes] of bySlot) {
    const winner = winningTag(votes, profile.colluding + 1)
    const own = accepted.get(name)
    const tag = own?.tag ?? winner
    if (tag === undefined) continue
    for (const vote of votes) if (vote.tag !== tag) liars.add(vote.seat)
    const data = votes.find((vote) => vote.tag === tag && vote.sum !== undefined)?.sum
    if (own === undefined && data !== undefined) accepted.set(name, data)
  }
  return { added: addUp(specification, roundId, accepted), liars: [...liars].sort() }
}

function winningTag(votes: readonly { tag: Hex }[], enough: number): Hex | undefined {
  const counts = new Map<Hex, number>()
  for (const { tag } of votes) counts.set(tag, (counts.get(tag) ?? 0) + 1)
  return [...counts].find(([, count]) => count >= enough)?.[0]
}

function addUp(
  specification: Specification,
  roundId: Hex,
  accepted: ReadonlyMap<string, PartialSum>,
): Added | undefined {
  const { ring, dimension, slices, fractionBits } = specification
  const vector = new Uint8Array((dimension * ring) / 8)
  const count = subsets(roundProfile(specification)).length
  const macs: Hex[] = []
  const macKeys: Uint8Array[] = []
  for (let slice = 0; slice < slices; slice++) {
    const masked = accepted.get(slotName(MASKED, slice))
    if (masked === undefined) return undefined
    const { from } = sliceRange(dimension, slices, slice)
    const words = masked.data.slice()
    for (let subset = 0; subset < count; subset++) {
      const mask = accepted.get(slotName(subset, slice))
      if (mask === undefined) return undefined
      subtractInto(words, mask.data, ring)
    }
    vector.set(words, (from * ring) / 8)
  }
  for (let subset = 0; subset < count; subset++) {
    for (let slice = 0; slice < slices; slice++) macs.push((accepted.get(slotName(subset, slice)) as PartialSum).tag)
    macKeys.push((accepted.get(slotName(subset, 0)) as PartialSum).macKey as Uint8Array)
  }
  return { sum: decodeVector(vector, ring, fractionBits), salt: resultSalt(macKeys, roundId), macs }
}
