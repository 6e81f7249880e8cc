import assert from 'node:assert/strict'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { profileOf, seedsOf, subsets } from '@flamesh/protocol/secagg/committee.js'
import { deriveSeeds, maskVector, maskWords } from '@flamesh/protocol/secagg/mask.js'
import { addInto, encodeVector, type RingBits, subtractInto } from '@flamesh/protocol/secagg/ring.js'
import fc from 'fast-check'
import { bytesOf } from '../../vectors/read.js'

const roundId = bytesToHex(bytesOf('round', 32))
const site = bytesToHex(bytesOf('site', 32))
const rings = fc.constantFrom<RingBits>(64, 128)

/**
 * What t colluding members hold of one site is every seed but one, and y. Privacy then rests on two things, tested apart:
 * y minus the known masks is encode(x) plus the missing mask and nothing else; and adding a uniform vector hides x
 * perfectly. That AES-128-CTR output is as good as uniform is assumed; the last test would notice a word left uncovered.
 */
describe('the view of t members', () => {
  const profiles = [3, 4, 7].map((c) => profileOf(c)!)
  const vector = fc.array(fc.double({ noNaN: true, min: -1000, max: 1000 }), { minLength: 3, maxLength: 3 })

  for (const profile of profiles) {
    it(`of ${profile.members} is the input under exactly one unknown mask`, () => {
      fc.assert(
        fc.property(vector, rings, fc.nat(), (value, ring, pick) => {
          const own = deriveSeeds(bytesOf('master', 32), roundId, site, subsets(profile))
          const colluders = subsets(profile)[pick % subsets(profile).length]!
          const known = new Set(colluders.flatMap((seat) => seedsOf(profile, seat)))
          const encoded = encodeVector(value, ring, 40, 1000)
          const residue = maskVector(encoded, own, ring)
          for (const index of known) subtractInto(residue, maskWords(own[index]!, ring, 0, 3), ring)
          const unknown = own.filter((_, index) => !known.has(index))
          assert.equal(unknown.length, 1)
          const expected = encoded.slice()
          addInto(expected, maskWords(unknown[0]!, ring, 0, 3), ring)
          assert.deepEqual(residue, expected)
          // With one member more nothing is unknown, and the input lies open.
          const more = [...Array(profile.members).keys()].find((seat) => !colluders.includes(seat))!
          assert.equal(new Set([...known, ...seedsOf(profile, more)]).size, own.length)
        }),
        { numRuns: 30 },
      )
    })
  }

  it('and all other sites is the same for two inputs of the victim, mask by mask', () => {
    // A bijection between the unknown masks of two worlds under which every byte seen is equal: if the masks are uniform,
    // the views have one distribution. Victims v and w are honest; in the second world v has d more and w has d less, so
    // that the sum, which everyone may learn, is the same.
    const length = 24
    const bytes = fc.uint8Array({ minLength: length * 2, maxLength: length * 2 })
    fc.assert(
      fc.property(bytes, bytes, bytes, bytes, bytes, (x, w, d, maskV, maskW) => {
        for (const ring of [64, 128] as const) {
          const plus = (a: Uint8Array, b: Uint8Array) => {
            const sum = a.slice()
            addInto(sum, b, ring)
            return sum
          }
          const minus = (a: Uint8Array, b: Uint8Array) => {
            const difference = a.slice()
            subtractInto(difference, b, ring)
            return difference
          }
          const view = (xs: readonly Uint8Array[], masks: readonly Uint8Array[]) => ({
            masked: xs.map((one, i) => plus(one, masks[i]!)),
            partial: masks.reduce(plus),
            sum: xs.reduce(plus),
          })
          const moved = [minus(maskV, d), plus(maskW, d)]
          assert.deepEqual(view([plus(x, d), minus(w, d)], moved), view([x, w], [maskV, maskW]))
          assert.deepEqual([plus(moved[0]!, d), minus(moved[1]!, d)], [maskV, maskW], 'a bijection')
        }
      }),
    )
  })

  it('shows every byte of every word equally often, whatever the input', () => {
    const samples = 4096
    for (const ring of [64, 128] as const) {
      for (const value of [0, -1000]) {
        const encoded = encodeVector([value, value], ring, 40, 1000)
        const counts = Array.from({ length: encoded.length }, () => new Array<number>(256).fill(0))
        for (let i = 0; i < samples; i++) {
          maskVector(encoded, [bytesOf(`seed ${i}`, 32)], ring).forEach((byte, at) => {
            counts[at]![byte]!++
          })
        }
        // χ² with 255 degrees of freedom: mean 255, standard deviation 22.6. Seeds are fixed, so this never flickers.
        const expected = samples / 256
        for (const count of counts) {
          const statistic = count.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
          assert.ok(statistic < 380, `${statistic}`)
        }
      }
    }
  })
})
