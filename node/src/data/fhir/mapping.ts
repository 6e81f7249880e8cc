/**
 * How resources become a table of one row a patient: each column takes one value from the resources of one type that are about
 * the patient. Implements docs/reference/datasets.md, "FHIR". Checked whole before anything is read.
 */
import { resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { z } from 'zod'
import { isLoopback } from '../../config/host-port.js'
import { BadExpression, type Expression, loadFhirPath } from './fhirpath.js'
import { MAX_CODES } from './limits.js'

/**
 * The types that may be read, when they hold by default (FHIRPath), and whether `code` is what they are about, so that a
 * search by it finds all of them.
 */
export const RESOURCES = {
  Patient: { by: '', searchable: false },
  Condition: { by: 'iif(onset.exists(), onset, recordedDate)', searchable: true },
  Encounter: { by: 'period', searchable: false },
  MedicationAdministration: { by: 'effective', searchable: false },
  MedicationRequest: { by: 'authoredOn', searchable: false },
  MedicationStatement: { by: 'effective', searchable: false },
  Observation: { by: 'iif(effective.exists(), effective, issued)', searchable: true },
  Procedure: { by: 'performed', searchable: true },
} as const
export type ResourceType = keyof typeof RESOURCES
const TYPES = Object.keys(RESOURCES) as ResourceType[]

export const ofMedication = (type: ResourceType): boolean => type.startsWith('Medication')

export const PICKS = ['first', 'last', 'min', 'max', 'mean', 'count', 'exists'] as const
export type PickRule = (typeof PICKS)[number]

const expression = z.string().min(1).max(4096)
const parameter = z.union([z.string(), z.number()]).transform(String)
const conversion = z.union([
  z.number().transform((times) => ({ times, plus: 0 })),
  z.strictObject({ times: z.number().default(1), plus: z.number().default(0) }),
])

const columnSchema = z
  .strictObject({
    resource: z.enum(TYPES).default('Patient'),
    /** `SYSTEM|CODE`, one or several; `SYSTEM|CODE*` is every code that begins so */
    code: z
      .union([z.string(), z.array(z.string()).min(1).max(MAX_CODES)])
      .transform((given) => (typeof given === 'string' ? [given] : given))
      .refine(
        (given) => given.every((one) => /^[^|\s]+\|[^|*]+\*?$/.test(one)),
        'has to be SYSTEM|CODE, or SYSTEM|START*',
      )
      .optional(),
    /** true for the resources that count */
    where: expression.optional(),
    /** the value, or the values, in a resource */
    path: expression.optional(),
    /** of every value of the column: the code of the quantity */
    unit: z.string().min(1).max(64).optional(),
    /** other units, and how a value in them becomes one in `unit` */
    convert: z.record(z.string(), conversion).optional(),
    pick: z.enum(PICKS).optional(),
    /** the time that `first` and `last` go by */
    by: expression.optional(),
    /** null: what does not fit is no value; without it, an error */
    otherwise: z.null().optional(),
  })
  .superRefine((column, check) => {
    const complain = (field: string, message: string): void =>
      check.addIssue({ code: 'custom', path: [field], message })
    const { resource, pick } = column
    if (resource === 'Patient') {
      for (const field of ['code', 'pick', 'by'] as const)
        if (column[field] !== undefined) complain(field, 'not of a Patient: there is one for each row')
    } else if (pick === undefined) complain('pick', `which of a patient’s: ${PICKS.join(', ')}`)
    if (resource === 'Encounter' && column.code !== undefined) complain('code', 'an Encounter has none: say where')
    const counted = pick === 'count' || pick === 'exists'
    if (!counted && column.path === undefined) complain('path', 'says where the value stands')
    if (counted && column.unit !== undefined) complain('unit', `${pick} has none`)
    if (column.convert !== undefined && column.unit === undefined) complain('convert', 'to which unit? say unit')
    if (column.by !== undefined && pick !== 'first' && pick !== 'last') complain('by', 'only with first and last')
  })
export type DeclaredFhirColumn = z.infer<typeof columnSchema>

/** What says how much is read, or what an answer looks like, is not for the operator to set. */
const OWN_PARAMETERS = ['_count', '_format', '_summary', '_elements', '_include', '_revinclude', '_sort', '_contained']

const serverSchema = z
  .strictObject({
    /** of a server, such as https://fhir.example.org/r4; with `files`, what absolute references begin with */
    base: z.url({ protocol: /^https?$/, error: 'has to be an address such as https://fhir.example.org/r4' }).optional(),
    /** bulk files (*.ndjson), or folders of them */
    files: z
      .union([z.string(), z.array(z.string()).min(1)])
      .transform((given) => (typeof given === 'string' ? [given] : given))
      .optional(),
    /** holds the bearer token; the file, like the other two, is readable by its owner alone */
    tokenFile: z.string().optional(),
    user: z.string().min(1).optional(),
    passwordFile: z.string().optional(),
    /** the authorities that the server's certificate may come from */
    ca: z.string().optional(),
    pageSize: z.int().min(1).max(10_000).default(500),
    /** a bulk export of the server instead of searches: of all it has, of its patients, or of a group */
    export: z
      .string()
      .regex(/^(system|Patient|Group\/[A-Za-z0-9.-]{1,64})$/, 'system, Patient or Group/ID')
      .optional(),
    /** search parameters for each type */
    search: z
      .partialRecord(
        z.enum(TYPES),
        z.record(z.string(), z.union([parameter.transform((one) => [one]), z.array(parameter).min(1)])),
      )
      .default({}),
  })
  .superRefine((server, check) => {
    const complain = (field: string, message: string): void =>
      check.addIssue({ code: 'custom', path: [field], message })
    if (server.base === undefined && server.files === undefined) complain('base', 'say base or files')
    if ((server.user === undefined) !== (server.passwordFile === undefined))
      complain('user', 'user and passwordFile go together')
    if (server.tokenFile !== undefined && server.user !== undefined) complain('user', 'a token or a user, not both')
    if (server.base !== undefined) checkBase(new URL(server.base), (message) => complain('base', message))
    for (const field of ['tokenFile', 'user', 'ca'] as const)
      if (server.files !== undefined && server[field] !== undefined) complain(field, 'files need none')
    if (server.export !== undefined && server.files !== undefined) complain('export', 'files are not exported')
    for (const [type, parameters] of Object.entries(server.search)) {
      if (server.export !== undefined) complain('search', 'an export is not searched: narrow with where')
      if (server.files !== undefined) complain('search', 'files are not searched')
      for (const name of OWN_PARAMETERS)
        if (Object.keys(parameters ?? {}).some((one) => one.split(':')[0] === name))
          complain('search', `${type}: ${name} is not for you to set`)
    }
  })

function checkBase(url: URL, complain: (message: string) => void): void {
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) complain('has to be https on another machine')
  if (url.username !== '' || url.password !== '') complain('holds a password: it belongs into a file, passwordFile')
  if (url.search !== '' || url.hash !== '') complain('ends with the path: parameters belong into search')
}

