/**
 * The certificate: what the hub says of one member. It is the body of an `enrol` statement and has no life outside the
 * log. Implements docs/spec/identity.md, certificates. It does not show that the member behaves.
 */
import { z } from 'zod'
import { hexSchema } from '../encoding/signed.js'

/** Names of members, organisations, committees and reviewers: lowercase, so that no two differ only in their case. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be 1 to 64 lowercase letters, digits, dots, dashes or underscores')

/** Do not reorder: certificates list roles in this order. */
export const ROLES = ['site', 'aggregator', 'researcher', 'relay'] as const

/** Each role at most once, in the order of ROLES: one set, one encoding. */
export const rolesSchema = z
  .array(z.enum(ROLES))
  .min(1)
  .refine(
    (roles) => roles.every((role, at) => at === 0 || ROLES.indexOf(roles[at - 1] as Role) < ROLES.indexOf(role)),
    {
      message: `must be distinct and in the order ${ROLES.join(', ')}`,
    },
  )

type Role = (typeof ROLES)[number]

const timeSchema = z.int().min(0)

export const certificateSchema = z
  .strictObject({
    name: nameSchema,
    organisation: nameSchema,
    roles: rolesSchema,
    /** Ed25519; the libp2p peer id derives from it */
    key: hexSchema,
    /** X25519; results and states are sealed to it */
    sealingKey: hexSchema,
    /** milliseconds since 1970, inclusive */
    notBefore: timeSchema,
    /** milliseconds since 1970, exclusive */
    notAfter: timeSchema,
  })
  .refine((certificate) => certificate.notBefore < certificate.notAfter, { message: 'is never valid' })

export type Certificate = z.infer<typeof certificateSchema>
