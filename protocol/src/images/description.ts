/**
 * The description of a container image: which manifest, built from what, and what leaves a site that runs it. Reviewers sign
 * it, the hub attests it, and its hash is the identity of the analysis. Implements docs/spec/images.md, "Description". It is
 * what was declared: that an image keeps to it is checked where the image runs, not here.
 */
import { z } from 'zod'
import { BOUND } from '../analyses/layout.js'
import type { Hex } from '../crypto/hash.js'
import { encode, hashOf } from '../encoding/canonical.js'
import { decimalString } from '../encoding/decimal.js'
import { hexSchema } from '../encoding/signed.js'
import { MAX_DESCRIPTION_BYTES, MAX_ROUNDS } from '../limits.js'

/** Values that `map` may write, and `reduce`: what is released names each of them. */
export const MAX_OUTCOME = 65_536
/** Do not reorder. How what the sites computed becomes a result: docs/spec/images.md, "Combining". */
export const COMBINE = ['sum', 'weighted-mean', 'reduce'] as const
/** The count by whose total a weighted mean is divided. */
export const WEIGHT = 'weight'

/** A tag may point elsewhere tomorrow, and a name without a registry depends on the engine. */
const REFERENCE =
  /^(?=[a-z0-9])(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z0-9.-]+(?=:))(?::[0-9]{1,5})?(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+@(sha256:[0-9a-f]{64})$/
const MAX_REFERENCE_LENGTH = 255 + '@sha256:'.length + 64

/** The digest in `registry/name@sha256:…`, the one way to name an image, here and where it runs; undefined: another text. */
export function digestIn(reference: string): string | undefined {
  return reference.length <= MAX_REFERENCE_LENGTH ? REFERENCE.exec(reference)?.[1] : undefined
}

/** What a site may grant beside the contract, each named in one way: groups of the one that was asked for hold its amount. */
export const RESOURCE = /^(?:gpu|memory-(?<gibibytes>[1-9][0-9]{0,3})g|time-(?<hours>[1-9][0-9]?)h)$/

export const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 lowercase hex digits')

/** REPOSITORY@DIGEST: the digest is what counts, the repository a hint where to find it. */
const imageSchema = z.string().refine((text) => digestIn(text) !== undefined, {
  message: 'must be REPOSITORY@sha256:DIGEST, with a registry and without a tag',
})

/** The one way to write a double without an exponent: its shortest digits (docs/spec/jobs.md, "The signed job"). */
const decimalSchema = z
  .string()
  .refine((text) => Number.isFinite(Number(text)) && decimalString(Number(text)) === text, {
    message: 'must be a decimal number in its shortest form',
  })
  .refine((text) => Math.abs(Number(text)) <= BOUND, { message: 'must not be beyond 2^55 in magnitude' })

/** 2^29: over the 2048 sites of the largest cohort that is 2^40, and no sum of counts is believed above it (layout.ts). */
const MAX_COUNT_UPPER = 2 ** 29

const isCount = (text: string): boolean => Number.isInteger(Number(text)) && Number(text) >= 0

const slotSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores')
      .refine((name) => name !== 'contributors', { message: 'is what every vector starts with: choose another name' }),
    kind: z.enum(['count', 'sum']),
    /** values under this name */
    length: z.int().min(1).max(MAX_OUTCOME),
    /** what each value of a site lies between, both ends included */
    lower: decimalSchema,
    upper: decimalSchema,
  })
  .refine((slot) => Number(slot.lower) < Number(slot.upper), { path: ['upper'], message: 'must be above lower' })
  .refine((slot) => slot.kind === 'sum' || (isCount(slot.lower) && isCount(slot.upper)), {
    path: ['lower'],
    message: 'of a count, and upper, must be whole numbers not below 0',
  })
  .refine((slot) => slot.kind === 'sum' || Number(slot.upper) <= MAX_COUNT_UPPER, {
    path: ['upper'],
    message: 'of a count must not be above 2^29',
  })

export type OutputSlot = z.infer<typeof slotSchema>

const isWeight = ({ name, kind, length }: OutputSlot): boolean => name === WEIGHT && kind === 'count' && length === 1

const ascending = (values: readonly string[]): boolean =>
  values.every((value, at) => at === 0 || (values[at - 1] as string) < value)

const outputSchema = z
  .array(slotSchema)
  .min(1, 'must have at least one slot')
  .max(256, 'must have at most 256 slots')
  .refine((slots) => new Set(slots.map((one) => one.name)).size === slots.length, {
    message: 'must have distinct names',
  })
  .refine((slots) => slots.every((one, at) => one.kind === 'sum' || slots[at - 1]?.kind !== 'sum'), {
    message: 'must have counts before sums',
  })
  .refine((slots) => slots.reduce((total, { length }) => total + length, 0) <= MAX_OUTCOME, {
    message: `must not hold more than ${MAX_OUTCOME} values`,
  })

export const descriptionSchema = z
  .strictObject({
    /** version of the contract between node and image: which files it reads and writes */
    contract: z.literal(1),
    image: imageSchema,
    source: z.strictObject({
      /** URL, or words that lead to it */
      location: z.string().regex(/^[^\s\p{C}]([^\p{C}]{0,298}[^\s\p{C}])?$/u, 'must be 1 to 300 printable characters'),
      commit: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, 'must be 40 or 64 lowercase hex digits'),
    }),
    /** SHA-256 of the software bill of materials */
    sbom: hexSchema,
    /** what `map` writes, in this order */
    output: outputSchema,
    /** 1, or the most that an iterative analysis takes */
    maxRounds: z.int().min(1).max(MAX_ROUNDS),
    combine: z.enum(COMBINE),
    /** what a site must grant beside the contract, by name */
    resources: z
      .array(z.string().regex(RESOURCE, 'must be gpu, memory-NUMBERg (1 to 9999) or time-NUMBERh (1 to 99)'))
      .max(16)
      .refine(ascending, { message: 'must be distinct and in ascending order' }),
  })
  .refine(({ combine, output }) => combine !== 'weighted-mean' || output.some(isWeight), {
    path: ['combine'],
    message: `needs a count named ${WEIGHT} of length 1 in output`,
  })
  .refine((description) => encode(description).length <= MAX_DESCRIPTION_BYTES, {
    message: `must not be longer than ${MAX_DESCRIPTION_BYTES} bytes`,
  })

export type ImageDescription = z.infer<typeof descriptionSchema>

/** The identity of the analysis that the image is, which jobs and policies name; the hash of every review of it. */
export function descriptionHash(description: ImageDescription): Hex {
  const before = hashes.get(description)
  if (before !== undefined) return before
  const hash = hashOf(description)
  hashes.set(description, hash)
  return hash
}

/** Descriptions never change. */
const hashes = new WeakMap<ImageDescription, Hex>()

/** Of the manifest, `sha256:` included. */
export function digestOf({ image }: ImageDescription): string {
  return image.slice(image.indexOf('@') + 1)
}

/** Where the image is found, without the digest. */
export function repositoryOf({ image }: ImageDescription): string {
  return image.slice(0, image.indexOf('@'))
}
