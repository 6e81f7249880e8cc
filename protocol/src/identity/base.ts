/**
 * Base32 and base64 (RFC 4648) without padding surprises: strict in, canonical out. Implements docs/spec/identity.md
 * (invites, hub API). Not constant-time: never decode a secret with it where an attacker can measure.
 */
import { FlameshError } from '../errors.js'

interface Base {
  readonly name: string
  readonly alphabet: string
  readonly bits: number
  /** characters of one padded group; 0: no padding */
  readonly group: number
}

const BASE32: Base = { name: 'base32', alphabet: 'abcdefghijklmnopqrstuvwxyz234567', bits: 5, group: 0 }
const BASE64: Base = {
  name: 'base64',
  alphabet: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  bits: 6,
  group: 4,
}

/** Regroups big-endian words of `from` bits into words of `to` bits; the last one is filled with zero bits if `pad`. */
function regroup(words: Iterable<number>, from: number, to: number, pad: boolean): number[] {
  const out: number[] = []
  let held = 0
  let bits = 0
  for (const word of words) {
    held = (held << from) | word
    bits += from
    while (bits >= to) {
      bits -= to
      out.push(held >>> bits)
      held &= (1 << bits) - 1
    }
  }
  if (pad && bits > 0) out.push(held << (to - bits))
  return out
}

function toText(base: Base, bytes: Uint8Array): string {
  const text = regroup(bytes, 8, base.bits, true)
    .map((word) => base.alphabet[word])
    .join('')
  return base.group === 0 ? text : text.padEnd(Math.ceil(text.length / base.group) * base.group, '=')
}

function fromText(base: Base, text: string): Uint8Array {
  const words = Array.from(text.replace(/=+$/, ''), (character) => base.alphabet.indexOf(character))
  if (words.includes(-1)) throw new FlameshError('encoding', `not ${base.name}`)
  const bytes = Uint8Array.from(regroup(words, base.bits, 8, false))
  if (toText(base, bytes) !== text) throw new FlameshError('encoding', `not canonical ${base.name}`)
  return bytes
}

/** Lowercase, unpadded. */
export const encodeBase32 = (bytes: Uint8Array): string => toText(BASE32, bytes)
/** Throws `encoding` unless the text is exactly what `encodeBase32` would produce. */
export const decodeBase32 = (text: string): Uint8Array => fromText(BASE32, text)
/** Standard alphabet, padded. */
export const encodeBase64 = (bytes: Uint8Array): string => toText(BASE64, bytes)
/** Throws `encoding` unless the text is exactly what `encodeBase64` would produce. */
export const decodeBase64 = (text: string): Uint8Array => fromText(BASE64, text)
