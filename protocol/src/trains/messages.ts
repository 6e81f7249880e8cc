/**
 * What stations sign: a hop, by which the state goes from one to the next, and a confirmation of the one end of a train.
 * Implements docs/spec/trains.md, "Hops" and "Arrival". The schemas fix the form; chain.ts checks what belongs together.
 */
import { z } from 'zod'
import { boxSchema } from '../crypto/sealing.js'
import { hexSchema, type Kind, signedSchema } from '../encoding/signed.js'
import { codeSchema } from '../jobs/messages.js'
import { MAX_STATIONS } from '../limits.js'

const positionSchema = z
  .int()
  .min(0)
  .max(MAX_STATIONS - 1)

export const skipSchema = z.strictObject({
  position: positionSchema,
  code: z.enum(['unreachable', 'refused', 'revoked']),
})
export type Skip = z.infer<typeof skipSchema>

/** How a train ended, in its last hop. */
export const arrivalSchema = z.strictObject({
  outcome: z.enum(['result', 'suppressed', 'failed']),
  /** why there is no result; `released` if there is one */
  code: codeSchema,
  /** to the released numbers; null if there are none */
  commitment: hexSchema.nullable(),
})
export type Arrival = z.infer<typeof arrivalSchema>

export const hopSchema = z.strictObject({
  job: hexSchema,
  /** of the station on the route, from 0 */
  position: positionSchema,
  /** public key of the station, which signs this */
  station: hexSchema,
  /** hash of its approval */
  decision: hexSchema,
  /** hash of the hop before; null: the train starts here */
  previous: hexSchema.nullable(),
  /** why nothing was added here; null: this station's rows are in the state */
  failed: codeSchema.nullable(),
  /** commitment to the state that leaves here */
  state: hexSchema,
  /** positions that this station left out, ascending */
  skipped: z.array(skipSchema).max(MAX_STATIONS),
  /** public key of the next station; null: the train ends here */
  next: hexSchema.nullable(),
  arrival: arrivalSchema.nullable(),
})
export type Hop = z.infer<typeof hopSchema>
export const HOP: Kind<Hop> = { kind: 'hop', version: 1, schema: hopSchema }

/** A station confirms one end of a train, and never another. */
export const confirmationSchema = z.strictObject({
  job: hexSchema,
  /** public key of the station, which signs this */
  station: hexSchema,
  /** hash of the last hop */
  last: hexSchema,
})
export type Confirmation = z.infer<typeof confirmationSchema>
export const CONFIRMATION: Kind<Confirmation> = { kind: 'confirmation', version: 1, schema: confirmationSchema }

const hopsSchema = z.array(signedSchema).min(1).max(MAX_STATIONS)
/** every hop so far; approvals of the stations in it, refusals of those that it left out for one */
const chain = {
  job: hexSchema,
  hops: hopsSchema,
  decisions: z.array(signedSchema).max(2 * MAX_STATIONS),
  /** how much the sender has said (engine/marks.ts) */
  mark: signedSchema.optional(),
}

export const trainMessages = [
  /** from one station to the next: the state, sealed to it alone */
  z.strictObject({ type: z.literal('train'), ...chain, box: boxSchema }),
  /** to the other stations: where the train is; ending in a last hop, that it has arrived */
  z.strictObject({ type: z.literal('travelling'), ...chain }),
  /** to whoever says that the train has arrived */
  z.strictObject({
    type: z.literal('confirmation'),
    job: hexSchema,
    confirmation: signedSchema,
    mark: signedSchema.optional(),
  }),
  /** from the last station, once most stations have confirmed: to the recipients with the result sealed to them */
  z.strictObject({
    type: z.literal('delivery'),
    ...chain,
    confirmations: z.array(signedSchema).max(MAX_STATIONS),
    box: boxSchema.nullable(),
  }),
] as const
