/**
 * What an operator declares of a source that is no single file: a query over files of a folder, or resources of FHIR. It is
 * part of the version (docs/spec/jobs.md, "Datasets"), so that `dataset update` can read it again, and holds no secret.
 */
import { resolve } from 'node:path'
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

const querySchema = z.strictObject({
  /** one SELECT */
  query: z.string().trim().min(1).max(MAX_QUERY_LENGTH),
  /** where the files of the query lie; else beside the declaration */
  folder: z.string().min(1).optional(),
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

/** The fields that may stand at a path below `source`. */
export function sourceFields([first, ...rest]: readonly PropertyKey[]): readonly string[] {
  if (rest.length === 0) return [...Object.keys(querySchema.shape), ...FHIR_SOURCE_FIELDS]
  return first === 'fhir' ? FHIR_SERVER_FIELDS : FHIR_COLUMN_FIELDS
}

/** Throws `BadMapping` for what the schema alone cannot see. */
export async function checkSource(source: DeclaredSource): Promise<void> {
  if (isFhir(source)) await compileMapping(source)
}

/** With paths that mean the same wherever a command runs. `base`: what relative ones begin in. */
export const anchored = (source: DeclaredSource, base: string): DeclaredSource =>
  isFhir(source) ? anchoredFhir(source, base) : { ...source, folder: resolve(base, source.folder ?? '.') }

/** For a person, in one line. */
export const sourceText = (source: DeclaredSource): string =>
  isFhir(source) ? fhirText(source) : `${source.query.replace(/\s+/g, ' ')} (files of ${source.folder})`
