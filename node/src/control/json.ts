/** JSON of the documents that the control socket and `--json` speak: bytes as hexadecimal text, 64-bit integers as text. */
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'

export function toJson(document: unknown, indent?: number): string {
  return JSON.stringify(
    document,
    (_key, value: unknown) => {
      if (value instanceof Uint8Array) return bytesToHex(value)
      if (typeof value === 'bigint') return value.toString()
      if (value instanceof Map) return Object.fromEntries(value)
      return value
    },
    indent,
  )
}
