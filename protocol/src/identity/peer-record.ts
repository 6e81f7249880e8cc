/**
 * Peer records: where a member says it can be reached. Signed by the member, never in the log, newest sequence wins.
 * Implements docs/spec/identity.md, peer records. An address is a hint: the connection itself proves who answers.
 */
import { z } from 'zod'
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

/** One record: a node listens on a few interfaces. */
export const MAX_ADDRESSES = 16
export const MAX_PEER_RECORD_BYTES = 4096

const peerRecordSchema = z.strictObject({
  key: hexSchema,
  /** multiaddrs as text */
  addresses: z.array(z.string().regex(/^\/[\x21-\x7e]{1,199}$/)).max(MAX_ADDRESSES),
  /** grows with every record of this key */
  sequence: z.int().min(0),
})
export type PeerRecord = z.infer<typeof peerRecordSchema>

export const PEER_RECORD: Kind<PeerRecord> = { kind: 'peer-record', version: 1, schema: peerRecordSchema }

export function signPeerRecord(addresses: readonly string[], sequence: number, signer: Signer): Uint8Array {
  const body = { key: signer.publicKey, addresses, sequence }
  return encodeSigned(signObject(PEER_RECORD.kind, PEER_RECORD.version, body, signer))
}

/** Opens a record signed by the very key it speaks for. Throws `encoding`, `schema` or `signature`. */
export function openPeerRecord(bytes: Uint8Array): PeerRecord {
  if (bytes.length > MAX_PEER_RECORD_BYTES) throw new FlameshError('schema', 'too large for a peer record')
  const { body, signers } = openSigned(decodeSigned(bytes), PEER_RECORD)
  if (signers.length !== 1 || signers[0] !== body.key)
    throw new FlameshError('signature', 'the record is not signed by its own key')
  return body
}
