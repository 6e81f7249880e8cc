/**
 * What an operator declares about a file: its form, and the columns that are not what they look like; in a YAML file beside
 * the data, by options, or both. Implements docs/spec/jobs.md, "Datasets". What is not declared is guessed (schema.ts).
 */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { CATALOGUE_FIELDS, type CatalogueEntry, catalogueSchema } from '@flamesh/protocol/jobs/catalogue.js'
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { z } from 'zod'
import { parsePlacedYaml, readText } from '../config/read-file.js'
import { SEPARATORS } from './csv.js'
import { anchored, checkSource, SOURCE_FIELDS, sourceSchema } from './declared-source.js'
import { DERIVE_FIELDS, type Derive, deriveSchema } from './derive.js'
import { ENCODINGS } from './encoding.js'
import { BadMapping } from './fhir/mapping.js'
import { DATE_FORMATS, DECIMALS, THOUSANDS } from './values.js'

const MAX_DESCRIPTION_BYTES = 1 << 20
const MAX_TOKENS = 64

/** Numbers are read as they are written in YAML; the word null has to stand in quotes, since it is no word without. */
const token = z.union([z.string(), z.number()], { error: 'a text or a number; put the word null in quotes' })
const tokens = z.array(token.transform(String)).max(MAX_TOKENS)
const separator = z.preprocess((given) => (given === 'tab' ? '\t' : given), z.enum(SEPARATORS))

const columnSchema = z.strictObject({
  /** `date` is kept as the whole number of days since the epoch, `text` is not kept */
  type: z.enum(['integer', 'number', 'level', 'date', 'text']).optional(),
  decimal: z.enum(DECIMALS).optional(),
  thousands: z.enum(THOUSANDS).optional(),
  missing: tokens.optional(),
  /** of dates */
  format: z.enum(DATE_FORMATS).optional(),
  epoch: z.iso.date().optional(),
  /** false: read for `derive`, and then forgotten */
  keep: z.boolean().optional(),
})
export type DeclaredColumn = z.infer<typeof columnSchema>

export const declarationSchema = z.strictObject({
  encoding: z.enum(ENCODINGS).optional(),
  separator: separator.optional(),
  decimal: z.enum(DECIMALS).optional(),
  thousands: z.enum(THOUSANDS).optional(),
  /** in the place of the usual tokens; an empty field is always missing */
  missing: tokens.optional(),
  epoch: z.iso.date().optional(),
  columns: z.record(z.string(), columnSchema).optional(),
  /** new columns, or others in the place of those of the file */
  derive: z.record(z.string().min(1).max(128), deriveSchema).optional(),
  /** where the rows come from, if not from one file */
  source: sourceSchema.optional(),
})
export type Declaration = z.infer<typeof declarationSchema>

/** Texts of several lines become one. */
const oneLine = (value: unknown): unknown => {
  if (typeof value === 'string') return value.trim().replace(/\s+/g, ' ')
  if (Array.isArray(value)) return value.map(oneLine)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, oneLine(part)]))
}

/** A file may also say what the mesh is told of the dataset in words; that is no part of how the rows are read. */
const fileSchema = declarationSchema.extend({ catalogue: z.preprocess(oneLine, catalogueSchema).optional() })

export interface Written {
  readonly declaration: Declaration
  readonly catalogue: CatalogueEntry | undefined
}

/** What is declared of one column; a name such as `constructor` is a name like any other. */
export const declaredColumn = ({ columns = {} }: Declaration, name: string): DeclaredColumn =>
  Object.hasOwn(columns, name) ? (columns[name] as DeclaredColumn) : {}

export const declaredDerive = ({ derive = {} }: Pick<Declaration, 'derive'>, name: string): Derive | undefined =>
  Object.hasOwn(derive, name) ? derive[name] : undefined

function invalid(
  message: string,
  hint: string | undefined,
  meta: Readonly<Record<string, string | number>> = {},
): FlameshError {
  return new FlameshError('declaration-invalid', message, { meta, ...(hint === undefined ? {} : { hint }) })
}

const FIELDS = Object.keys(fileSchema.shape)
const FIELDS_OF: Readonly<Record<string, readonly string[]>> = {
  columns: Object.keys(columnSchema.shape),
  derive: DERIVE_FIELDS,
  catalogue: CATALOGUE_FIELDS,
  ...SOURCE_FIELDS,
}

/** The fields that may stand where the last part of a path stands. */
function fieldsAt(path: readonly PropertyKey[]): readonly string[] {
  const above = [path.length - 1, 2, 1].map((length) => FIELDS_OF[path.slice(0, length).join('.')])
  return path.length === 1 ? FIELDS : (above.find((fields) => fields !== undefined) ?? FIELDS)
}

