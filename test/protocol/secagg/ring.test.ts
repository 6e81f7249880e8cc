import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import {
  addInto,
  decodeVector,
  encodeVector,
  fits,
  type RingBits,
  subtractInto,
  toNumber,
  wordBytes,
} from '@flamesh/protocol/secagg/ring.js'
import fc from 'fast-check'
import { doubleFromHex, doubleToHex, readVectors } from '../../vectors/read.js'

interface Encoding {
  readonly ring: RingBits
  readonly fractionBits: number
  readonly bound: string
  readonly values: readonly string[]
}
interface Vectors {
  readonly encode: readonly (Encoding & { readonly encoded: string })[]
  readonly sums: readonly { readonly values: readonly string[]; readonly encoded: string }[]
  readonly refused: readonly (Encoding & { readonly outcome: string })[]
  readonly arithmetic: readonly {
    readonly ring: RingBits
    readonly a: string
    readonly b: string
    readonly sum: string
    readonly difference: string
  }[]
  readonly toNumber: readonly { readonly fixed: string; readonly fractionBits: number; readonly value: string }[]
  readonly fits: readonly {
    readonly n: number
    readonly bound: string
    readonly ring: RingBits
    readonly fractionBits: number
    readonly fits: boolean
  }[]
}
const vectors = readVectors<Vectors>('ring')

/** A finite double as mantissa · 2^exponent, from its bits: written apart from the code under test. */
function parts(value: number): { readonly mantissa: bigint; readonly exponent: number } {
  const bits = BigInt(`0x${doubleToHex(value)}`)
  const field = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & ((1n << 52n) - 1n)
  const magnitude = field === 0 ? fraction : fraction | (1n << 52n)
  return { mantissa: bits >> 63n ? -magnitude : magnitude, exponent: Math.max(field, 1) - 1075 }
}

/** mantissa · 2^shift to the nearest integer, ties to even. */
function roundShift(mantissa: bigint, shift: number): bigint {
  if (shift >= 0) return mantissa << BigInt(shift)
  const divisor = 1n << BigInt(-shift)
  const floor = mantissa >> BigInt(-shift)
  const twice = 2n * (mantissa - floor * divisor)
  return twice > divisor || (twice === divisor && floor % 2n !== 0n) ? floor + 1n : floor
}

function reference(value: number, fractionBits: number): bigint {
  const { mantissa, exponent } = parts(value)
  return roundShift(mantissa, exponent + fractionBits)
}

function wordsOf(bytes: Uint8Array, ring: RingBits): readonly bigint[] {
  const words: bigint[] = []
  for (let at = 0; at < bytes.length; at += ring / 8) {
    words.push(BigInt(`0x${bytesToHex(bytes.slice(at, at + ring / 8).reverse())}`))
  }
  return words
}

const rings = fc.constantFrom<RingBits>(64, 128)
const double = fc.oneof(
  fc.double({ noNaN: true, min: -(2 ** 20), max: 2 ** 20 }),
  fc.double({ noNaN: true, min: -1, max: 1 }),
  fc.integer({ min: -2001, max: 2001 }).map((n) => n / 2),
)

/** A vector of random words in a buffer of its own, `offset` bytes from its start. */
const operands = fc.tuple(rings, fc.nat(6), fc.nat(9), fc.nat(9)).chain(([ring, words, offsetA, offsetB]) =>
  fc.record({
    ring: fc.constant(ring),
    a: place(words * (ring / 8), offsetA),
    b: place(words * (ring / 8), offsetB),
  }),
)
function place(length: number, offset: number): fc.Arbitrary<Uint8Array> {
  const bytes = fc.array(fc.oneof(fc.constantFrom(0, 255), fc.nat(255)), { minLength: length, maxLength: length })
  return bytes.map((all) => {
    const buffer = new Uint8Array(offset + length + 3).fill(0xa5)
    buffer.set(all, offset)
    return buffer.subarray(offset, offset + length)
  })
}

