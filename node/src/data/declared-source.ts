/**
 * What an operator declares of a source that is no single file: a query over files of a folder. It is part of the version
 * (docs/spec/jobs.md, "Datasets"), so that `dataset update` can read it again, and holds no secret.
 */
import { resolve } from 'node:path'
import { z } from 'zod'

const MAX_QUERY_LENGTH = 100_000

export const sourceSchema = z.strictObject({
  /** one SELECT */
  query: z.string().trim().min(1).max(MAX_QUERY_LENGTH),
  /** where the files of the query lie; else beside the declaration */
  folder: z.string().min(1).optional(),
})
export type DeclaredSource = z.infer<typeof sourceSchema>
export const SOURCE_FIELDS = Object.keys(sourceSchema.shape)

/** With paths that mean the same wherever a command runs. `base`: what relative ones begin in. */
export const anchored = (source: DeclaredSource, base: string): DeclaredSource => ({
  ...source,
  folder: resolve(base, source.folder ?? '.'),
})

/** For a person, in one line. */
export const sourceText = ({ query, folder }: DeclaredSource): string =>
  `${query.replace(/\s+/g, ' ')} (files of ${folder})`
