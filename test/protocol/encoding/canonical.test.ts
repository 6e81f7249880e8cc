import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes, sha256Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode, encode, hashOf } from '@flamesh/protocol/encoding/canonical.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import { encode as libraryEncode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { readVectors } from '../../vectors/read.js'

interface Vectors {
  readonly canonical: readonly { readonly value: unknown; readonly bytes: string }[]
  readonly refused: readonly { readonly why: string; readonly bytes: string; readonly outcome: string }[]
}
const vectors = readVectors<Vectors>('encoding')

function untagged(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if ('$integer' in value) return BigInt(value.$integer as string)
  if ('$bytes' in value) return hexToBytes(value.$bytes as string)
  return value
}

/** accepted, or the code of the error. */
function outcome(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    return errorCode(error)
  }
}

const value = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.integer({ min: -70_000, max: 70_000 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => one + 0.5),
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
  ),
  node: fc.oneof(
    { depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('node'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node

describe('canonical encoding', () => {
  it('is nested 48 deep at most, whatever is left of the stack', () => {
    const nested = (depth: number): unknown =>
      depth === 0 ? 0 : depth % 2 === 0 ? [nested(depth - 1)] : { a: nested(depth - 1) }
    assert.equal(
      outcome(() => decode(libraryEncode(nested(48)))),
      'accepted',
    )
    for (const depth of [49, 1000, 6000, 200_000])
      assert.equal(
        outcome(() => decode(hexToBytes(`${'81'.repeat(depth)}00`))),
        'encoding',
      )
  })

  for (const one of vectors.canonical) {
    it(`writes and reads ${JSON.stringify(one.value)}`, () => {
      assert.equal(bytesToHex(encode(untagged(one.value))), one.bytes)
      assert.deepEqual(decode(hexToBytes(one.bytes)), untagged(one.value))
    })
  }

  for (const one of vectors.refused) {
    it(`refuses ${one.why}`, () => {
      assert.equal(
        outcome(() => decode(hexToBytes(one.bytes))),
        one.outcome,
      )
    })
  }

  it('returns every value it wrote', () => {
    fc.assert(
      fc.property(value, (one) => {
        assert.deepEqual(decode(encode(one)), one)
      }),
    )
  })

  it('writes what another implementation writes', () => {
    fc.assert(
      fc.property(value, (one) => {
        assert.equal(bytesToHex(encode(one)), bytesToHex(libraryEncode(one)))
      }),
      { numRuns: 1000 },
    )
    // every length of a head, and keys whose order in bytes is not that of UTF-16
    const long = [23, 24, 255, 256, 65_535, 65_536, 1_100_000]
    const keys = { '\u{1f600}': 1, '\uffee\u0001': 2, '\uffee': 3, é: 4, zz: 5, z: 6 }
    for (const one of [
      ...long.flatMap((n) => ['a'.repeat(n), 'é'.repeat(n), new Uint8Array(n)]),
      keys,
      new Array(300).fill(0),
    ])
      assert.equal(bytesToHex(encode(one)), bytesToHex(libraryEncode(one)))
  })

  it('refuses a value that encodes something while it is encoded, and goes on', () => {
    const value = {
      get inner() {
        return encode(1)
      },
    }
    assert.equal(
      outcome(() => encode([value])),
      'internal',
    )
    assert.equal(bytesToHex(encode([1])), '8101')
  })

  it('has no form for what is not plain', () => {
    for (const one of [
      new Map(),
      new Date(0),
      new Float64Array(1),
      Object.create({ a: 1 }),
      2n ** 64n,
      -(2n ** 64n) - 1n,
    ])
      assert.equal(
        outcome(() => encode(one)),
        'internal',
      )
  })

  it('does not depend on the order in which keys were set', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.nat(), { noNullPrototype: true }), (one) => {
        assert.deepEqual(encode(Object.fromEntries(Object.entries(one).reverse())), encode(one))
      }),
    )
  })

  it('accepts no second encoding of a value: whatever is accepted encodes to the same bytes', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, at, change) => {
        const bytes = encode(one)
        const altered = bytes.slice()
        altered[at % bytes.length] = altered[at % bytes.length]! ^ change
        const accepted = outcome(() => decode(altered))
        if (accepted === 'accepted') assert.deepEqual(encode(decode(altered)), altered)
        else assert.equal(accepted, 'encoding')
      }),
      { numRuns: 500 },
    )
  })

  it('answers arbitrary bytes with a value or an encoding error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.match(
          outcome(() => decode(bytes)),
          /^(accepted|encoding)$/,
        )
      }),
      { numRuns: 1000 },
    )
  })

  it('answers nesting too deep for the stack with an encoding error', () => {
    const outcomes = new Set<string>()
    for (let depth = 1000; depth < 40_000; depth = Math.ceil(depth * 1.05)) {
      const bytes = new Uint8Array(depth + 1).fill(0x81)
      bytes[depth] = 0
      outcomes.add(outcome(() => decode(bytes)))
    }
    outcomes.delete('accepted')
    assert.deepEqual([...outcomes], ['encoding'])
  })

  it('has no encoding for values without a canonical form', () => {
    for (const bad of [
      undefined,
      { a: undefined },
      [undefined],
      Number.NaN,
      Number.POSITIVE_INFINITY,
      () => 0,
      Symbol('s'),
    ]) {
      assert.equal(
        outcome(() => encode(bad)),
        'internal',
      )
    }
  })

  it('hashes the canonical bytes', () => {
    assert.equal(hashOf({ b: 1, a: 2 }), sha256Hex(hexToBytes('a2616102616201')))
  })
})
