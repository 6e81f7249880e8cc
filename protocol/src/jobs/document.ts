/**
 * The job document a researcher writes: its fields, defaults and units, and errors that say where a mistake is and what
 * was probably meant. Implements docs/spec/jobs.md, "The document". It reads form only; compile.ts resolves names.
 */
import { z } from 'zod'
import type { Value } from '../encoding/canonical.js'
import { decimalString } from '../encoding/decimal.js'
import { FlameshError } from '../errors.js'
import { DEFAULT_MIN_CELL, DEFAULT_MIN_COHORT } from '../limits.js'
import type { Condition } from './where.js'
import { conditionProblem } from './where.js'

/** `path` is where in the document, `cohort.minimum` or `where[0].column`. */
export function jobInvalid(path: string, problem: string, hint?: string): FlameshError {
  return new FlameshError('job-invalid', path === '' ? `the job ${problem}` : `${path}: ${problem}`, {
    meta: { path },
    ...(hint === undefined ? {} : { hint }),
  })
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

/** A hint that names the nearest of the words that would have been right, or lists a few of them. */
export function suggest(word: string, known: Iterable<string>): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_. ]/g, '')
  const ranked = [...new Set(known)].map((name) => ({ name, far: distance(plain(word.slice(0, 128)), plain(name)) }))
  ranked.sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
  const [best] = ranked
  if (best === undefined) return undefined
  if (best.far <= Math.max(1, Math.floor(word.length / 3))) return `did you mean "${best.name}"?`
  const names = ranked.map(({ name }) => name).sort()
  return `possible: ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`
}

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of `30s`, `10m`, `2h`, `7d`; undefined if it is no such thing. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  return match === null ? undefined : Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS]
}

/** A parsed YAML value as it may stand in a signed job: plain data, numbers with a fraction as decimal text. */
export function canonicalValue(value: unknown, path: string): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw jobInvalid(path, 'is not a finite number')
    if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
    return decimalString(value)
  }
  if (Array.isArray(value)) return value.map((item, index) => canonicalValue(item, `${path}[${index}]`))
  if (
    typeof value === 'object' &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  ) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, canonicalValue(item, `${path}.${key}`)]))
  }
  throw jobInvalid(path, 'is not text, a number, a list or a mapping', 'put it in quotes if it is meant as text')
}

const duration = z.string({ error: 'expected a duration such as 30s, 10m, 2h or 7d' }).transform((text, context) => {
  const ms = durationMs(text)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: `"${text.slice(0, 40)}" is not a duration: write 30s, 10m, 2h or 7d` })
  return z.NEVER
})

const scalar = z.union([z.number(), z.string()], {
  error: 'expected a number or text (quote words like "yes" or "true")',
})

const conditionSchema = z.strictObject({
  column: z.string(),
  is: scalar.optional(),
  'is-not': scalar.optional(),
  in: z.array(scalar, { error: 'expected a list' }).optional(),
  'at-least': scalar.optional(),
  'at-most': scalar.optional(),
  above: scalar.optional(),
  below: scalar.optional(),
  present: z.literal(true, { error: 'write "present: true"' }).optional(),
})

const cohortSchema = z.strictObject({
  sites: z
    .union([z.literal('any'), z.array(z.string()).min(1)], { error: 'expected "any" or a list of site names' })
    .default('any'),
  minimum: z.int().min(3, { error: 'a cohort has at least 3 organisations' }).optional(),
  approveWithin: duration.default(10 * 60_000),
})

const routeSchema = z.strictObject({
  stations: z.array(z.string(), { error: 'expected a list of site names' }).min(3, {
    error: 'a route has at least 3 stations',
  }),
  unreachable: z.enum(['skip', 'wait'], { error: 'expected "skip" or "wait"' }),
  hopWithin: duration.default(5 * 60_000),
})

const privacySchema = z.strictObject({ mechanism: z.literal('none') })

const documentSchema = z.strictObject({
  name: z.string().min(1).max(200),
  purpose: z.string().max(2000).default(''),
  analysis: z.string().optional(),
  image: z.string({ error: 'expected REPOSITORY@sha256:DIGEST' }).optional(),
  columns: z.array(z.string(), { error: 'expected a list of column names' }).min(1).optional(),
  rounds: z.int().min(1).optional(),
  dataset: z.string(),
  where: z.array(conditionSchema).default([]),
  parameters: z.unknown().default({}),
  cohort: cohortSchema.prefault({}),
  route: routeSchema.optional(),
  opening: z.enum(['committee'], { error: 'expected "committee"' }).default('committee'),
  dropout: z.enum(['pause', 'drop'], { error: 'expected "pause" or "drop"' }).optional(),
  submitWithin: duration.default(2 * 60_000),
  privacy: privacySchema.default({ mechanism: 'none' }),
  recipients: z.array(z.string(), { error: 'expected a list of names' }).min(1).optional(),
  minimumCell: z
    .int()
    .min(DEFAULT_MIN_CELL, { error: `a job can only raise the smallest cell, ${DEFAULT_MIN_CELL}` })
    .default(DEFAULT_MIN_CELL),
  maxColluding: z.int().min(0).default(1),
  expires: duration.default(2 * 3_600_000),
})
export type JobDocument = Omit<z.infer<typeof documentSchema>, 'where'> & { readonly where: readonly Condition[] }

