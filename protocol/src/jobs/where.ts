/**
 * `where`: the closed list of column comparisons that choose a site's rows. There are no expressions, so nothing here can
 * compute, loop or reach beyond one cell. Implements docs/spec/jobs.md, "Conditions". It does not guarantee that a
 * subset is large enough to be used: that is the analysis's own rule.
 */
import { z } from 'zod'
import type { Column, Rows } from '../analyses/analysis.js'
import { FlameshError } from '../errors.js'

/** Signed objects hold no floats: a decimal number is written as a string, "18.5". */
const scalarSchema = z.union([z.int(), z.string().max(256)])

/** One column compared with constants. A row stays if every condition holds; a missing value never holds. */
export const conditionSchema = z.strictObject({
  column: z.string().min(1).max(128),
  operator: z.enum(['is', 'is-not', 'in', 'at-least', 'at-most', 'above', 'below', 'present']),
  values: z.array(scalarSchema).max(40),
})
export type Condition = z.infer<typeof conditionSchema>

type Operator = Condition['operator']

/** A decimal number as it may stand in a job: no exponent, no spaces, no infinities. */
const DECIMAL = /^-?\d{1,30}(\.\d{1,30})?$/

export function isDecimal(value: string | number): boolean {
  return typeof value === 'number' || DECIMAL.test(value)
}

const ORDERING: ReadonlySet<Operator> = new Set(['at-least', 'at-most', 'above', 'below'])
export const isOrdering = (operator: Operator): boolean => ORDERING.has(operator)

/** What is wrong with a condition whatever the data, in words; undefined if nothing is. */
export function conditionProblem({ operator, values }: Condition): string | undefined {
  if (operator === 'present') return values.length === 0 ? undefined : '"present" takes no value'
  if (operator === 'in') return values.length > 0 ? undefined : '"in" needs at least one value'
  if (values.length !== 1) return `"${operator}" takes exactly one value`
  if (isOrdering(operator) && !isDecimal(values[0] as string | number)) return `"${operator}" compares numbers`
  return undefined
}

/** Whether the row at an index satisfies one condition; a missing value never does. */
type Test = (row: number) => boolean

function numericTest(column: Float64Array, { operator, values }: Condition): Test {
  // A text that is no number equals no number: NaN does that.
  const numbers = values.map((value) => (isDecimal(value) ? Number(value) : Number.NaN))
  const first = numbers[0] as number
  const holds = ((): ((x: number) => boolean) => {
    switch (operator) {
      case 'present':
        return () => true
      case 'is':
        return (x) => x === first
      case 'is-not':
        return (x) => x !== first
      case 'in':
        return (x) => numbers.includes(x)
      case 'at-least':
        return (x) => x >= first
      case 'at-most':
        return (x) => x <= first
      case 'above':
        return (x) => x > first
      case 'below':
        return (x) => x < first
    }
  })()
  return (row) => {
    const x = column[row] as number
    // NaN is a missing value; `numbers` may hold NaN, which `includes` would find
    return !Number.isNaN(x) && holds(x)
  }
}

function levelTest(column: readonly (string | null)[], { column: name, operator, values }: Condition): Test {
  const texts = values.map(String)
  const holds = ((): ((x: string) => boolean) => {
    switch (operator) {
      case 'present':
        return () => true
      case 'is':
      case 'in':
        return (x) => texts.includes(x)
      case 'is-not':
        return (x) => x !== texts[0]
      case 'at-least':
      case 'at-most':
      case 'above':
      case 'below':
        throw new FlameshError('column-type', `"${operator}" needs a numeric column, and ${name} holds levels`, {
          meta: { column: name, operator },
          hint: 'compare levels with "is", "is-not" or "in"',
        })
    }
  })()
  return (row) => {
    const x = column[row]
    return typeof x === 'string' && holds(x)
  }
}

function testFor(rows: Rows, condition: Condition): Test {
  const column = rows.columns.get(condition.column)
  const problem = conditionProblem(condition)
  if (problem !== undefined)
    throw new FlameshError('job-invalid', problem, { meta: { path: 'where', column: condition.column } })
  // a site without the column has only missing values of it: no row stays, and nobody can tell that site from another
  if (column === undefined) return () => false
  return column instanceof Float64Array ? numericTest(column, condition) : levelTest(column, condition)
}

function take(column: Column, kept: Uint32Array): Column {
  if (column instanceof Float64Array) return Float64Array.from(kept, (row) => column[row] as number)
  return Array.from(kept, (row) => column[row] ?? null)
}

const subset = ({ columns }: Rows, rows: Uint32Array): Rows => ({
  count: rows.length,
  columns: new Map([...columns].map(([name, column]) => [name, take(column, rows)])),
})

/**
 * The places of the rows for which every condition holds, and of the others, in their order; none where the site lacks a column.
 * Throws `column-type` for an ordering of levels, `job-invalid` for a condition that no checked job contains.
 */
export function splitRows(
  rows: Rows,
  where: readonly Condition[],
): { readonly kept: Uint32Array; readonly others: Uint32Array } {
  const tests = where.map((condition) => testFor(rows, condition))
  // four bytes a row and no list that grows: there may be many millions
  const places = new Uint32Array(rows.count)
  let kept = 0
  let others = rows.count
  for (let row = 0; row < rows.count; row++) places[tests.every((test) => test(row)) ? kept++ : --others] = row
  return { kept: places.subarray(0, kept), others: places.subarray(kept).reverse() }
}

/** The kept rows themselves, with the others beside them if `withOthers`. Throws as `splitRows`. */
export function selectRows(rows: Rows, where: readonly Condition[], withOthers = false): Rows {
  if (where.length === 0) return rows
  const { kept, others } = splitRows(rows, where)
  return withOthers ? { ...subset(rows, kept), others: subset(rows, others) } : subset(rows, kept)
}
