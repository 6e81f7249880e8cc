/**
 * Checkpoints: the hub's signature under the size and the root of its log at a time. Implements docs/spec/identity.md,
 * checkpoints. One checkpoint cannot show that others saw the same log: nodes compare theirs (sync.ts).
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import {
  decodeSigned,
  encodeSigned,
  hexSchema,
  type Kind,
  openSigned,
  type Signer,
  signObject,
} from '../encoding/signed.js'
import { FlameshError } from '../errors.js'

export const checkpointSchema = z.strictObject({
  /** which log: `logOrigin` of the hub's key */
  origin: z.string().max(128),
  /** statements covered */
  size: z.int().min(0),
  /** Merkle root over their payloads (RFC 6962) */
  root: hexSchema,
  /** milliseconds since 1970, by the hub's clock */
  timestamp: z.int().min(0),
})
export type Checkpoint = z.infer<typeof checkpointSchema>

export const CHECKPOINT: Kind<Checkpoint> = { kind: 'checkpoint', version: 1, schema: checkpointSchema }

/** A checkpoint is four short fields and one signature. */
export const MAX_CHECKPOINT_BYTES = 1024

export function logOrigin(hubKey: Hex): string {
  return `flamesh-log/${hubKey}`
}

export function signCheckpoint(size: number, root: Hex, timestamp: number, hub: Signer): Uint8Array {
  const body: Checkpoint = { origin: logOrigin(hub.publicKey), size, root, timestamp }
  return encodeSigned(signObject(CHECKPOINT.kind, CHECKPOINT.version, body, hub))
}

/** Opens a checkpoint signed by the hub and nobody else. Throws `encoding`, `schema` or `signature`. */
export function openCheckpoint(bytes: Uint8Array, hubKey: Hex): Checkpoint {
  if (bytes.length > MAX_CHECKPOINT_BYTES) throw new FlameshError('schema', 'too large for a checkpoint')
  const signed = decodeSigned(bytes)
  if (signed.signatures.length !== 1 || signed.signatures[0]?.signer !== hubKey) {
    throw new FlameshError('signature', 'the checkpoint is not signed by this hub', { meta: { hubKey } })
  }
  const { body } = openSigned(signed, CHECKPOINT)
  if (body.origin !== logOrigin(hubKey)) throw new FlameshError('schema', 'the checkpoint is of another log')
  return body
}
