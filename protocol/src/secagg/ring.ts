/**
 * Vectors over Z_2^64 and Z_2^128: fixed-point encoding, addition, decoding. Implements docs/spec/secure-aggregation.md,
 * masking. A vector is its bytes, little-endian words one after the other, at any alignment. Plain and exact, not fast;
 * running time depends on the values only where a site encodes its own.
 */
import { assert, FlameshError } from '../errors.js'

export type RingBits = 64 | 128

const LANE_BYTES = 8

export function wordBytes(ring: RingBits): number {
  return ring / 8
}

/** A fixed-point number fits a double's exponent and leaves the ring a sign and one bit. */
function checkFraction(fractionBits: number, ring: RingBits): void {
  assert(Number.isInteger(fractionBits) && fractionBits >= 0 && fractionBits <= ring - 2, 'fraction bits out of range')
}

function powerOfTwo(exponent: number): number {
  return Number(1n << BigInt(exponent))
}

/**
 * round(value · 2^f), ties to even, exactly: scaling by a power of two never rounds, and neither does taking the fraction
 * of a positive number.
 */
function toFixed(value: number, scale: number): bigint {
  const magnitude = Math.abs(value) * scale
  const whole = Math.floor(magnitude)
  const rest = magnitude - whole
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 === 1)
  const rounded = BigInt(whole) + (up ? 1n : 0n)
  return value < 0 ? -rounded : rounded
}

/** The least integer not below value · 2^f, for a positive finite value. */
function ceilFixed(value: number, fractionBits: number): bigint {
  const magnitude = value * powerOfTwo(fractionBits)
  return Number.isFinite(magnitude) ? BigInt(Math.ceil(magnitude)) : 1n << 1100n
}

/**
 * Whether the sum of n vectors within ±bound cannot wrap: n·⌈B·2^f⌉ < 2^(w−1). The ceiling covers what rounding adds.
 * False for a bound that is not a positive finite number or fraction bits the ring has no room for.
 */
export function fits(n: number, bound: number, ring: RingBits, fractionBits: number): boolean {
  if (!Number.isSafeInteger(n) || n < 0 || !Number.isFinite(bound) || bound <= 0) return false
  if (!Number.isInteger(fractionBits) || fractionBits < 0 || fractionBits > ring - 2) return false
  return BigInt(n) * ceilFixed(bound, fractionBits) < 1n << BigInt(ring - 1)
}

function checkedSlot(slot: number, value: number, bound: number): number {
  const meta = { slot }
  if (!Number.isFinite(value)) throw new FlameshError('not-finite', `slot ${slot} is not a finite number`, { meta })
  if (Math.abs(value) > bound) throw new FlameshError('out-of-bound', `slot ${slot} exceeds the bound`, { meta })
  return value
}

/** Bits after the point of a sum, which is one integer in two words. */
export const SUM_BITS = 130
const SUM_SCALE = powerOfTwo(SUM_BITS)

/** Words as two's complement. */
function bytesOf(words: readonly bigint[], ring: RingBits): Uint8Array {
  const bytes = new Uint8Array(words.length * wordBytes(ring))
  const view = new DataView(bytes.buffer)
  for (const [i, word] of words.entries()) {
    const at = i * wordBytes(ring)
    view.setBigUint64(at, BigInt.asUintN(64, word), true)
    if (ring === 128) view.setBigUint64(at + LANE_BYTES, BigInt.asUintN(64, word >> 64n), true)
  }
  return bytes
}

/**
 * Counts, in fixed point with `fractionBits` bits after the point, then sums: of each the two slots hold an unevaluated pair
 * high + low, in units of 2^-130 the integer 2^b·w₁ + w₂ with b = log₂(bound) + fractionBits and −2^(b−1) ≤ w₂ < 2^(b−1). Throws
 * `not-finite` for NaN and infinities and `out-of-bound` for a word beyond the bound, naming the slot but never the value.
 */