describe('fixed-point encoding', () => {
  for (const [i, one] of vectors.encode.entries()) {
    it(`encodes vector ${i}`, () => {
      const values = one.values.map(doubleFromHex)
      const encoded = encodeVector(values, one.ring, one.fractionBits, doubleFromHex(one.bound))
      assert.equal(bytesToHex(encoded), one.encoded)
      assert.deepEqual(
        decodeVector(encoded, one.ring, one.fractionBits),
        values.map((value) => reference(value, one.fractionBits)),
      )
    })
  }

  for (const [i, one] of vectors.sums.entries()) {
    it(`encodes sums ${i}`, () => {
      const [count = 0, ...pairs] = one.values.map(doubleFromHex)
      const encoded = encodeVector([count, ...pairs], 128, 60, 2 ** 55, 1)
      assert.equal(bytesToHex(encoded), one.encoded)
      const [first, ...words] = decodeVector(encoded, 128, 60)
      assert.equal(first, reference(count, 60))
      for (let at = 0; at < pairs.length; at += 2) {
        const [high = 0n, low = 0n] = words.slice(at, at + 2)
        assert.equal((high << 115n) + low, reference(pairs[at]!, 130) + reference(pairs[at + 1]!, 130))
        assert.ok(-(1n << 114n) <= low && low < 1n << 114n && -(1n << 115n) <= high && high <= 1n << 115n)
      }
    })
  }

  for (const [i, one] of vectors.refused.entries()) {
    it(`refuses vector ${i}: ${one.outcome}`, () => {
      const values = Float64Array.from(one.values, doubleFromHex)
      assert.throws(
        () => encodeVector(values, one.ring, one.fractionBits, doubleFromHex(one.bound)),
        (error: Error) => errorCode(error) === one.outcome && !/10|11/.test(error.message),
      )
    })
  }

  it('rounds value·2^f to the nearest integer, ties to even, for every double', () => {
    fc.assert(
      fc.property(fc.array(double, { maxLength: 5 }), rings, fc.nat(42), (values, ring, fractionBits) => {
        const encoded = encodeVector(Float64Array.from(values), ring, fractionBits, 2 ** 20)
        assert.equal(encoded.length, values.length * wordBytes(ring))
        const expected = values.map((value) => reference(value, fractionBits))
        assert.deepEqual(decodeVector(encoded, ring, fractionBits), expected)
        assert.deepEqual(
          wordsOf(encoded, ring),
          expected.map((fixed) => BigInt.asUintN(ring, fixed)),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('rounds doubles next to a tie to the right side', () => {
    for (const tie of [0.5, 1.5, 2.5, 1023.5, -0.5, -1.5]) {
      for (const step of [-1n, 0n, 1n]) {
        const bits = BigInt(`0x${doubleToHex(tie)}`) + step
        const value = doubleFromHex(bits.toString(16).padStart(16, '0'))
        assert.deepEqual(decodeVector(encodeVector([value], 64, 0, 2000), 64, 0), [reference(value, 0)])
      }
    }
  })

  it('returns exactly what fixed point can hold', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 52), max: 2 ** 52 }), fc.nat(60), rings, (whole, fractionBits, ring) => {
        const value = whole / 2 ** fractionBits
        fc.pre(fits(1, 2 ** 52 / 2 ** fractionBits, ring, fractionBits))
        const encoded = encodeVector([value], ring, fractionBits, 2 ** 52 / 2 ** fractionBits)
        assert.equal(toNumber(decodeVector(encoded, ring, fractionBits)[0]!, fractionBits), value)
      }),
    )
  })

  it('refuses a bound or a number of fraction bits that the ring cannot hold', () => {
    for (const run of [
      () => encodeVector([1], 64, 40, 2 ** 23),
      () => encodeVector([1], 64, 63, 0.1),
      () => encodeVector([1], 128, -1, 1),
      () => encodeVector([1], 128, 1.5, 1),
      () => encodeVector([1], 128, 40, Number.NaN),
      () => decodeVector(new Uint8Array(15), 64, 0),
    ]) {
      assert.throws(run, (error) => errorCode(error) === 'internal')
    }
  })
})

