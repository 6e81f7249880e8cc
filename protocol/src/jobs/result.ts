/** What a recipient finds in a box, held against the commitment that was signed. Implements docs/spec/jobs.md, "Result". */
import type { Hex } from '../crypto/hash.js'
import { decode } from '../encoding/canonical.js'
import { commitResult } from '../secagg/commitment.js'

/** The released numbers (canonical bytes) and the salt of their commitment. */
export interface OpenedResult {
  readonly released: Uint8Array
  readonly salt: Uint8Array
}

/** `subject` is what the commitment is bound to: a round, or the job of a train. */
export function fittingResult(plain: Uint8Array, subject: Hex, commitment: Hex): OpenedResult | undefined {
  try {
    const { released, salt } = decode(plain) as { released?: unknown; salt?: unknown }
    const isPair = released instanceof Uint8Array && salt instanceof Uint8Array
    return isPair && commitResult(salt, released, subject) === commitment ? { released, salt } : undefined
  } catch {
    return undefined
  }
}