/** `source: { fhir, where, columns }` of a declaration. */
export const fhirSourceSchema = z.strictObject({
  fhir: serverSchema,
  /** true for the patients that are rows */
  where: expression.optional(),
  columns: z
    .record(z.string().min(1).max(128), columnSchema)
    .refine((columns) => Object.keys(columns).length > 0, 'at least one'),
})
export type FhirSource = z.infer<typeof fhirSourceSchema>
export type FhirServer = FhirSource['fhir']

/** With paths that mean the same wherever a command runs. `folder`: what relative ones begin in. */
export function anchoredFhir(source: FhirSource, folder: string): FhirSource {
  const { files, ...server } = source.fhir
  const paths = (['tokenFile', 'passwordFile', 'ca'] as const).flatMap((field) => {
    const path = server[field]
    return path === undefined ? [] : [[field, resolve(folder, path)]]
  })
  const anchoredFiles = files === undefined ? {} : { files: files.map((file) => resolve(folder, file)) }
  return { ...source, fhir: { ...server, ...Object.fromEntries(paths), ...anchoredFiles } }
}

export const FHIR_SERVER_FIELDS = Object.keys(serverSchema.shape)
export const FHIR_SOURCE_FIELDS = Object.keys(fhirSourceSchema.shape)
export const FHIR_COLUMN_FIELDS = Object.keys(columnSchema.shape)