describe('decoding to doubles', () => {
  for (const one of vectors.toNumber) {
    it(`gives the vector of ${one.fixed} / 2^${one.fractionBits}`, () => {
      assert.equal(doubleToHex(toNumber(BigInt(one.fixed), one.fractionBits)), one.value)
    })
  }

  it('gives the nearest double, ties to even', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 127n), max: 2n ** 127n - 1n }), fc.nat(126), (fixed, fractionBits) => {
        const { mantissa, exponent } = parts(toNumber(fixed, fractionBits))
        // The neighbours are one unit of the last place away: the result is nearest if it is within half of that.
        const scale = BigInt(fractionBits + 1200)
        const exact = fixed << (scale - BigInt(fractionBits))
        const error = exact - (mantissa << (scale + BigInt(exponent)))
        const halfUnit = 1n << (scale + BigInt(exponent) - 1n)
        const distance = error < 0n ? -error : error
        assert.ok(distance < halfUnit || (distance === halfUnit && mantissa % 2n === 0n) || fixed === 0n)
      }),
      { numRuns: 500 },
    )
  })
})

describe('ring arithmetic', () => {
  for (const [i, one] of vectors.arithmetic.entries()) {
    it(`adds and subtracts vector ${i}`, () => {
      const sum = hexToBytes(one.a)
      addInto(sum, hexToBytes(one.b), one.ring)
      assert.equal(bytesToHex(sum), one.sum)
      const difference = hexToBytes(one.a)
      subtractInto(difference, hexToBytes(one.b), one.ring)
      assert.equal(bytesToHex(difference), one.difference)
    })
  }

  it('is that of integers modulo 2^w, at any alignment, and touches nothing beside the target', () => {
    fc.assert(
      fc.property(operands, ({ ring, a, b }) => {
        const [first, second] = [wordsOf(a, ring), wordsOf(b, ring)]
        const before = { around: aroundOf(a), b: b.slice() }
        addInto(a, b, ring)
        assert.deepEqual(
          wordsOf(a, ring),
          first.map((word, i) => BigInt.asUintN(ring, word + second[i]!)),
        )
        subtractInto(a, b, ring)
        assert.deepEqual(wordsOf(a, ring), first)
        subtractInto(a, b, ring)
        assert.deepEqual(
          wordsOf(a, ring),
          first.map((word, i) => BigInt.asUintN(ring, word - second[i]!)),
        )
        assert.deepEqual({ around: aroundOf(a), b: b.slice() }, before)
      }),
      { numRuns: 300 },
    )
  })

  it('refuses vectors of different length', () => {
    for (const operation of [addInto, subtractInto]) {
      assert.throws(
        () => operation(new Uint8Array(16), new Uint8Array(8), 64),
        (error) => errorCode(error) === 'internal',
      )
    }
  })
})

function aroundOf(view: Uint8Array): readonly Uint8Array[] {
  const whole = new Uint8Array(view.buffer)
  return [whole.slice(0, view.byteOffset), whole.slice(view.byteOffset + view.length)]
}

describe('overflow', () => {
  for (const [i, one] of vectors.fits.entries()) {
    it(`vector ${i}: ${one.n} sites ${one.fits ? 'fit' : 'do not fit'}`, () => {
      assert.equal(fits(one.n, doubleFromHex(one.bound), one.ring, one.fractionBits), one.fits)
    })
  }

  it('cannot happen to a sum of what fits, and happens one site later at the edge', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), rings, fc.nat(60), double, (n, ring, fractionBits, value) => {
        const bound = Math.abs(value)
        fc.pre(fits(n, bound, ring, fractionBits))
        const sum = new Uint8Array(ring / 8)
        for (let i = 0; i < n; i++) addInto(sum, encodeVector([-bound], ring, fractionBits, bound), ring)
        assert.deepEqual(decodeVector(sum, ring, fractionBits), [BigInt(n) * reference(-bound, fractionBits)])
      }),
    )
    assert.equal(fits(2 ** 20 - 1, 2 ** 43, 64, 0), true)
    assert.equal(fits(2 ** 20, 2 ** 43, 64, 0), false)
    const one = encodeVector([2 ** 43], 64, 0, 2 ** 43)
    const sum = new Uint8Array(8)
    for (let i = 0; i < 20; i++) addInto(one, one.slice(), 64)
    addInto(sum, one, 64)
    assert.deepEqual(decodeVector(sum, 64, 0), [-(2n ** 63n)], 'a wrapped sum has the wrong sign')
  })
})
