import assert from 'node:assert/strict'
import { createCipheriv, createHmac, hkdfSync } from 'node:crypto'
import { bytesToHex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import { profileOf, seedsOf, sliceRange, subsets } from '@flamesh/protocol/secagg/committee.js'
import {
  deriveSeeds,
  maskVector,
  maskWords,
  partialMac,
  partialMacKey,
  resultSalt,
  sumMasks,
} from '@flamesh/protocol/secagg/mask.js'
import {
  addInto,
  decodeVector,
  encodeVector,
  type RingBits,
  subtractInto,
  wordBytes,
} from '@flamesh/protocol/secagg/ring.js'
import fc from 'fast-check'
import { bytesOf, readVectors } from '../../vectors/read.js'

interface Vectors {
  readonly seeds: readonly {
    readonly master: string
    readonly roundId: string
    readonly site: string
    readonly subset: readonly number[]
    readonly info: string
    readonly seed: string
  }[]
  readonly streams: readonly {
    readonly seed: string
    readonly ring: RingBits
    readonly from: number
    readonly to: number
    readonly words: string
  }[]
  readonly masked: readonly {
    readonly ring: RingBits
    readonly encoded: string
    readonly seeds: readonly string[]
    readonly masked: string
  }[]
  readonly partialKeys: readonly {
    readonly seeds: readonly string[]
    readonly roundId: string
    readonly subsetIndex: number
    readonly info: string
    readonly key: string
  }[]
  readonly partialMacs: readonly {
    readonly key: string
    readonly roundId: string
    readonly survivors: string
    readonly slice: number
    readonly part: number
    readonly data: string
    readonly frame?: string
    readonly mac: string
    readonly outcome: string
  }[]
  readonly salts: readonly {
    readonly keys: readonly string[]
    readonly roundId: string
    readonly info: string
    readonly salt: string
  }[]
}
const vectors = readVectors<Vectors>('mask')

const hkdf = (secret: string, salt: string, info: string): string =>
  Buffer.from(
    hkdfSync('sha256', Buffer.from(secret, 'hex'), Buffer.from(salt, 'hex'), Buffer.from(info, 'hex'), 32),
  ).toString('hex')

/** Key stream of a seed from the start, by the cipher of Node.js alone. */
function streamOf(seed: Uint8Array, length: number): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', seed.subarray(0, 16), seed.subarray(16))
  return new Uint8Array(cipher.update(new Uint8Array(length)))
}