export function encodeVector(
  values: Float64Array | readonly number[],
  ring: RingBits,
  fractionBits: number,
  bound: number,
  counts = values.length,
): Uint8Array {
  checkFraction(fractionBits, ring)
  assert(fits(1, bound, ring, fractionBits), 'the bound does not fit the ring')
  const scale = powerOfTwo(fractionBits)
  const words = Array.from(values.slice(0, counts), (value, slot) => toFixed(checkedSlot(slot, value, bound), scale))
  const bits = Math.log2(bound * scale)
  const sumBound = (bound * scale) ** 2 / SUM_SCALE
  assert(counts === values.length || (Number.isInteger(bits) && (values.length - counts) % 2 === 0), 'sums are pairs')
  for (let slot = counts; slot < values.length; slot += 2) {
    const parts = [slot, slot + 1].map((at) => toFixed(checkedSlot(at, values[at] as number, sumBound), SUM_SCALE))
    const whole = (parts[0] as bigint) + (parts[1] as bigint)
    const second = BigInt.asIntN(bits, whole)
    const first = (whole - second) >> BigInt(bits)
    if (first > 1n << BigInt(bits) || -first > 1n << BigInt(bits)) checkedSlot(slot, Number.MAX_VALUE, sumBound)
    words.push(first, second)
  }
  return bytesOf(words, ring)
}

/** The words as signed integers in [−2^(w−1), 2^(w−1)), still scaled by 2^f: see `toNumber`. */
export function decodeVector(bytes: Uint8Array, ring: RingBits, fractionBits: number): readonly bigint[] {
  checkFraction(fractionBits, ring)
  const view = viewOf(bytes, ring)
  const words: bigint[] = []
  for (let at = 0; at < bytes.length; at += wordBytes(ring)) {
    words.push(
      ring === 64
        ? view.getBigInt64(at, true)
        : (view.getBigInt64(at + LANE_BYTES, true) << 64n) | view.getBigUint64(at, true),
    )
  }
  return words
}

/** The double nearest to fixed / 2^f (ties to even): one rounding, in the conversion; the division is exact. */
export function toNumber(fixed: bigint, fractionBits: number): number {
  return Number(fixed) / powerOfTwo(fractionBits)
}

/** In steps of 32 bits, which JavaScript adds without making a big integer of each word. */
const STEP_BYTES = 4

/** target += other, word by word modulo 2^w, in place. Both have the same length. */
export function addInto(target: Uint8Array, other: Uint8Array, ring: RingBits): void {
  assert(target.length === other.length, 'vectors of different length')
  const a = viewOf(target, ring)
  const b = viewOf(other, ring)
  const width = wordBytes(ring)
  for (let word = 0; word < target.length; word += width) {
    let carry = 0
    for (let at = word; at < word + width; at += STEP_BYTES) {
      const sum = a.getUint32(at, true) + b.getUint32(at, true) + carry
      a.setUint32(at, sum, true)
      carry = sum > 0xffff_ffff ? 1 : 0
    }
  }
}

/** target −= other, word by word modulo 2^w, in place. Both have the same length. */
export function subtractInto(target: Uint8Array, other: Uint8Array, ring: RingBits): void {
  assert(target.length === other.length, 'vectors of different length')
  const a = viewOf(target, ring)
  const b = viewOf(other, ring)
  const width = wordBytes(ring)
  for (let word = 0; word < target.length; word += width) {
    let borrow = 0
    for (let at = word; at < word + width; at += STEP_BYTES) {
      const difference = a.getUint32(at, true) - b.getUint32(at, true) - borrow
      a.setUint32(at, difference, true)
      borrow = difference < 0 ? 1 : 0
    }
  }
}

function viewOf(bytes: Uint8Array, ring: RingBits): DataView {
  assert(bytes.length % wordBytes(ring) === 0, 'not a whole number of words')
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
