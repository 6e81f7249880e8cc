/** SHA-256, HMAC and HKDF (RFC 2104, RFC 5869). All inputs and outputs are bytes. */
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import {
  hmacSha256 as nativeHmac,
  hmacSha256Hex as nativeHmacHex,
  sha256 as nativeSha256,
  sha256Hex as nativeSha256Hex,
} from './native/index.js'

export { bytesToHex, concatBytes, hexToBytes, utf8ToBytes }

/** A 32-byte hash or public key as 64 lowercase hexadecimal characters: the form used in every message and as map key. */
export type Hex = string

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return nativeSha256(parts)
}

export function sha256Hex(...parts: readonly Uint8Array[]): Hex {
  return nativeSha256Hex(parts)
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return nativeHmac(key, parts)
}

export function hmacSha256Hex(key: Uint8Array, ...parts: readonly Uint8Array[]): Hex {
  return nativeHmacHex(key, parts)
}

const HASH_BYTES = 32

/** RFC 5869: extract, then as many blocks of expand as `length` asks for. */
export function hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdfExpand(hkdfExtract(secret, salt), info, length)
}

/** RFC 5869, section 2.2: once for everything that is derived from one secret under one salt. */
export function hkdfExtract(secret: Uint8Array, salt: Uint8Array): Uint8Array {
  return hmacSha256(salt, secret)
}

/** RFC 5869, section 2.3. */
export function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (length > 255 * HASH_BYTES) throw new RangeError('HKDF gives at most 255 blocks')
  const out = new Uint8Array(length)
  let block = new Uint8Array(0)
  for (let at = 0, counter = 1; at < length; at += HASH_BYTES, counter++) {
    block = hmacSha256(key, block, info, Uint8Array.of(counter)) as Uint8Array<ArrayBuffer>
    out.set(block.subarray(0, Math.min(HASH_BYTES, length - at)), at)
  }
  return out
}

/** Equality whose running time depends on the length alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
