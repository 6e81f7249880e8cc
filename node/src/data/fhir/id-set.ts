/**
 * Which resources were seen before, in 12 bytes each: 96 bits of SHA-256 instead of the identifier. Two of 100 million
 * differing resources are taken for one with a probability below 1e-13.
 */
import { createHash } from 'node:crypto'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_IDS } from './limits.js'

const WORDS = 3

export class IdSet {
  #slots = new Uint32Array(1024 * WORDS)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Whether it is new. Throws `fhir-data` beyond `MAX_IDS`. */
  add(id: string): boolean {
    const digest = createHash('sha256').update(id).digest()
    // 0 0 0 marks an empty slot
    return this.#insert(digest.readUInt32LE(0) || 1, digest.readUInt32LE(4), digest.readUInt32LE(8))
  }

  #insert(a: number, b: number, c: number): boolean {
    const slots = this.#slots
    const mask = slots.length / WORDS - 1
    let at = a & mask
    for (; slots[at * WORDS] !== 0; at = (at + 1) & mask) {
      if (slots[at * WORDS] === a && slots[at * WORDS + 1] === b && slots[at * WORDS + 2] === c) return false
    }
    slots.set([a, b, c], at * WORDS)
    if (++this.#size * 3 > (mask + 1) * 2) this.#grow()
    return true
  }

  #grow(): void {
    const old = this.#slots
    if (old.length / WORDS >= MAX_IDS)
      throw new FlameshError('fhir-data', `more than ${this.#size} resources`, { hint: 'read less, with search' })
    this.#slots = new Uint32Array(old.length * 2)
    this.#size = 0
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at] !== 0) this.#insert(old[at] as number, old[at + 1] as number, old[at + 2] as number)
    }
  }
}
