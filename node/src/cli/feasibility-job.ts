/** The words of `flamesh feasibility` as a job document, and its answer in words. Implements docs/reference/cli.md. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { parseYaml } from '../config/read-file.js'
import type { ResultDocument } from '../control/documents.js'
import { renderResult } from './render-result.js'
import { renderFields } from './table.js'

export interface FeasibilityOptions {
  readonly dataset: string
  /** conditions in words, or YAML in braces as in a job */
  readonly where?: readonly string[]
  /** columns, or factors as YAML in braces */
  readonly by?: readonly string[]
  /** names of sites, separated by commas */
  readonly sites?: string
  readonly minimum?: number
  readonly purpose?: string
  readonly approveWithin?: string
}

const OPERATORS = ['is-not', 'is', 'in', 'at-least', 'at-most', 'above', 'below']
const WORDS = new RegExp(`^(.+?)\\s+(${OPERATORS.join('|')})\\s+(.+)$`)
const PRESENT = /^(.+?)\s+present$/

function usage(message: string): FlameshError {
  return new FlameshError('usage', message, {
    hint: `such as --where "age at-least 18" or --where "sex in f, m"; operators are ${OPERATORS.join(', ')} and present`,
  })
}

const isYaml = (text: string): boolean => /^\s*[{[]/.test(text)

/** `age at-least 18`, `stage in II, III`, `ph.ecog present`, or YAML; entries of a job's `where`. Throws `usage`, `yaml-invalid`. */
async function conditionsOf(text: string): Promise<readonly unknown[]> {
  if (isYaml(text)) {
    const value = await parseYaml(text, '--where')
    return Array.isArray(value) ? value : [value]
  }
  const present = PRESENT.exec(text.trim())
  if (present !== null) return [{ column: present[1], present: true }]
  const [, column, operator, value] = WORDS.exec(text.trim()) ?? []
  if (column === undefined || operator === undefined || value === undefined)
    throw usage(`"${text}" is no condition of the form COLUMN OPERATOR VALUE`)
  return [{ column, [operator]: operator === 'in' ? value.split(',').map((one) => one.trim()) : value }]
}

const factorOf = async (text: string): Promise<unknown> => (isYaml(text) ? parseYaml(text, '--by') : text)

const listed = (text: string): readonly string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

/** The document that `flamesh job submit` would be given. Throws `usage`, `yaml-invalid`. */
export async function feasibilityDocument(options: FeasibilityOptions): Promise<object> {
  const { dataset, where = [], by = [], sites, minimum, purpose, approveWithin } = options
  return {
    name: `feasibility of ${dataset}`,
    purpose: purpose ?? 'feasibility: how many rows there are',
    analysis: 'feasibility',
    dataset,
    where: (await Promise.all(where.map(conditionsOf))).flat(),
    parameters: { by: await Promise.all(by.map(factorOf)) },
    cohort: {
      ...(sites === undefined ? {} : { sites: listed(sites) }),
      ...(minimum === undefined ? {} : { minimum }),
      ...(approveWithin === undefined ? {} : { approveWithin }),
    },
  }
}

const isCount = (value: unknown): value is number => typeof value === 'number'

/** What an answer says of the rows: a count, or why there is none. Undefined if the job did not come to one. */
export function feasibilityText(
  { result, code }: Pick<ResultDocument, 'result' | 'code'>,
  { minimumCell, cohort }: Pick<Job, 'minimumCell' | 'cohort'>,
): string | undefined {
  const few = `fewer than ${minimumCell}, perhaps none, or fewer than ${cohort.minimum} sites have three of them`
  if (code === 'too-few-contributors') return renderFields([['rows', few]])
  if (result === null) return undefined
  const { n, contributors, sites_left_out: leftOut, counts, counts_by_row: cells } = result
  const rows = isCount(n)
    ? String(n)
    : `all that there are, but for fewer than ${minimumCell}, perhaps none, or those of too few sites`
  const sites =
    `${contributors} contributed` +
    (leftOut === 0 ? '' : `; ${leftOut} approved and have fewer than 3 such rows, not counted`)
  const told = [counts, cells].find((list): list is readonly unknown[] => Array.isArray(list) && list.length > 0)
  const withheld =
    isCount(n) && told?.includes(null) ? n - told.filter(isCount).reduce((sum, one) => sum + one, 0) : undefined
  const fields: (readonly [string, string])[] = [
    ['rows', rows],
    ...(withheld === undefined
      ? []
      : [['withheld', `${withheld} of these, in strata of too few and those that cover them`] as const]),
    ['sites', sites],
  ]
  const {
    n: _n,
    contributors: _c,
    sites_left_out: _l,
    minimum: _m,
    withheld: _w,
    row_factor: _r,
    col_factor: _f,
    ...strata
  } = result
  const table = told === undefined ? '' : `${renderResult(strata)}\n`
  return `${table}${renderFields(fields)}`
}
