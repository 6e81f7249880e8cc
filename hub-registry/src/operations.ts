/**
 * What the operator can ask of the hub, as data: the commands say it to the serving process over the control socket, or to
 * a hub they open themselves, and either way `perform` does it.
 */
import { analysisHash, findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decodeSigned, hexSchema } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { decodeBase64 } from '@flamesh/protocol/identity/base.js'
import { nameSchema, ROLES } from '@flamesh/protocol/identity/certificate.js'
import { type ImageAttestation, imageByDigest, memberByName } from '@flamesh/protocol/identity/roster.js'
import type { Entry } from '@flamesh/protocol/identity/statements.js'
import { digestSchema } from '@flamesh/protocol/images/description.js'
import { MAX_STATEMENT_BYTES } from '@flamesh/protocol/limits.js'
import { z } from 'zod'
import type { Hub } from './hub.js'
import { rosterView } from './roster-view.js'

const DAY_MS = 24 * 3_600_000
/** Ten years: beyond this a certificate is not a decision any more. */
const MAX_VALID_DAYS = 3650
const MAX_INVITE_DAYS = 90
const textSchema = z.string().min(1).max(500)
const analysisSchema = z.string().min(1).max(256)

export const operationSchema = z.discriminatedUnion('operation', [
  z.strictObject({
    operation: z.literal('invite'),
    name: nameSchema,
    organisation: nameSchema,
    roles: z.array(z.enum(ROLES)).min(1),
    validDays: z.int().min(1).max(MAX_VALID_DAYS),
    expiresDays: z.int().min(1).max(MAX_INVITE_DAYS),
  }),
  z.strictObject({
    operation: z.literal('committee'),
    name: nameSchema,
    /** names, in seat order */
    members: z.array(nameSchema).min(1),
    datasets: z.array(z.string()).min(1),
    /** names of the committees that serve some of these datasets now */
    succeeds: z.array(nameSchema).default([]),
  }),
  z.strictObject({
    operation: z.literal('attest'),
    analysis: analysisSchema,
    analysisHash: hexSchema.optional(),
    reviewers: z.array(z.string()).min(1),
  }),
  z.strictObject({
    operation: z.literal('withdraw'),
    analysis: analysisSchema,
    analysisHash: hexSchema.optional(),
    reason: textSchema,
  }),
  /** the reviews of one description, collected in one signed object, in base64 */
  z.strictObject({ operation: z.literal('attest-image'), review: z.string().max(2 * MAX_STATEMENT_BYTES) }),
  z.strictObject({ operation: z.literal('withdraw-image'), digest: digestSchema, reason: textSchema }),
  z.strictObject({
    operation: z.literal('floor'),
    threshold: z.int().min(1),
    reviewers: z.array(z.string()).min(1),
    /** of each reviewer, in the same order */
    keys: z.array(hexSchema).optional(),
  }),
  z.strictObject({ operation: z.literal('revoke'), name: nameSchema, reason: textSchema }),
  z.strictObject({ operation: z.literal('roster') }),
  z.strictObject({ operation: z.literal('verify'), hubKey: hexSchema.optional() }),
])
export type Operation = z.infer<typeof operationSchema>

export type OperationResult = Readonly<Record<string, unknown>>

/** Does one operation. Throws FlameshError; nothing has changed then. */
export async function perform(hub: Hub, operation: Operation): Promise<OperationResult> {
  switch (operation.operation) {
    case 'invite': {
      const { name, organisation, validDays, expiresDays } = operation
      const roles = ROLES.filter((role) => operation.roles.includes(role))
      const request = { name, organisation, roles, validForMs: validDays * DAY_MS, expiresInMs: expiresDays * DAY_MS }
      const { invite, expiresAt } = await hub.invite(request)
      return { invite, name, organisation, roles, expiresAt: new Date(expiresAt).toISOString() }
    }
    case 'committee': {
      const { name, datasets } = operation
      const members = seats(hub, operation.members)
      const succeeds = committees(hub, operation.succeeds)
      const entry = { type: 'name-committee' as const, name, members, datasets }
      const said = { name, members: operation.members, datasets, succeeds: operation.succeeds }
      return append(hub, succeeds.length === 0 ? entry : { ...entry, succeeds }, said)
    }
    case 'attest': {
      const { analysis, reviewers } = operation
      const hash = operation.analysisHash ?? builtInHash(analysis)
      return append(
        hub,
        { type: 'attest-analysis', analysis, analysisHash: hash, reviewers },
        { analysis, hash, reviewers },
      )
    }
    case 'withdraw': {
      const { analysis, reason } = operation
      const hash = operation.analysisHash ?? builtInHash(analysis)
      return append(
        hub,
        { type: 'withdraw-analysis', analysis, analysisHash: hash, reason },
        { analysis, hash, reason },
      )
    }
    case 'floor': {
      const { threshold, reviewers, keys } = operation
      const said = { threshold, reviewers, ...(keys === undefined ? {} : { keys }) }
      return append(hub, { type: 'set-policy-floor', ...said }, said)
    }
    case 'attest-image':
      return attestImage(hub, operation.review)
    case 'withdraw-image': {
      const { digest, reason } = operation
      const { hash, description } = imageByDigest(hub.state.roster, digest) ?? {}
      return append(hub, { type: 'withdraw-image', digest, reason }, { image: description?.image, hash, reason })
    }
    case 'revoke': {
      const { name, reason } = operation
      const key = keyOf(hub, name)
      return append(hub, { type: 'revoke', key, reason }, { name, key, reason })
    }
    case 'roster':
      return rosterView(hub)
    case 'verify': {
      const hubKey = operation.hubKey ?? hub.key
      return verifyView(await hub.verify(hubKey), hubKey)
    }
  }
}

