/** One random stream for each name, all from one seed: SHA-256 in counter mode. Not secret, and not meant to be. */
import { hash } from 'node:crypto'
import type { Random } from '@flamesh/protocol/ports.js'

export interface SeededRandom extends Random {
  /** uniform in [0, 1), 32 bits */
  fraction(): number
  /** uniform in 0 … below − 1 */
  integer(below: number): number
}

export function seededRandom(seed: number, stream: string): SeededRandom {
  const prefix = `flamesh-sim/${seed}/${stream}/`
  let block = 0
  let drawn: Uint8Array = new Uint8Array()
  let at = 0
  const byte = (): number => {
    if (at === drawn.length) {
      drawn = hash('sha256', `${prefix}${block++}`, 'buffer')
      at = 0
    }
    return drawn[at++] as number
  }
  const bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length)
    for (let index = 0; index < length; index++) out[index] = byte()
    return out
  }
  const fraction = (): number => (byte() * 2 ** 24 + byte() * 2 ** 16 + byte() * 2 ** 8 + byte()) / 2 ** 32
  return { bytes, fraction, integer: (below) => Math.floor(fraction() * below) }
}
