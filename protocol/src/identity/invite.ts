/**
 * Enrolment by one-time invite: the hub's operator hands the invite over by a channel of their own, the node proves that
 * it holds it by a MAC over its public keys, and the secret never travels. Implements docs/spec/identity.md, enrolment.
 * Whoever reads the invite before it is used can enrol in its place.
 */
import { z } from 'zod'
import { bytesToHex, concatBytes, equalBytes, type Hex, hexToBytes, hmacSha256, utf8ToBytes } from '../crypto/hash.js'
import { encode } from '../encoding/canonical.js'
import {
  bytesSchema,
  decodeSigned,
  encodeSigned,
  hexSchema,
  type Kind,
  openSigned,
  type Signer,
  signObject,
} from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { decodeBase32, encodeBase32 } from './base.js'

const INVITE_PREFIX = 'flamesh-invite-'
const ID_BYTES = 8
export const INVITE_SECRET_BYTES = 32
const MAC_DOMAIN = utf8ToBytes('flamesh/enrolment-mac/1\0')

export interface Invite {
  /** 16 hex characters; not secret */
  readonly id: string
  /** 32 random bytes, known to the hub and to whoever was given the invite */
  readonly secret: Uint8Array
}

export const inviteIdSchema = z.string().regex(/^[0-9a-f]{16}$/)

const enrolmentSchema = z.strictObject({
  /** id of the invite */
  invite: inviteIdSchema,
  hubKey: hexSchema,
  key: hexSchema,
  sealingKey: hexSchema,
  /** HMAC-SHA256 under the invite's secret over the fields above */
  mac: bytesSchema,
})
export type Enrolment = z.infer<typeof enrolmentSchema>

/** Signed by `key` itself: the proof that its holder asks. */
export const ENROLMENT: Kind<Enrolment> = { kind: 'enrolment', version: 1, schema: enrolmentSchema }

/** An invite from 40 random bytes. */
export function makeInvite(random: Uint8Array): Invite {
  return { id: bytesToHex(random.slice(0, ID_BYTES)), secret: random.slice(ID_BYTES, ID_BYTES + INVITE_SECRET_BYTES) }
}
export const INVITE_RANDOM_BYTES = ID_BYTES + INVITE_SECRET_BYTES

export function formatInvite(invite: Invite): string {
  return INVITE_PREFIX + encodeBase32(concatBytes(hexToBytes(invite.id), invite.secret))
}

/** Throws `invite-malformed`. */
export function parseInvite(text: string): Invite {
  const trimmed = text.trim()
  try {
    if (!trimmed.startsWith(INVITE_PREFIX)) throw new FlameshError('encoding', 'no prefix')
    const bytes = decodeBase32(trimmed.slice(INVITE_PREFIX.length))
    if (bytes.length !== INVITE_RANDOM_BYTES) throw new FlameshError('encoding', 'wrong length')
    return makeInvite(bytes)
  } catch (cause) {
    throw new FlameshError('invite-malformed', 'this is not an invite', {
      hint: `copy the whole line that flamesh-hub invite printed; it begins with ${INVITE_PREFIX}`,
      cause,
    })
  }
}

function enrolmentMac(secret: Uint8Array, body: Omit<Enrolment, 'mac'>): Uint8Array {
  const { invite, hubKey, key, sealingKey } = body
  return hmacSha256(secret, MAC_DOMAIN, encode({ invite, hubKey, key, sealingKey }))
}

/** The encoded request with which the holder of `signer` enrols. The same inputs give the same bytes, so it may be sent again. */
export function signEnrolment(invite: Invite, hubKey: Hex, sealingKey: Hex, signer: Signer): Uint8Array {
  const body = { invite: invite.id, hubKey, key: signer.publicKey, sealingKey }
  const mac = enrolmentMac(invite.secret, body)
  return encodeSigned(signObject(ENROLMENT.kind, ENROLMENT.version, { ...body, mac }, signer))
}

/** The request, signed by the very key it enrols. The MAC is not yet checked. Throws `encoding`, `schema` or `signature`. */
export function openEnrolment(bytes: Uint8Array): Enrolment {
  const { body, signers } = openSigned(decodeSigned(bytes), ENROLMENT)
  if (signers.length !== 1 || signers[0] !== body.key)
    throw new FlameshError('signature', 'the request is not signed by its own key')
  return body
}

export function enrolmentMacFits(secret: Uint8Array, enrolment: Enrolment): boolean {
  return equalBytes(enrolmentMac(secret, enrolment), enrolment.mac)
}