export interface FhirColumn extends Readonly<Pick<DeclaredFhirColumn, 'resource' | 'unit' | 'convert'>> {
  readonly name: string
  /** whether one of the codes is asked for; undefined if any is */
  readonly coded: ((system: string, code: string) => boolean) | undefined
  readonly where: Expression | undefined
  readonly path: Expression | undefined
  /** undefined: of the one Patient */
  readonly pick: PickRule | undefined
  readonly by: Expression
  readonly lenient: boolean
}

export interface Mapping {
  readonly where: Expression | undefined
  readonly columns: readonly FhirColumn[]
  /** The types to read, Patient first. */
  readonly types: readonly ResourceType[]
  /** whether medications that stand in a resource of their own are asked for */
  readonly medications: boolean
}

/** A field that cannot be used; `path`: its place below `source`. */
export class BadMapping extends FlameshError {
  constructor(
    readonly path: readonly string[],
    readonly reason: string,
    hint: string | undefined,
  ) {
    super('declaration-invalid', `source.${path.join('.')}: ${reason}`, hint === undefined ? {} : { hint })
  }
}

function codesOf(codes: readonly string[]): (system: string, code: string) => boolean {
  const exact = new Set(codes.filter((one) => !one.endsWith('*')))
  const starts = codes.filter((one) => one.endsWith('*')).map((one) => one.slice(0, -1))
  return (system, code) => {
    const token = `${system}|${code}`
    return exact.has(token) || starts.some((start) => token.startsWith(start))
  }
}

/** Throws `BadMapping` for an expression that cannot be used. */
export async function compileMapping(source: Pick<FhirSource, 'where' | 'columns'>): Promise<Mapping> {
  const compile = await loadFhirPath()
  const expressionAt = (text: string, path: readonly string[], type: ResourceType): Expression => {
    try {
      return compile(text, ofMedication(type) ? ['medication'] : [])
    } catch (error) {
      if (!(error instanceof BadExpression)) throw error
      throw new BadMapping(path, error.message, error.hint)
    }
  }
  const columns = Object.entries(source.columns).map(([name, declared]): FhirColumn => {
    const { resource, code, pick, unit, convert } = declared
    const at = (field: 'where' | 'path' | 'by', text = declared[field]): Expression | undefined =>
      text === undefined ? undefined : expressionAt(text, ['columns', name, field], resource)
    return {
      ...{ name, resource, unit, convert, pick },
      coded: code === undefined ? undefined : codesOf(code),
      where: at('where'),
      path: at('path'),
      by: at('by', declared.by ?? (RESOURCES[resource].by || 'id')) as Expression,
      lenient: declared.otherwise === null,
    }
  })
  const used = new Set(columns.map(({ resource }) => resource))
  return {
    where: source.where === undefined ? undefined : expressionAt(source.where, ['where'], 'Patient'),
    columns,
    types: TYPES.filter((type) => type === 'Patient' || used.has(type)),
    medications: columns.some(
      ({ resource, coded, where, path }) =>
        ofMedication(resource) &&
        (coded !== undefined || [where, path].some((one) => one?.text.includes('%medication') === true)),
    ),
  }
}

/** For a person, in one line. */
export function fhirText({ fhir, columns }: FhirSource): string {
  const types = TYPES.filter((type) => Object.values(columns).some(({ resource }) => resource === type))
  const exported = fhir.export === undefined ? '' : ` (bulk export, ${fhir.export})`
  return `${types.join(', ')} of ${fhir.files?.join(', ') ?? fhir.base}${exported}`
}