/** Throws `file-not-found`, `file-unusable`, `yaml-invalid`, and `declaration-invalid` with line and column. */
export async function readDeclaration(file: string): Promise<Written> {
  const { value, placeOf } = await parsePlacedYaml(await readText(file, MAX_DESCRIPTION_BYTES), file)
  const parsed = fileSchema.safeParse(value ?? {})
  const wrong = (path: readonly PropertyKey[], message: string, hint: string | undefined): FlameshError => {
    const place = placeOf(path)
    const where = [
      file,
      ...(place === undefined ? [] : [`line ${place.line}, column ${place.column}`]),
      ...(path.length === 0 ? [] : [path.join('.')]),
    ].join(': ')
    return invalid(`${where}: ${message}`, hint, { file, path: path.join('.'), ...place })
  }
  if (parsed.success) {
    const { source, catalogue, ...rest } = parsed.data
    if (source === undefined) return { declaration: rest, catalogue }
    await checkSource(source).catch((error: unknown) => {
      throw error instanceof BadMapping ? wrong(['source', ...error.path], error.reason, error.hint) : error
    })
    return { declaration: { ...rest, source: anchored(source, dirname(resolve(file))) }, catalogue }
  }
  const [issue] = parsed.error.issues
  const unknown = issue?.code === 'unrecognized_keys'
  const path = [...(issue?.path ?? []), ...(unknown ? issue.keys.slice(0, 1) : [])]
  throw unknown
    ? wrong(path, 'there is no such field', suggest(String(path.at(-1)), fieldsAt(path)))
    : wrong(path, issue?.message ?? 'is not valid', 'see docs/reference/datasets.md')
}

/** The file that describes a table unless another one is named. */
export const declarationBeside = (file: string): string => `${file}.yaml`

/** The named declaration, or the one beside the data, or an empty one. */
export async function declaredBy(
  file: string | undefined,
  named: string | undefined,
): Promise<Written & { readonly from: string | undefined }> {
  const beside = file === undefined ? undefined : declarationBeside(file)
  const from = named ?? (beside !== undefined && existsSync(beside) ? beside : undefined)
  return { ...(from === undefined ? { declaration: {}, catalogue: undefined } : await readDeclaration(from)), from }
}

/** The options of the command line that declare something. */
export interface DeclarationOptions {
  readonly encoding?: string
  readonly separator?: string
  readonly decimal?: string
  readonly thousands?: string
  readonly missing?: readonly string[]
  readonly epoch?: string
  /** COLUMN=TYPE or COLUMN=date:FORMAT */
  readonly type?: readonly string[]
}

/** Options stand before what the file says. Throws `usage`. */
export function withOptions(declaration: Declaration, options: DeclarationOptions): Declaration {
  const { type = [], ...form } = options
  const given = Object.fromEntries(
    ['encoding', 'separator', 'decimal', 'thousands', 'missing', 'epoch'].flatMap((key) => {
      const value = form[key as keyof typeof form]
      return value === undefined ? [] : [[key, value]]
    }),
  )
  const columns: Record<string, unknown> = { ...declaration.columns }
  for (const one of type) {
    const at = one.lastIndexOf('=')
    const [typeName, format] = at < 1 ? [''] : one.slice(at + 1).split(/:(.*)/)
    if (at < 1)
      throw usage(`--type ${one} is not COLUMN=TYPE`, 'such as --type age=number or --type seen=date:dd.mm.yyyy')
    const column = one.slice(0, at)
    if (column === '__proto__') throw usage(`--type ${one}: nothing can be declared of a column __proto__`, 'rename it')
    columns[column] = {
      ...declaredColumn(declaration, column),
      type: typeName,
      ...(format === undefined || format === '' ? {} : { format }),
    }
  }
  const parsed = declarationSchema.safeParse({
    ...declaration,
    ...given,
    ...(Object.keys(columns).length === 0 ? {} : { columns }),
  })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw usage(`${(issue?.path ?? []).join('.')}: ${issue?.message ?? 'is not valid'}`, 'see docs/reference/datasets.md')
}

function usage(message: string, hint: string): FlameshError {
  return new FlameshError('usage', message, { hint })
}

/**
 * Whether the declarations can hold together, and for these columns. Throws `declaration-invalid`: a declared column
 * that the file does not have may be one that the hospital's export has lost.
 */
export function checkDeclaration(declaration: Declaration, header: readonly string[]): void {
  const { decimal = '.', columns = {} } = declaration
  for (const [name, column] of Object.entries(columns)) {
    if (!header.includes(name))
      throw invalid(`columns.${name}: the file has no such column`, suggest(name, header) ?? 'is the header as it was?')
    const dated = column.type === undefined || column.type === 'date'
    if (!dated && (column.format !== undefined || column.epoch !== undefined))
      throw invalid(`columns.${name}: only a date has a format and an epoch`, 'declare type: date')
    if (column.thousands !== undefined && column.thousands === (column.decimal ?? decimal))
      throw sameSign(`columns.${name}.`)
  }
  if (declaration.thousands !== undefined && declaration.thousands === decimal) throw sameSign('')
}

/** Throws `declaration-invalid` where the form of a text is declared of a source that has none. */
export function checkTypedDeclaration({ encoding, separator }: Declaration): void {
  for (const [field, value] of Object.entries({ encoding, separator })) {
    if (value !== undefined) throw invalid(`${field}: only a CSV file has one`, 'leave it out')
  }
}

const sameSign = (path: string): FlameshError =>
  invalid(`${path}thousands: is the decimal sign too`, 'declare both: decimal: "," with thousands: "."')