/** The fields that may stand where a wrong one was found. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(documentSchema.shape),
  cohort: Object.keys(cohortSchema.shape),
  privacy: Object.keys(privacySchema.shape),
  route: Object.keys(routeSchema.shape),
  where: Object.keys(conditionSchema.shape),
}

export function pathText(path: readonly PropertyKey[], prefix = ''): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}${text === '' ? '' : '.'}${String(key)}`),
    prefix,
  )
}

/** The first problem a schema found, as an error about the document; `known` are the fields of an object at the root. */
export function schemaProblem(
  error: z.ZodError,
  value: unknown,
  prefix: string,
  known: readonly string[],
): FlameshError {
  // a field that does not exist says more than the one that it was meant to be
  const unknown = error.issues.find((one) => one.code === 'unrecognized_keys')
  const issue = unknown ?? (error.issues[0] as z.core.$ZodIssue)
  const path = pathText(issue.path, prefix)
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys as [string]
    return jobInvalid(pathText([key], path), 'there is no such field', suggest(key, known))
  }
  let at = value
  for (const key of issue.path)
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined
  if (at === undefined && issue.path.length > 0) return jobInvalid(path, 'is missing')
  return jobInvalid(path, issue.message.replace(/^Invalid input: /, ''))
}

/** What this version does not offer is refused by name, before the rest is read. */
function refuseNotOffered(document: Readonly<Record<string, unknown>>): void {
  if (document['opening'] === 'recipients') {
    throw new FlameshError('opening-not-offered', 'this version opens results by the committee only', {
      meta: { path: 'opening' },
      hint: 'leave "opening" out, or write "opening: committee"',
    })
  }
  const privacy = document['privacy'] as { mechanism?: unknown } | null | undefined
  const mechanism = typeof privacy === 'object' ? privacy?.mechanism : privacy
  if (mechanism !== undefined && mechanism !== 'none') {
    throw new FlameshError('privacy-not-offered', 'this version adds no noise: the only privacy mechanism is "none"', {
      meta: { path: 'privacy.mechanism' },
      hint: 'leave "privacy" out, or write "privacy: { mechanism: none }"',
    })
  }
}

/** A built-in analysis or an image, and the fields that belong to it. */
function checkSubject({ analysis, image, columns, rounds }: z.infer<typeof documentSchema>): void {
  if (analysis === undefined && image === undefined)
    throw jobInvalid('analysis', 'is missing', 'name a built-in analysis, or an image with "image:"')
  if (analysis !== undefined && image !== undefined)
    throw jobInvalid('image', 'stands beside "analysis"', 'a job is one or the other: leave one of them out')
  if (image !== undefined && columns === undefined)
    throw jobInvalid('columns', 'is missing', 'list the columns that the image is to see; it sees no others')
  if (image !== undefined) return
  const path = columns !== undefined ? 'columns' : rounds !== undefined ? 'rounds' : undefined
  if (path !== undefined)
    throw jobInvalid(path, 'belongs to an image', `leave it out: ${analysis} knows its ${path} by itself`)
}

/** The stations of a route are its cohort. */
function checkRoute({ route, cohort }: z.infer<typeof documentSchema>): void {
  if (route !== undefined && cohort.sites !== 'any')
    throw jobInvalid('cohort.sites', 'stands beside "route"', 'leave it out: the stations of the route take part')
}

function readConditions(entries: z.infer<typeof documentSchema>['where']): Condition[] {
  return entries.flatMap(({ column, ...operators }, index) => {
    const path = `where[${index}]`
    const given = Object.entries(operators).filter(([, value]) => value !== undefined)
    if (given.length === 0)
      throw jobInvalid(path, `says nothing about ${column}`, 'for example { column: age, at-least: 18 }')
    return given.map(([name, value]): Condition => {
      const operator = name as Condition['operator']
      const listed = value === true ? [] : Array.isArray(value) ? value : [value]
      const condition = {
        column,
        operator,
        values: listed.map((one) => canonicalValue(one, `${path}.${name}`) as string | number),
      }
      const problem = conditionProblem(condition)
      if (problem !== undefined) throw jobInvalid(`${path}.${name}`, problem)
      return condition
    })
  })
}

/** Reads a parsed YAML document. Throws `job-invalid` (meta.path), `opening-` or `privacy-not-offered`. */
export function readDocument(document: unknown): JobDocument {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw jobInvalid(
      '',
      'is not a mapping of fields',
      'a job starts with lines like "analysis: describe" and "dataset: lung"',
    )
  }
  refuseNotOffered(document as Record<string, unknown>)
  const parsed = documentSchema.safeParse(document)
  if (!parsed.success) {
    const issue = parsed.error.issues[0] as z.core.$ZodIssue
    throw schemaProblem(parsed.error, document, '', FIELDS[String(issue.path[0] ?? '')] ?? [])
  }
  checkSubject(parsed.data)
  checkRoute(parsed.data)
  return { ...parsed.data, where: readConditions(parsed.data.where) }
}

/** Organisations a cohort needs when the document does not say. */
export function defaultMinimum(maxColluding: number): number {
  return Math.max(DEFAULT_MIN_COHORT, maxColluding + 2)
}
