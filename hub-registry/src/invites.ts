/**
 * Invites as the hub keeps them: what the member will be, and the secret until it is used. The secret is kept because a MAC
 * needs it on both ends, and forgotten at the first use. Implements docs/spec/identity.md, enrolment.
 */
import { type Hex, sha256Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { bytesSchema, hexSchema } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { nameSchema, rolesSchema } from '@flamesh/protocol/identity/certificate.js'
import { type Enrolment, enrolmentMacFits, inviteIdSchema } from '@flamesh/protocol/identity/invite.js'
import { z } from 'zod'

const inviteRecordSchema = z.strictObject({
  id: inviteIdSchema,
  name: nameSchema,
  organisation: nameSchema,
  roles: rolesSchema,
  /** how long the certificate will be valid (milliseconds) */
  validForMs: z.int().min(1),
  /** milliseconds since 1970 */
  expiresAt: z.int().min(0),
  status: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('open'), secret: bytesSchema }),
    /** the request that used it may be repeated: its answer may have been lost */
    z.strictObject({ kind: z.literal('used'), request: hexSchema, index: z.int().min(0) }),
  ]),
})
export type InviteRecord = z.infer<typeof inviteRecordSchema>

export const encodeInviteRecord = (record: InviteRecord): Uint8Array => encode(record)

export function decodeInviteRecord(bytes: Uint8Array): InviteRecord {
  const parsed = inviteRecordSchema.safeParse(decode(bytes))
  if (!parsed.success) throw new FlameshError('log-damaged', 'an invite in the store is not readable')
  return parsed.data
}

export const requestHash = (request: Uint8Array): Hex => sha256Hex(request)

export type InviteCheck =
  | { readonly kind: 'enrol'; readonly invite: InviteRecord }
  /** this very request was granted before, at `index` */
  | { readonly kind: 'repeat'; readonly index: number }

/** May this request use this invite? Throws `invite-unknown`, `invite-used`, `invite-expired` or `invite-mac`. */
export function checkInvite(
  invite: InviteRecord | undefined,
  enrolment: Enrolment,
  request: Uint8Array,
  nowMs: number,
): InviteCheck {
  if (invite === undefined) {
    throw new FlameshError('invite-unknown', 'this hub did not give out such an invite, or replaced it', {
      hint: 'ask the operator of the hub for a new invite',
    })
  }
  if (invite.status.kind === 'used') {
    if (invite.status.request === requestHash(request)) return { kind: 'repeat', index: invite.status.index }
    throw new FlameshError('invite-used', 'this invite was used before', {
      hint: 'an invite serves once: ask for a new one, and if it was not you who used it, ask for the member to be revoked',
    })
  }
  if (!enrolmentMacFits(invite.status.secret, enrolment)) {
    throw new FlameshError('invite-mac', 'the request does not prove possession of the invite')
  }
  if (nowMs >= invite.expiresAt) {
    throw new FlameshError('invite-expired', 'this invite has expired', { hint: 'ask for a new one' })
  }
  return { kind: 'enrol', invite }
}
