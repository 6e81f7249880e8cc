/** The content of ring.json. See main.ts. */
import { bytesToHex as hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { addInto, encodeVector, fits, type RingBits, subtractInto, toNumber } from '@flamesh/protocol/secagg/ring.js'
import { doubleToHex } from '../read.js'

const halves = [0, -0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994, -0.49999999999999994]
const plain = [1, -1, 0.1, -0.1, Math.PI, -Math.E, 1000, -1000, 5e-324, 2 ** -41, 3 * 2 ** -41]
const encodeCase = (ring: RingBits, fractionBits: number, bound: number, values: readonly number[]): unknown => ({
  ring,
  fractionBits,
  bound: doubleToHex(bound),
  values: values.map(doubleToHex),
  readable: values.map(String),
  encoded: hex(encodeVector(values, ring, fractionBits, bound)),
})
/** One count, then sums as pairs high + low, as a site encodes them. */
const sumsCase = (pairs: readonly (readonly [high: number, low: number])[]): unknown => {
  const values = [1, ...pairs.flat()]
  return {
    values: values.map(doubleToHex),
    readable: values.map(String),
    encoded: hex(encodeVector(values, 128, 60, 2 ** 55, 1)),
  }
}
const edges: [RingBits, string, string][] = [
  [64, 'ffffffffffffffff', '0100000000000000'],
  [64, '0000000000000080', '0000000000000080'],
  [64, 'efcdab89674523010100000000000000', '1111111111111111ffffffffffffffff'],
  [128, 'ffffffffffffffff0000000000000000', '01000000000000000000000000000000'],
  [128, 'ffffffffffffffffffffffffffffffff', '01000000000000000000000000000000'],
  [128, '00000000000000000000000000000080', '00000000000000000100000000000080'],
]
const apply = (operation: typeof addInto, a: string, b: string, ring: RingBits): string => {
  const target = hexToBytes(a)
  operation(target, hexToBytes(b), ring)
  return hex(target)
}
const fixed: [bigint, number][] = [
  [0n, 40],
  [1n, 40],
  [-1n, 40],
  [(1n << 53n) + 1n, 0],
  [(1n << 53n) + 3n, 0],
  [-((1n << 53n) + 1n), 44],
  [(1n << 127n) - 1n, 44],
  [-(1n << 127n), 44],
  [314159265358979323846264338327n, 80],
]
const fitting: [number, number, RingBits, number][] = [
  [1, 2 ** 62, 64, 0],
  [2, 2 ** 62, 64, 0],
  [1, 2 ** 63, 64, 0],
  [3, 0.3, 64, 61],
  [4, 0.3, 64, 61],
  [13, 0.3, 64, 61],
  [14, 0.3, 64, 61],
  [2048, 2 ** 70, 128, 44],
  [2048, 2 ** 72, 128, 44],
  [5, Number.POSITIVE_INFINITY, 128, 40],
  [5, 0, 64, 20],
  [5, 1, 64, 63],
  [2 ** 52, 2047, 64, 0],
  [2 ** 52, 2047.5, 64, 0],
]
export const ringVectors = {
  description:
    'Fixed point in Z_2^64 and Z_2^128: little-endian two’s complement words. Doubles are eight IEEE 754 bytes, most significant first. encode rounds value·2^f to the nearest integer, ties to even. sums: one count (f = 60), then pairs high + low, each as the integer 2^115·w₁ + w₂ in units of 2^-130.',
  encode: [
    encodeCase(64, 0, 1000, [...halves, 1000, -1000]),
    encodeCase(64, 40, 1000, plain),
    encodeCase(64, 0, 2 ** 62, [2 ** 62, -(2 ** 62), 2 ** 53 + 2]),
    encodeCase(128, 40, 1000, plain),
    encodeCase(128, 44, 1e12, [1e12, -1e12, 0.1, 123456789.123456]),
    encodeCase(128, 100, 2 ** 26, [0.1, -0.1, 2 ** 26, 1 / 3]),
  ],
  sums: [
    sumsCase([
      [0, 0],
      [1, 0],
      [-1, 2 ** -60],
      [2 ** 99, -(2 ** 45)],
      [2 ** 100, 0],
      [-(2 ** 100), 0],
    ]),
    sumsCase([
      [0.1, 1e-18],
      [-1e25, 12345.678],
      [2 ** -16, 0],
      [-(2 ** -16), 0],
      [2 ** -130, 2 ** -131],
      [1e-36, -1e-53],
    ]),
  ],
  refused: [
    { ring: 64, fractionBits: 20, bound: doubleToHex(10), values: [doubleToHex(Number.NaN)], outcome: 'not-finite' },
    { ring: 64, fractionBits: 20, bound: doubleToHex(10), values: [doubleToHex(Infinity)], outcome: 'not-finite' },
    { ring: 128, fractionBits: 44, bound: doubleToHex(10), values: [doubleToHex(-Infinity)], outcome: 'not-finite' },
    {
      ring: 64,
      fractionBits: 20,
      bound: doubleToHex(10),
      values: [doubleToHex(10.000000000000002)],
      outcome: 'out-of-bound',
    },
    {
      ring: 128,
      fractionBits: 44,
      bound: doubleToHex(10),
      values: [doubleToHex(1), doubleToHex(-11)],
      outcome: 'out-of-bound',
    },
  ],
  arithmetic: edges.map(([ring, a, b]) => ({
    ring,
    a,
    b,
    sum: apply(addInto, a, b, ring),
    difference: apply(subtractInto, a, b, ring),
  })),
  toNumber: fixed.map(([value, fractionBits]) => ({
    fixed: value.toString(),
    fractionBits,
    value: doubleToHex(toNumber(value, fractionBits)),
    readable: String(toNumber(value, fractionBits)),
  })),
  fits: fitting.map(([n, bound, ring, fractionBits]) => ({
    n,
    bound: doubleToHex(bound),
    ring,
    fractionBits,
    fits: fits(n, bound, ring, fractionBits),
  })),
}
