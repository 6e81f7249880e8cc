/** One random stream for each name, all from one seed: SHA-256 in counter mode. Not secret, and not meant to be. */
import { concatBytes, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import type { Random } from '@flamesh/protocol/ports.js'

export interface SeededRandom extends Random {
  /** uniform in [0, 1), 32 bits */
  fraction(): number
  /** uniform in 0 … below − 1 */
  integer(below: number): number
}

export function seededRandom(seed: number, stream: string): SeededRandom {
  const prefix = utf8ToBytes(`flamesh-sim/${seed}/${stream}/`)
  let block = 0
  let left = new Uint8Array()
  const bytes = (length: number): Uint8Array => {
    while (left.length < length)
      left = concatBytes(left, sha256(prefix, utf8ToBytes(String(block++)))) as Uint8Array<ArrayBuffer>
    const out = left.slice(0, length)
    left = left.slice(length)
    return out
  }
  const fraction = (): number => {
    const [a, b, c, d] = bytes(4) as unknown as [number, number, number, number]
    return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32
  }
  return { bytes, fraction, integer: (below) => Math.floor(fraction() * below) }
}
