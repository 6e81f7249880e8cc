/**
 * What an operator declares of a source that is no single file: a query, over files of a folder or in a PostgreSQL database. It
 * is part of the version (docs/spec/jobs.md, "Datasets"), so that `dataset update` can read it again, and holds no secret.
 */
import { resolve } from 'node:path'
import { durationMs } from '@flamesh/protocol/jobs/document.js'
import { z } from 'zod'

const MAX_QUERY_LENGTH = 100_000
/** Of one statement: whoever waits longer says so. */
const DEFAULT_TIMEOUT = '10m'

const postgresSchema = z.strictObject({
  /** a name or an address, or the folder of a Unix socket */
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535).default(5432),
  database: z.string().min(1).max(128),
  user: z.string().min(1).max(128),
  /** a file that only its owner can read; else as PostgreSQL's own programs find a password */
  password_file: z.string().min(1).optional(),
  /** `none`: by default only on this machine */
  tls: z.enum(['verify-full', 'none']).optional(),
  /** certificates of authorities in PEM, in the place of those that Node.js knows */
  ca_file: z.string().min(1).optional(),
  timeout: z
    .string()
    .refine((text) => (durationMs(text) ?? 0) > 0, 'a duration, such as 30s, 10m or 2h')
    .default(DEFAULT_TIMEOUT),
})
export type DeclaredPostgres = z.infer<typeof postgresSchema>

export const sourceSchema = z
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
export type DeclaredSource = z.infer<typeof sourceSchema>
/** By the path of the object they belong to. */
export const SOURCE_FIELDS = {
  source: Object.keys(sourceSchema.shape),
  'source.postgres': Object.keys(postgresSchema.shape),
} as const

/** With paths that mean the same wherever a command runs. `base`: what relative ones begin in. */
export function anchored(source: DeclaredSource, base: string): DeclaredSource {
  const { postgres } = source
  if (postgres === undefined) return { ...source, folder: resolve(base, source.folder ?? '.') }
  const { password_file, ca_file } = postgres
  const files = {
    ...(password_file === undefined ? {} : { password_file: resolve(base, password_file) }),
    ...(ca_file === undefined ? {} : { ca_file: resolve(base, ca_file) }),
  }
  return { ...source, postgres: { ...postgres, ...files } }
}

/** For a person, in one line. */
export function sourceText({ query, folder, postgres }: DeclaredSource): string {
  const where =
    postgres === undefined
      ? `files of ${folder}`
      : `PostgreSQL at ${postgres.host}:${postgres.port}, database ${postgres.database}, as ${postgres.user}`
  return `${query.replace(/\s+/g, ' ')} (${where})`
}
