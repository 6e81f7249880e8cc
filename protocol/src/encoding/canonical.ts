/**
 * Canonical encoding: deterministic CBOR (RFC 8949, section 4.2; DAG-CBOR rules). The library's strict decoder still
 * accepts misordered keys and short floats, so what was decoded is encoded again and compared. Implements
 * docs/spec/encoding.md.
 */
import { decode as cborDecode } from '@ipld/dag-cbor'
import { equalBytes, type Hex, sha256Hex } from '../crypto/hash.js'
import { FlameshError } from '../errors.js'
import { written } from './writer.js'

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
  return withEncoding(value, (bytes) => bytes.slice())
}

/** The one value these bytes stand for. Throws `encoding` unless they are exactly what `encode` would produce. */
export function decode(bytes: Uint8Array): unknown {
  let value: unknown
  let isCanonical: boolean
  try {
    value = cborDecode(bytes)
    // deep nesting can be read and yet overflow the stack here
    isCanonical = written(value, (again) => equalBytes(again, bytes))
  } catch (cause) {
    throw new FlameshError('encoding', 'not DAG-CBOR', { cause })
  }
  if (!isCanonical) throw new FlameshError('encoding', 'not the canonical encoding')
  return value
}

/** SHA-256 of the canonical encoding: never use it on anything guessable (docs/spec/secure-aggregation.md, commitments). */
export function hashOf(value: unknown): Hex {
  return withEncoding(value, sha256Hex)
}

/** As `encode`, for bytes that nobody needs any more once `use` has looked at them; `use` must not encode anything itself. */
export function withEncoding<T>(value: unknown, use: (bytes: Uint8Array) => T): T {
  try {
    return written(value, use)
  } catch (cause) {
    throw new FlameshError('internal', 'a value has no canonical encoding', { cause })
  }
}
