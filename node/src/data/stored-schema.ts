/**
 * What is stored of a version beside its rows, `schema.json`, and how it is hashed into the version's name. Implements
 * docs/spec/jobs.md, "Datasets". It stays at the site but for `published`.
 */
import { createHmac } from 'node:crypto'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { columnDescriptionSchema, datasetAnnouncementSchema } from '@flamesh/protocol/jobs/dataset.js'
import { z } from 'zod'
import { SEPARATORS } from './csv.js'
import { declarationSchema } from './declaration.js'
import { ENCODINGS } from './encoding.js'
import { type Confirmation, type Proposal, publishedColumns } from './schema.js'
import { DECIMALS, readingSchema, THOUSANDS } from './values.js'

const storedSchema = z.strictObject({
  format: z.literal('flamesh-rows/1'),
  name: datasetAnnouncementSchema.shape.name,
  rows: z.int().min(0),
  /** what the operator declared of the file */
  declaration: declarationSchema,
  /** what a text was read by, declared or guessed; null: the columns of the source have types */
  form: z
    .strictObject({
      encoding: z.enum(ENCODINGS),
      separator: z.enum(SEPARATORS),
      decimal: z.enum(DECIMALS),
      thousands: z.enum(THOUSANDS).nullable(),
      missing: z.array(z.string()),
    })
    .nullable(),
  columns: z.array(
    z.strictObject({
      name: z.string(),
      type: columnDescriptionSchema.shape.type,
      reading: readingSchema,
      missing: z.int().min(0),
      missingAs: z.record(z.string(), z.int()),
      levels: z.array(z.strictObject({ value: z.string(), rows: z.int(), rare: z.boolean() })).optional(),
    }),
  ),
  /** what the operator confirmed of the levels */
  confirmation: z.strictObject({
    rareLevels: z.union([z.boolean(), z.array(z.string())]),
    withheld: z.array(z.string()),
  }),
  /** what follows from it: the only part another node ever sees */
  published: z.array(columnDescriptionSchema),
})
export type StoredSchema = z.infer<typeof storedSchema>

/** A dataset as its own site sees it: exact counts, every level. */
export interface StoredDataset extends StoredSchema {
  readonly version: Hex
}

/** Throws `dataset-damaged`. */
export function parseSchema(text: string, name: string): StoredSchema {
  try {
    return storedSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new FlameshError('dataset-damaged', `the schema of dataset ${name} is not as it was written`, {
      meta: { dataset: name },
      hint: 'add the dataset again from its source',
      cause,
    })
  }
}

/** To be given the rows, too. */
export function versionHash(salt: Uint8Array, schema: string): ReturnType<typeof createHmac> {
  return createHmac('sha256', salt)
    .update(`flamesh/dataset/1\0${Buffer.byteLength(schema)}\0`)
    .update(schema)
}

export function storedSchemaOf(name: string, proposal: Proposal, confirmation: Confirmation): StoredSchema {
  const { rows, declaration, form } = proposal
  const { rareLevels = false, withheld = [] } = confirmation
  return {
    format: 'flamesh-rows/1',
    name,
    rows,
    declaration,
    form:
      form === undefined
        ? null
        : {
            encoding: form.encoding.value,
            separator: form.separator.value,
            decimal: form.decimal.value,
            thousands: form.thousands.value,
            missing: [...form.missing.value],
          },
    columns: proposal.columns.map(({ name: column, type, reading, missing: count, missingAs, levels }) => ({
      name: column,
      type,
      reading,
      missing: count,
      missingAs,
      ...(levels === undefined ? {} : { levels: levels.map((level) => ({ ...level })) }),
    })),
    confirmation: {
      rareLevels: typeof rareLevels === 'boolean' ? rareLevels : [...rareLevels],
      withheld: [...withheld],
    },
    published: publishedColumns(proposal.columns, confirmation),
  }
}
