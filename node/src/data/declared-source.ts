/**
 * What an operator declares of a source that is no single file: a query, over files of a folder or in a PostgreSQL database, or
 * resources of FHIR. It is part of the version (docs/spec/jobs.md, "Datasets"), so that `dataset update` can read it again, and
 * holds no secret.
 */
import { resolve } from 'node:path'
import { durationMs } from '@flamesh/protocol/jobs/document.js'
import { z } from 'zod'
import {
  anchoredFhir,
  compileMapping,
  FHIR_COLUMN_FIELDS,
  FHIR_SERVER_FIELDS,
  FHIR_SOURCE_FIELDS,
  type FhirSource,
  fhirSourceSchema,
  fhirText,
} from './fhir/mapping.js'

const MAX_QUERY_LENGTH = 100_000
/** Of one statement: whoever waits longer says so. */
const DEFAULT_TIMEOUT = '10m'
/** Servers and timers count milliseconds in 31 bits: 24 days. */
const MAX_TIMEOUT_MS = 7 * 86_400_000

const postgresSchema = z.strictObject({
  /** a name or an address, or the folder of a Unix socket */
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535).default(5432),
  database: z.string().min(1).max(128),
  user: z.string().min(1).max(128),
  /** a file that only its owner can read; else as PostgreSQL's own programs find a password */
  passwordFile: z.string().min(1).optional(),
  /** `none`: by default only on this machine */
  tls: z.enum(['verify-full', 'none']).optional(),
  /** certificates of authorities in PEM, in the place of those that Node.js knows */
  ca: z.string().min(1).optional(),
  timeout: z
    .string()
    .refine((text) => {
      const ms = durationMs(text) ?? 0
      return ms > 0 && ms <= MAX_TIMEOUT_MS
    }, 'a duration such as 30s, 10m or 2h, a week at most')
    .default(DEFAULT_TIMEOUT),
})
export type DeclaredPostgres = z.infer<typeof postgresSchema>

const querySchema = z
  .strictObject({
    /** one SELECT */
    query: z.string().trim().min(1).max(MAX_QUERY_LENGTH),
    /** where the files of the query lie; else beside the declaration */
    folder: z.string().min(1).optional(),
    postgres: postgresSchema.optional(),
  })
  .refine(({ folder, postgres }) => folder === undefined || postgres === undefined, {
    path: ['folder'],
    error: 'a query to PostgreSQL reads no files',
  })
export type QuerySource = z.infer<typeof querySchema>
export type DeclaredSource = QuerySource | FhirSource

export const isFhir = (source: DeclaredSource): source is FhirSource => 'fhir' in source

/** Read as the one kind of source that its fields say, so that a mistake is named where it stands. */
export const sourceSchema = z.looseObject({}).transform((given, context): DeclaredSource => {
  const { data, error } = ('fhir' in given ? fhirSourceSchema : querySchema).safeParse(given)
  for (const issue of error?.issues ?? []) context.issues.push({ ...issue, input: given } as z.core.$ZodRawIssue)
  return data ?? z.NEVER
})
/** By the path of the object they belong to, or one above it. */
export const SOURCE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  source: [...Object.keys(querySchema.shape), ...FHIR_SOURCE_FIELDS],
  'source.postgres': Object.keys(postgresSchema.shape),
  'source.fhir': FHIR_SERVER_FIELDS,
  'source.columns': FHIR_COLUMN_FIELDS,
}

/** Throws `BadMapping` for what the schema alone cannot see. */
export async function checkSource(source: DeclaredSource): Promise<void> {
  if (isFhir(source)) await compileMapping(source)
}

/** With paths that mean the same wherever a command runs. `base`: what relative ones begin in. */
export function anchored(source: DeclaredSource, base: string): DeclaredSource {
  if (isFhir(source)) return anchoredFhir(source, base)
  const { postgres } = source
  if (postgres === undefined) return { ...source, folder: resolve(base, source.folder ?? '.') }
  const { passwordFile, ca } = postgres
  const files = {
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(base, passwordFile) }),
    ...(ca === undefined ? {} : { ca: resolve(base, ca) }),
  }
  return { ...source, postgres: { ...postgres, ...files } }
}

/** For a person, in one line. */
export function sourceText(source: DeclaredSource): string {
  if (isFhir(source)) return fhirText(source)
  const { query, folder, postgres } = source
  const where =
    postgres === undefined
      ? `files of ${folder}`
      : `PostgreSQL at ${postgres.host}:${postgres.port}, database ${postgres.database}, as ${postgres.user}`
  return `${query.replace(/\s+/g, ' ')} (${where})`
}
