/**
 * The CSV of a result: a file for each of its tables and `result.csv` for its single numbers. Implements
 * docs/reference/results.md. Numbers have every digit; what is withheld or does not exist is an empty field.
 */
import { type Cell, csv } from '@flamesh/protocol/report/csv.js'
import type { Value } from './result-table.js'
import { type ResultTables, tablesOf } from './tables.js'
import { type Fields, toValue } from './values.js'

/** By the name of the file. */
export function csvFiles(result: Fields): ReadonlyMap<string, string> {
  const { tables, fields }: ResultTables = tablesOf(result)
  const files = tables.map(({ id, columns, rows }): [string, string] => [
    `${id}.csv`,
    csv(
      columns.map(({ name }) => cellOf(name) as string),
      rows.map((row) => row.map(cellOf)),
    ),
  ])
  const single = csv(
    ['field', 'value'],
    fields.map(([name, value]) => [cellOf(name), cellOf(toValue(value))]),
  )
  return new Map([['result.csv', single], ...files])
}

/** Levels and names come from other people: a spreadsheet shall not take one for a formula. */
function cellOf(value: Value): Cell {
  return typeof value === 'string' && /^[=+\-@\t\r]/.test(value) && !isNumber(value) ? `'${value}` : value
}

const isNumber = (text: string): boolean => /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)