export function verifyView(state: Hub['state'], hubKey: Hex): OperationResult {
  const checkpoint = state.checkpoint?.body
  const signedAt = new Date(checkpoint?.timestamp ?? 0).toISOString()
  return { verified: true, hubKey, size: state.leaves.length, root: checkpoint?.root, signedAt }
}

/** What to do about a rule that the log would break. */
const HINTS: Readonly<Record<string, string>> = {
  'dataset-served': 'to replace that committee, name it: --succeeds NAME',
  'floor-not-in-force': 'another floor was set just now: see "flamesh-hub roster", and attest again',
  'image-withdrawn': 'describe the image as it is now, and have that description reviewed',
  'no-policy-floor': 'say who reviews: flamesh-hub floor --threshold NUMBER --reviewer NAME=KEY …',
  'reviewer-unknown': '"flamesh-hub roster" lists the reviewers; "flamesh-hub floor" says who they are',
  'reviewers-missing': 'name each with --reviewer; of an image, give the review of each with --review',
}

async function append(hub: Hub, entry: Entry, said: OperationResult): Promise<OperationResult> {
  try {
    return { index: await hub.append(entry), ...said }
  } catch (error) {
    if (!(error instanceof FlameshError)) throw error
    const hint = HINTS[error.code]
    throw hint === undefined ? error : new FlameshError(error.code, error.message, { hint, cause: error })
  }
}

async function attestImage(hub: Hub, text: string): Promise<OperationResult> {
  const review = decodeSigned(decodeBase64(text))
  // without a floor there is none to name, and the fold says so
  const floor = hub.state.roster.policyFloor?.index ?? 0
  const { index } = (await append(hub, { type: 'attest-image', review, floor }, {})) as { index: number }
  const made = [...hub.state.roster.images.values()].find((one) => one.index === index) as ImageAttestation
  return { index, image: made.description.image, hash: made.hash, reviewers: made.reviewers }
}

/** Indices of the named committees, ascending. */
function committees(hub: Hub, names: readonly string[]): number[] {
  const known = [...hub.state.roster.committees.values()]
  const indices = names.map((name) => {
    const found = known.find((one) => one.name === name)
    if (found === undefined)
      throw new FlameshError('not-succeeded', `there is no committee named ${name}`, {
        hint: '"flamesh-hub roster" lists the committees',
      })
    return found.index
  })
  return [...new Set(indices)].sort((a, b) => a - b)
}

/** The hash of a built-in analysis, of the newest version this hub knows. */
function builtInHash(name: string): Hex {
  const analysis = findAnalysis(name)
  if (analysis !== undefined) return analysisHash(analysis.name, analysis.version)
  throw new FlameshError('analysis-unknown', `${name} is not a built-in analysis`, {
    hint: 'give its content hash: --hash HEX',
  })
}

function keyOf(hub: Hub, name: string): Hex {
  const member = memberByName(hub.state.roster, name)
  if (member !== undefined) return member.key
  const before = [...hub.state.roster.members.values()].some((one) => one.name === name)
  const message = before ? `${name} is revoked already` : `there is no member named ${name}`
  throw new FlameshError('member-not-found', message, { hint: '"flamesh-hub roster" lists the members' })
}

/** Keys of the named members; all that are missing are named at once. */
function seats(hub: Hub, names: readonly string[]): Hex[] {
  const missing = names.filter((name) => memberByName(hub.state.roster, name) === undefined)
  if (missing.length > 0) {
    const invited = new Set(hub.openInvites().map((invite) => invite.name))
    const described = missing.map((name) => (invited.has(name) ? `${name} (invited)` : name))
    throw new FlameshError('member-not-found', `not enrolled: ${described.join(', ')}`, {
      hint: 'a member is enrolled once its operator has run flamesh init with its invite',
      meta: { missing },
    })
  }
  return names.map((name) => keyOf(hub, name))
}