const roundId = bytesToHex(bytesOf('round', 32))
const site = bytesToHex(bytesOf('site', 32))
const rings = fc.constantFrom<RingBits>(64, 128)
const deriveSeed = (master: Uint8Array, round: string, from: string, subset: readonly number[]): Uint8Array =>
  deriveSeeds(master, round, from, [subset])[0] as Uint8Array
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('seeds and masks', () => {
  for (const [i, one] of vectors.seeds.entries()) {
    it(`derives the seed of vector ${i}`, () => {
      assert.equal(bytesToHex(deriveSeed(hexToBytes(one.master), one.roundId, one.site, one.subset)), one.seed)
      assert.equal(hkdf(one.master, one.roundId, one.info), one.seed)
    })
  }

  for (const [i, one] of vectors.streams.entries()) {
    it(`gives the words of vector ${i}`, () => {
      assert.equal(bytesToHex(maskWords(hexToBytes(one.seed), one.ring, one.from, one.to)), one.words)
    })
  }

  for (const [i, one] of vectors.masked.entries()) {
    it(`masks vector ${i}`, () => {
      assert.equal(bytesToHex(maskVector(hexToBytes(one.encoded), one.seeds.map(hexToBytes), one.ring)), one.masked)
    })
  }

  it('differ with the master, the round, the site and the subset', () => {
    const master = bytesOf('master', 32)
    const all = [
      deriveSeed(master, roundId, site, [0]),
      deriveSeed(bytesOf('other master', 32), roundId, site, [0]),
      deriveSeed(master, site, site, [0]),
      deriveSeed(master, roundId, roundId, [0]),
      deriveSeed(master, roundId, site, [1]),
      deriveSeed(master, roundId, site, [0, 1]),
      deriveSeed(master, roundId, site, []),
    ].map(bytesToHex)
    assert.equal(new Set(all).size, all.length)
  })

  it('can be read from anywhere: any range is that part of the whole stream', () => {
    fc.assert(
      fc.property(seeds, rings, fc.nat(300), fc.nat(300), (seed, ring, from, count) => {
        const whole = streamOf(seed, (from + count) * wordBytes(ring))
        assert.deepEqual(maskWords(seed, ring, from, from + count), whole.subarray(from * wordBytes(ring)))
      }),
    )
  })

  for (const near of [32n, 64n, 96n, 128n]) {
    it(`carry over 2^${near} of the counter, wherever the range starts`, () => {
      const iv = (2n ** near - 3n).toString(16).padStart(32, '0')
      const seed = new Uint8Array([...bytesOf('key', 16), ...hexToBytes(iv)])
      const whole = streamOf(seed, 160)
      for (let from = 0; from < 20; from++) {
        assert.deepEqual(maskWords(seed, 64, from, 20), whole.subarray(8 * from))
        if (from < 10) assert.deepEqual(maskWords(seed, 128, from, 10), whole.subarray(16 * from))
      }
    })
  }

  it('are added to a copy', () => {
    const encoded = encodeVector([1, 2], 128, 40, 10)
    const before = encoded.slice()
    assert.notDeepEqual(maskVector(encoded, [bytesOf('seed', 32)], 128), before)
    assert.deepEqual(encoded, before)
  })

  it('take no seed and no range that is malformed', () => {
    for (const run of [
      () => maskWords(bytesOf('seed', 31), 64, 0, 1),
      () => maskWords(bytesOf('seed', 32), 64, 2, 1),
      () => maskWords(bytesOf('seed', 32), 64, -1, 1),
      () => deriveSeed(bytesOf('master', 16), roundId, site, [0]),
    ]) {
      assert.throws(run, (error) => errorCode(error) === 'internal')
    }
  })
})

describe('the sum', () => {
  it('is exact for any sites, profile, slices, dropouts and silent members', () => {
    const arbitrary = fc.record({
      profile: fc.constantFrom(3, 4, 7).map((c) => profileOf(c)!),
      ring: rings,
      vectors: fc
        .integer({ min: 1, max: 12 })
        .chain((dimension) =>
          fc.array(
            fc.array(fc.double({ noNaN: true, min: -1000, max: 1000 }), { minLength: dimension, maxLength: dimension }),
            { minLength: 1, maxLength: 6 },
          ),
        ),
      dropped: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      slices: fc.integer({ min: 1, max: 8 }),
      silent: fc.array(fc.nat(6), { maxLength: 2 }),
    })
    fc.assert(
      fc.property(arbitrary, ({ profile, ring, vectors: values, dropped, slices, silent }) => {
        const dimension = values[0]!.length
        const word = wordBytes(ring)
        const submissions = values.map((value, i) => {
          const own = deriveSeeds(bytesOf(`master ${i}`, 32), roundId, site, subsets(profile))
          const encoded = encodeVector(value, ring, 40, 1000)
          return { encoded, seeds: own, masked: maskVector(encoded, own, ring) }
        })
        const survivors = submissions.filter((_, i) => !dropped[i])
        const speaking = [...Array(profile.members).keys()].filter(
          (seat) => !silent.slice(0, profile.colluding).includes(seat),
        )
        const opened = new Uint8Array(dimension * word)
        for (let slice = 0; slice < slices; slice++) {
          const { from, to } = sliceRange(dimension, slices, slice)
          const sum = new Uint8Array((to - from) * word)
          for (const { masked } of survivors) addInto(sum, masked.subarray(from * word, to * word), ring)
          subsets(profile).forEach((_, index) => {
            const holders = speaking.filter((seat) => seedsOf(profile, seat).includes(index))
            assert.ok(holders.length > 0)
            subtractInto(
              sum,
              sumMasks(
                survivors.map((one) => one.seeds[index]!),
                ring,
                from,
                to,
              ),
              ring,
            )
          })
          opened.set(sum, from * word)
        }
        const expected = Array.from({ length: dimension }, (_, j) =>
          survivors.reduce((total, { encoded }) => total + decodeVector(encoded, ring, 40)[j]!, 0n),
        )
        assert.deepEqual(decodeVector(opened, ring, 40), expected)
      }),
      { numRuns: 60 },
    )
  })
})

