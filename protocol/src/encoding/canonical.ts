/**
 * Canonical encoding: deterministic CBOR (RFC 8949, section 4.2; DAG-CBOR rules). The library's strict decoder still
 * accepts misordered keys and short floats, so what was decoded is encoded again and compared. Implements
 * docs/spec/encoding.md.
 */
import { decode as cborDecode } from '@ipld/dag-cbor'
import { equalBytes, type Hex, sha256Hex } from '../crypto/hash.js'
import { FlameshError } from '../errors.js'
import { write } from './writer.js'

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value }

/** Canonical bytes of a plain value. Throws `internal` for anything that has no canonical form (undefined, NaN, a function). */
export function encode(value: unknown): Uint8Array {
  try {
    return write(value)
  } catch (cause) {
    throw new FlameshError('internal', 'a value has no canonical encoding', { cause })
  }
}

/** The one value these bytes stand for. Throws `encoding` unless they are exactly what `encode` would produce. */
export function decode(bytes: Uint8Array): unknown {
  let value: unknown
  let again: Uint8Array
  try {
    value = cborDecode(bytes)
    // deep nesting can be read and yet overflow the stack here
    again = write(value)
  } catch (cause) {
    throw new FlameshError('encoding', 'not DAG-CBOR', { cause })
  }
  if (!equalBytes(again, bytes)) throw new FlameshError('encoding', 'not the canonical encoding')
  return value
}

/** SHA-256 of the canonical encoding: never use it on anything guessable (docs/spec/secure-aggregation.md, commitments). */
export function hashOf(value: unknown): Hex {
  return sha256Hex(encode(value))
}
