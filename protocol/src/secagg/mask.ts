/**
 * Seeds, masks and what is derived from them: y = encode(x) + Σ_A AES-128-CTR(key_A, iv_A). Implements
 * docs/spec/secure-aggregation.md, "Masking". Every derivation is salted with the round, so a seed is good
 * for one round; that a master secret is fresh for every attempt is the caller's duty.
 */
import {
  bytesToHex,
  concatBytes,
  type Hex,
  hexToBytes,
  hkdfExpand,
  hkdfExtract,
  hkdfSha256,
  hmacSha256Hex,
} from '../crypto/hash.js'
import { aes128CtrStream } from '../crypto/native/index.js'
import { encode, withEncoding } from '../encoding/canonical.js'
import { assert } from '../errors.js'
import { addInto, type RingBits, wordBytes } from './ring.js'

/** A seed is an AES-128 key followed by the initial counter block. */
export const SEED_BYTES = 32
const BLOCK_BYTES = 16

/** For each of these t-subsets of seats a seed of one site: 32 bytes of HKDF-SHA256 (RFC 5869) over a fresh 32-byte master. */
export function deriveSeeds(
  master: Uint8Array,
  roundId: Hex,
  site: Hex,
  subsets: readonly (readonly number[])[],
): Uint8Array[] {
  assert(master.length === SEED_BYTES, 'a master secret has 32 bytes')
  const key = hkdfExtract(master, hexToBytes(roundId))
  return subsets.map((subset) => hkdfExpand(key, encode(['flamesh/seed/1', site, subset]), SEED_BYTES))
}

/** The counter block `blocks` after `iv`: a big-endian 128-bit number that wraps (NIST SP 800-38A, appendix B.1). */
function advance(iv: Uint8Array, blocks: number): Uint8Array {
  if (blocks === 0) return iv
  const counter = BigInt.asUintN(128, BigInt(`0x${bytesToHex(iv)}`) + BigInt(blocks))
  return hexToBytes(counter.toString(16).padStart(2 * BLOCK_BYTES, '0'))
}

/** Words [from, to) of a seed's mask, without computing those before. */
export function maskWords(seed: Uint8Array, ring: RingBits, from: number, to: number): Uint8Array {
  assert(seed.length === SEED_BYTES, 'a seed has 32 bytes')
  assert(0 <= from && from <= to, 'not a range of words')
  const start = from * wordBytes(ring)
  const skip = start % BLOCK_BYTES
  const iv = advance(seed.subarray(BLOCK_BYTES), (start - skip) / BLOCK_BYTES)
  return aes128CtrStream(seed.subarray(0, BLOCK_BYTES), iv, skip + (to - from) * wordBytes(ring)).subarray(skip)
}

/** y = x + Σ masks: a new vector; `encoded` stays as it is. One seed for every t-subset. */
export function maskVector(encoded: Uint8Array, seeds: readonly Uint8Array[], ring: RingBits): Uint8Array {
  const masked = encoded.slice()
  for (const seed of seeds) addInto(masked, maskWords(seed, ring, 0, encoded.length / wordBytes(ring)), ring)
  return masked
}

/** Σ over the given seeds of their mask words [from, to): one holder's partial sum for one slice. */
export function sumMasks(seeds: readonly Uint8Array[], ring: RingBits, from: number, to: number): Uint8Array {
  const sum = new Uint8Array((to - from) * wordBytes(ring))
  for (const seed of seeds) addInto(sum, maskWords(seed, ring, from, to), ring)
  return sum
}

/**
 * The key that authenticates partial sums of subset `subsetIndex`: HKDF over the seeds of that subset of every site in the
 * survivor set, in cohort order. Whoever holds these seeds can compute it, nobody else.
 */
export function partialMacKey(seedsInOrder: readonly Uint8Array[], roundId: Hex, subsetIndex: number): Uint8Array {
  assert(seedsInOrder.length > 0 && seedsInOrder.every((seed) => seed.length === SEED_BYTES), 'a seed has 32 bytes')
  const info = encode(['flamesh/partial-key/1', subsetIndex])
  return hkdfSha256(concatBytes(...seedsInOrder), hexToBytes(roundId), info, SEED_BYTES)
}

export interface PartialSubject {
  readonly roundId: Hex
  /** hash of the survivor set */
  readonly survivors: Hex
  readonly slice: number
  /** index of the subset whose masks were added */
  readonly part: number
}

/** HMAC-SHA256 over the subject, a self-delimiting CBOR item that states the length, followed by the data. */
export function partialMac(macKey: Uint8Array, subject: PartialSubject, data: Uint8Array): Hex {
  const { roundId, survivors, slice, part } = subject
  assert(macKey.length === SEED_BYTES, 'a MAC key has 32 bytes')
  return withEncoding(['flamesh/partial/1', roundId, survivors, slice, part, data.length], (head) =>
    hmacSha256Hex(macKey, head, data),
  )
}

/**
 * The salt of what a round releases: HKDF over the partial keys of all subsets, in subset order. Any t members miss one of
 * the keys, so to them a salted commitment says nothing.
 */
export function resultSalt(macKeys: readonly Uint8Array[], roundId: Hex): Uint8Array {
  assert(macKeys.length > 0 && macKeys.every((key) => key.length === SEED_BYTES), 'a MAC key has 32 bytes')
  return hkdfSha256(concatBytes(...macKeys), hexToBytes(roundId), encode(['flamesh/result-salt/1']), SEED_BYTES)
}
