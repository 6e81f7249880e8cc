/**
 * The description as a person writes it: what may be left out, numbers as numbers, and errors that say where a mistake is.
 * Implements docs/spec/images.md, "The document".
 */
import type { z } from 'zod'
import { decimalString } from '../encoding/decimal.js'
import { FlameshError } from '../errors.js'
import { pathText, suggest } from '../jobs/document.js'
import { COMBINE, descriptionSchema, type ImageDescription } from './description.js'

type Fields = Readonly<Record<string, unknown>>

/** The fields that may stand where a wrong one was found. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(descriptionSchema.shape),
  source: Object.keys(descriptionSchema.shape.source.shape),
  output: Object.keys(descriptionSchema.shape.output.element.shape),
}

/** What zod says in its own words, in ours; the schemas' own messages stand. */
const EXPECTED: Readonly<Record<string, string>> = {
  contract: 'must be 1, the version of the contract that this version of flamesh knows',
  sbom: 'must be the 64 lowercase hex digits of a SHA-256',
  kind: 'must be "count" or "sum"',
  combine: `must be one of ${COMBINE.map((one) => `"${one}"`).join(', ')}`,
  lower: 'must be a number',
  upper: 'must be a number',
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function invalid(path: string, problem: string, hint?: string): FlameshError {
  return new FlameshError('description-invalid', path === '' ? `the description ${problem}` : `${path}: ${problem}`, {
    meta: { path },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** A number, or the text of one, as decimal text; anything else as it is, for the schema to refuse. */
function decimal(value: unknown): unknown {
  const number = typeof value === 'string' && /^[-+]?[0-9.]+(e[-+]?[0-9]+)?$/i.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? decimalString(number) : value
}

function completeSlot(slot: unknown): unknown {
  if (!isFields(slot)) return slot
  const bounds = Object.fromEntries(
    ['lower', 'upper'].filter((name) => name in slot).map((name) => [name, decimal(slot[name])]),
  )
  return { length: 1, ...slot, ...bounds }
}

/** Defaults filled in, numbers as text, resources in order: the one form that is signed. */
function complete(document: Fields): Fields {
  const { output, resources = [] } = document
  const sorted =
    Array.isArray(resources) && resources.every((one) => typeof one === 'string') ? [...resources].sort() : resources
  return {
    maxRounds: 1,
    ...document,
    resources: sorted,
    ...(Array.isArray(output) ? { output: output.map(completeSlot) } : {}),
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  )
}

function problem(error: z.ZodError, completed: Fields): FlameshError {
  // a field that does not exist says more than the one that it was meant to be
  const unknown = error.issues.find((one) => one.code === 'unrecognized_keys')
  const issue = unknown ?? (error.issues[0] as z.core.$ZodIssue)
  const path = pathText(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys as [string]
    const known = FIELDS[String(issue.path[0] ?? '')] ?? []
    return invalid(pathText([key], path), 'there is no such field', suggest(key, known))
  }
  const value = valueAt(completed, issue.path)
  if (value === undefined && issue.path.length > 0) return invalid(path, 'is missing')
  const expected = EXPECTED[String(issue.path.at(-1) ?? '')]
  if (expected !== undefined && issue.code !== 'custom') return invalid(path, expected)
  const hint =
    issue.code === 'invalid_type' && issue.expected === 'string' ? 'put it in quotes if it is meant as text' : undefined
  return invalid(path, issue.message.replace(/^Invalid (input|string): /, ''), hint)
}

/** Reads a parsed YAML document. Throws `description-invalid` (meta.path). */
export function readDescription(document: unknown): ImageDescription {
  if (!isFields(document)) {
    throw invalid(
      '',
      'is not a mapping of fields',
      'it starts with lines like "contract: 1" and "image: REPOSITORY@sha256:DIGEST"',
    )
  }
  const completed = complete(document)
  const parsed = descriptionSchema.safeParse(completed)
  if (!parsed.success) throw problem(parsed.error, completed)
  return parsed.data
}
