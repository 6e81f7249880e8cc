/** The content of mask.json. See main.ts. */
import { bytesToHex as hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { commitResult, envelopeHash, seedCommitment, sliceHash } from '@flamesh/protocol/secagg/commitment.js'
import { profileOf, subsets } from '@flamesh/protocol/secagg/committee.js'
import {
  deriveSeeds,
  maskVector,
  maskWords,
  partialMac,
  partialMacKey,
  resultSalt,
} from '@flamesh/protocol/secagg/mask.js'
import { encodeVector, type RingBits } from '@flamesh/protocol/secagg/ring.js'
import { bytesOf } from '../read.js'

const roundId = hex(bytesOf('round', 32))
const otherRound = hex(bytesOf('another round', 32))
const sites = [hex(bytesOf('site a', 32)), hex(bytesOf('site b', 32))]
const master = bytesOf('master', 32)
const deriveSeed = (secret: Uint8Array, round: string, site: string, subset: readonly number[]): Uint8Array =>
  deriveSeeds(secret, round, site, [subset])[0]!
const seedCase = (round: string, site: string, subset: readonly number[]): unknown => ({
  master: hex(master),
  roundId: round,
  site,
  subset,
  info: hex(encode(['flamesh/seed/1', site, subset])),
  seed: hex(deriveSeed(master, round, site, subset)),
})
const seed = deriveSeed(master, roundId, sites[0]!, [0])
const wrapping = hexToBytes(`${hex(bytesOf('key', 16))}fffffffffffffffffffffffffffffffe`)
const carrying = hexToBytes(`${hex(bytesOf('key', 16))}00000000000000000000000effffffff`)
const streamCase = (s: Uint8Array, ring: RingBits, from: number, to: number): unknown => ({
  seed: hex(s),
  ring,
  from,
  to,
  words: hex(maskWords(s, ring, from, to)),
})
const maskCase = (ring: RingBits, members: number): unknown => {
  const seeds = deriveSeeds(master, roundId, sites[0]!, subsets(profileOf(members)!))
  const encoded = encodeVector([1, -2.5, 0.1], ring, 40, 1000)
  return { ring, encoded: hex(encoded), seeds: seeds.map(hex), masked: hex(maskVector(encoded, seeds, ring)) }
}
const seedsInOrder = sites.map((site) => deriveSeed(master, roundId, site, [1]))
const macKey = partialMacKey(seedsInOrder, roundId, 1)
const survivors = hex(bytesOf('survivors', 32))
const data = bytesOf('partial sum', 48)
const subject = { roundId, survivors, slice: 2, part: 1 }
const good = partialMac(macKey, subject, data)
const keys = [0, 1, 2, 3].map((part) => partialMacKey(seedsInOrder, roundId, part))
const salt = resultSalt(keys, roundId)
const released = encode({ n: 228 })
export const maskVectors = {
  description:
    'Derivations of a round. HKDF, HMAC and SHA-256 as in RFC 5869 and RFC 2104; info and frames are canonical CBOR, given as bytes in "info" and "frame".',
  seeds: [
    seedCase(roundId, sites[0]!, [0]),
    seedCase(roundId, sites[0]!, [1]),
    seedCase(roundId, sites[1]!, [0]),
    seedCase(otherRound, sites[0]!, [0]),
    seedCase(roundId, sites[0]!, [5, 6]),
  ],
  streams: [
    streamCase(seed, 64, 0, 5),
    streamCase(seed, 64, 3, 5),
    streamCase(seed, 128, 0, 3),
    streamCase(seed, 128, 1_000_000, 1_000_002),
    streamCase(wrapping, 128, 0, 4),
    streamCase(wrapping, 128, 2, 4),
    streamCase(wrapping, 64, 3, 7),
    streamCase(carrying, 128, 1, 2),
  ],
  masked: [maskCase(64, 4), maskCase(128, 4), maskCase(64, 7)],
  partialKeys: [
    {
      seeds: seedsInOrder.map(hex),
      roundId,
      subsetIndex: 1,
      info: hex(encode(['flamesh/partial-key/1', 1])),
      key: hex(macKey),
    },
  ],
  partialMacs: [
    {
      key: hex(macKey),
      ...subject,
      data: hex(data),
      frame: hex(encode(['flamesh/partial/1', roundId, survivors, 2, 1, data.length])),
      mac: good,
      outcome: 'accepted',
    },
    { key: hex(macKey), ...subject, slice: 1, part: 2, data: hex(data), mac: good, outcome: 'refused' },
    { key: hex(macKey), ...subject, roundId: otherRound, data: hex(data), mac: good, outcome: 'refused' },
    { key: hex(macKey), ...subject, data: hex(data.subarray(0, 47)), mac: good, outcome: 'refused' },
    { key: hex(keys[0]!), ...subject, data: hex(data), mac: good, outcome: 'refused' },
  ],
  salts: [{ keys: keys.map(hex), roundId, info: hex(encode(['flamesh/result-salt/1'])), salt: hex(salt) }],
  seedCommitments: [
    {
      seed: hex(seed),
      roundId,
      site: sites[0],
      subsetIndex: 0,
      frame: hex(encode(['flamesh/seed-commitment/1', roundId, sites[0], 0, 0])),
      commitment: seedCommitment(seed, roundId, sites[0]!, 0),
    },
  ],
  results: [
    {
      salt: hex(salt),
      roundId,
      released: hex(released),
      frame: hex(encode(['flamesh/result/1', roundId, released.length])),
      commitment: commitResult(salt, released, roundId),
    },
  ],
  slices: [
    {
      data: hex(data),
      roundId,
      site: sites[0],
      slice: 3,
      frame: hex(encode(['flamesh/slice/1', roundId, sites[0], 3, data.length])),
      hash: sliceHash(data, roundId, sites[0]!, 3),
    },
  ],
  envelopes: [
    {
      envelope: hex(data),
      roundId,
      site: sites[0],
      seat: 3,
      frame: hex(encode(['flamesh/envelope/1', roundId, sites[0], 3, data.length])),
      hash: envelopeHash(data, roundId, sites[0]!, 3),
    },
  ],
}
