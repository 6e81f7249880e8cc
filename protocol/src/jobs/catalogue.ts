/**
 * What a site tells of a dataset beside its columns, for whoever looks for data: terms of HealthDCAT-AP that an operator can fill
 * in. Implements docs/spec/jobs.md, "Catalogue". Free text is one line without control characters; whether any of it is true
 * nobody checks, nor whether a code is in its vocabulary.
 */
import { z } from 'zod'
import { encode } from '../encoding/canonical.js'
import { MAX_CATALOGUE_BYTES } from '../limits.js'

/** One line, so that nothing of it moves a cursor or turns the direction of writing. */
const PLAIN = /^[^\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$/
const text = (longest: number) => z.string().min(1).max(longest).regex(PLAIN, 'must be one line of printable text')
const web = z
  .string()
  .max(300)
  .regex(/^https?:\/\/[^\s<>"{}|\\^`\u007f-\uffff]+$/, 'must be a web address without spaces')
const email = z
  .string()
  .max(254)
  .regex(/^[A-Za-z0-9.!#$%&'*+/=?^_~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'must be an e-mail address')
/** As the European vocabularies write them: `EHRS`, `SNOMED-CT`, `ICD-10`. */
const code = z.string().regex(/^[A-Z][A-Z0-9-]{1,31}$/, 'must be a code such as EHRS or SNOMED-CT')
const age = z.int().min(0).max(150)

const distinct = <T extends z.ZodType<string>>(one: T, most: number) =>
  z
    .array(one)
    .min(1)
    .max(most)
    .refine((all) => new Set(all).size === all.length, 'must not be twice in the list')

const fieldsSchema = z.strictObject({
  title: text(200),
  description: text(1500).optional(),
  /** of the texts, a tag of BCP 47 */
  language: z
    .string()
    .regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language such as en or de-AT')
    .optional(),
  keywords: distinct(text(64), 24).optional(),
  /** else the site's organisation */
  publisher: z.strictObject({ name: text(200), page: web.optional() }).optional(),
  contact: z
    .strictObject({ email: email.optional(), page: web.optional() })
    .refine((given) => given.email !== undefined || given.page !== undefined, 'must be an e-mail address or a page')
    .optional(),
  page: web.optional(),
  healthCategories: distinct(code, 17).optional(),
  codingSystems: distinct(code, 24).optional(),
  /** ISO 3166, three letters */
  countries: distinct(z.string().regex(/^[A-Z]{3}$/, 'must be a country of three letters, such as DEU'), 24).optional(),
  period: z
    .strictObject({ from: z.iso.date().optional(), to: z.iso.date().optional() })
    .refine(({ from, to }) => from !== undefined || to !== undefined, 'must have a beginning or an end')
    .refine(({ from = '', to = '9999' }) => from <= to, 'must not end before it begins')
    .optional(),
  minimumAge: age.optional(),
  maximumAge: age.optional(),
  population: text(500).optional(),
  /** every row is a person of its own */
  individuals: z.boolean().optional(),
  accessRights: z.enum(['public', 'restricted', 'non-public']).optional(),
  licence: web.optional(),
  legislation: distinct(web, 8).optional(),
})

export const catalogueSchema = fieldsSchema
  .refine(({ minimumAge = 0, maximumAge = 150 }) => minimumAge <= maximumAge, {
    path: ['maximumAge'],
    message: 'must not be below minimumAge',
  })
  .refine(
    (entry) => encode(entry).length <= MAX_CATALOGUE_BYTES,
    `must not take more than ${MAX_CATALOGUE_BYTES} bytes`,
  )
export type CatalogueEntry = z.infer<typeof catalogueSchema>

export const CATALOGUE_FIELDS: readonly string[] = Object.keys(fieldsSchema.shape)