describe('authentication of partial sums', () => {
  for (const [i, one] of vectors.partialKeys.entries()) {
    it(`derives the key of vector ${i}`, () => {
      assert.equal(bytesToHex(partialMacKey(one.seeds.map(hexToBytes), one.roundId, one.subsetIndex)), one.key)
      assert.equal(hkdf(one.seeds.join(''), one.roundId, one.info), one.key)
    })
  }

  for (const [i, one] of vectors.partialMacs.entries()) {
    it(`${one.outcome}: MAC of vector ${i}`, () => {
      const mac = partialMac(hexToBytes(one.key), one, hexToBytes(one.data))
      assert.equal(mac === one.mac ? 'accepted' : 'refused', one.outcome)
      if (one.frame === undefined) return
      const reference = createHmac('sha256', Buffer.from(one.key, 'hex')).update(one.frame + one.data, 'hex')
      assert.equal(reference.digest('hex'), one.mac)
    })
  }

  for (const [i, one] of vectors.salts.entries()) {
    it(`derives the salt of vector ${i}`, () => {
      assert.equal(bytesToHex(resultSalt(one.keys.map(hexToBytes), one.roundId)), one.salt)
      assert.equal(hkdf(one.keys.join(''), one.roundId, one.info), one.salt)
    })
  }

  it('depends on every seed, their order, the round and the subset', () => {
    const [a, b] = [bytesOf('a', 32), bytesOf('b', 32)]
    const all = [
      partialMacKey([a, b], roundId, 0),
      partialMacKey([b, a], roundId, 0),
      partialMacKey([a], roundId, 0),
      partialMacKey([a, b], site, 0),
      partialMacKey([a, b], roundId, 1),
      resultSalt([a, b], roundId),
      resultSalt([b, a], roundId),
      resultSalt([a, b], site),
    ].map(bytesToHex)
    assert.equal(new Set(all).size, all.length)
  })

  it('differs with every part of the subject and every byte of the data', () => {
    const subject = { roundId, survivors: site, slice: 1, part: 2 }
    const key = bytesOf('key', 32)
    const data = bytesOf('data', 32)
    const all = [
      partialMac(key, subject, data),
      partialMac(bytesOf('other key', 32), subject, data),
      partialMac(key, { ...subject, roundId: site }, data),
      partialMac(key, { ...subject, survivors: roundId }, data),
      partialMac(key, { ...subject, slice: 2, part: 1 }, data),
      partialMac(key, { ...subject, slice: 12 }, data),
      partialMac(key, { ...subject, part: -1 }, data),
      partialMac(key, subject, data.subarray(1)),
      ...Array.from(data, (_, at) =>
        partialMac(
          key,
          subject,
          data.map((byte, i) => (i === at ? byte ^ 1 : byte)),
        ),
      ),
    ]
    assert.equal(new Set(all).size, all.length)
  })

  it('takes no keys that are missing or malformed', () => {
    for (const run of [
      () => partialMacKey([], roundId, 0),
      () => partialMacKey([bytesOf('a', 32), bytesOf('b', 31)], roundId, 0),
      () => partialMac(bytesOf('a', 33), { roundId, survivors: site, slice: 0, part: 0 }, new Uint8Array(8)),
      () => resultSalt([], roundId),
    ]) {
      assert.throws(run, (error) => errorCode(error) === 'internal')
    }
  })
})
