import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { encode, type Value } from '@flamesh/protocol/encoding/canonical.js'
import { decodeSigned, openSigned, payloadHash, verifySignature } from '@flamesh/protocol/encoding/signed.js'
import { descriptionHash, type ImageDescription } from '@flamesh/protocol/images/description.js'
import { REVIEW, signReview } from '@flamesh/protocol/images/review.js'
import fc from 'fast-check'
import { readVectors } from '../../vectors/read.js'
import { signer } from '../identity/fixtures.js'
import { description, reviewBy } from './fixtures.js'

/** Every value that is the given one with one thing in it changed, added or left out. */
function changesOf(value: Value): readonly Value[] {
  if (typeof value === 'number') return [value + 1, value - 1, String(value)]
  if (typeof value === 'string')
    return [`${value}0`, value.slice(1), value.toUpperCase()].filter((one) => one !== value)
  if (Array.isArray(value)) {
    const changed = value.flatMap((one, at) => changesOf(one).map((other) => value.toSpliced(at, 1, other)))
    const without = value.map((_, at) => value.toSpliced(at, 1))
    return [...changed, ...without, [...value, 'more'], ...(value.length > 1 ? [value.toReversed()] : [])]
  }
  const fields = value as Readonly<Record<string, Value>>
  const names = Object.keys(fields)
  return [
    { ...fields, more: 1 },
    ...names.map((name) => Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name))),
    ...names.flatMap((name) => changesOf(fields[name] as Value).map((other) => ({ ...fields, [name]: other }))),
  ]
}

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,12}$/)
const slots = fc.uniqueArray(
  fc.record(
    {
      name,
      kind: fc.constantFrom('count' as const, 'sum' as const),
      length: fc.integer({ min: 1, max: 500 }),
      lower: fc.nat(100).map(String),
      upper: fc.integer({ min: 101, max: 1_000_000 }).map(String),
    },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 6, selector: (slot) => slot.name },
)
const descriptions: fc.Arbitrary<ImageDescription> = fc
  .record({
    output: slots.map((some) => [...some].sort((a, b) => (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0))),
    maxRounds: fc.integer({ min: 1, max: 64 }),
    combine: fc.constantFrom('sum' as const, 'reduce' as const),
    resources: fc.subarray(['gpu', 'memory-16g', 'time-12h']),
    sbom: fc.stringMatching(/^[0-9a-f]{64}$/),
  })
  .map((changes) => description(changes))

describe('a review', () => {
  it('is a signature under the description, whose hash is its own', () => {
    const review = reviewBy(['ana', 'bo'])
    const { body, signers, hash } = openSigned(review, REVIEW)
    assert.deepEqual(body, description())
    assert.deepEqual(
      signers,
      ['ana', 'bo'].map((one) => signer(one).publicKey),
    )
    assert.equal(hash, descriptionHash(description()))
    assert.equal(payloadHash(reviewBy(['cy'])), hash)
  })

  it('agrees with the vector', () => {
    const vector = readVectors<{
      review: { description: ImageDescription; payload: string; hash: string; review: string }
    }>('log').review
    assert.equal(bytesToHex(encode(vector.description)), vector.payload)
    assert.equal(descriptionHash(vector.description), vector.hash)
    const { body, hash, signers } = openSigned(decodeSigned(hexToBytes(vector.review)), REVIEW)
    assert.deepEqual(body, vector.description)
    assert.equal(hash, vector.hash)
    assert.equal(signers.length, 2)
  })

  it('is made of nothing but a description', () => {
    assert.throws(() => signReview({ ...description(), maxRounds: 0 }, signer('ana')), { code: 'schema' })
    assert.throws(() => signReview({ ...description(), more: 1 } as ImageDescription, signer('ana')), {
      code: 'schema',
    })
  })

  it('does not survive any change of the description', () => {
    fc.assert(
      fc.property(descriptions, (one) => {
        const review = reviewBy(['ana', 'bo', 'cy'], one)
        const changes = changesOf(one)
        assert.ok(changes.length > 40)
        for (const changed of changes) {
          const altered = { ...review, payload: encode(changed) }
          for (const signature of review.signatures)
            assert.ok(!verifySignature(altered, signature), JSON.stringify(changed))
          assert.throws(() => openSigned(altered, REVIEW), { code: 'signature' })
          assert.notEqual(descriptionHash(changed as unknown as ImageDescription), descriptionHash(one))
        }
      }),
      { numRuns: 8 },
    )
  })

  it('counts for no other kind of object', () => {
    const review = reviewBy(['ana'])
    assert.throws(() => openSigned({ ...review, version: 2 }, { ...REVIEW, version: 2 }), { code: 'signature' })
    assert.throws(() => openSigned({ ...review, kind: 'job' }, { ...REVIEW, kind: 'job' }), { code: 'signature' })
  })
})
