/** Known-answer vectors: JSON that any language can read; bytes are lowercase hexadecimal. */
import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'

export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8')) as T
}

/** A double as its eight IEEE 754 bytes, most significant first. */
export function doubleToHex(value: number): string {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return bytesToHex(bytes)
}

export function doubleFromHex(hex: string): number {
  const bytes = hexToBytes(hex)
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0)
}

/** `length` bytes that look random and are the same everywhere: SHA-256 of the label and an offset. */
export function bytesOf(label: string, length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += 32) {
    out.set(sha256(utf8ToBytes(`${label} ${at}`)).subarray(0, Math.min(32, length - at)), at)
  }
  return out
}
