/**
 * A result as a person reads it on a terminal: its tables (report/tables.ts), then whatever an analysis says besides as plain
 * fields. Numbers are shortened for the eye: the files hold every digit. Implements docs/guide/researcher.md.
 */
import type { ResultDocument } from '../control/documents.js'
import type { ResultTable, Value } from '../report/result-table.js'
import { acrossOf, isRepeated, tablesOf } from '../report/tables.js'
import { type Fields, isList, isP, toValue } from '../report/values.js'
import { labelOf } from '../report/words.js'
import { explain } from './endings.js'
import type { ResultFiles } from './result-files.js'
import { renderFields, renderTable } from './table.js'

export function renderOutcome(document: ResultDocument, files: Omit<ResultFiles, 'files'>): string {
  const code = document.code === document.status ? undefined : document.code
  const reason = [code, document.message ?? explain(code)].filter((part) => part !== undefined).join(': ')
  const head: (readonly [string, string])[] = [
    ['job', document.job],
    ['status', reason === '' ? document.status : `${document.status} (${reason})`],
    ['sites', sitesText(document.sites)],
  ]
  if (files.resultFile !== undefined) head.push(['result', files.resultFile])
  if (files.receiptFile !== undefined) head.push(['receipt', files.receiptFile])
  if (files.reportFile !== undefined) head.push(['report', files.reportFile])
  return document.result === null ? renderFields(head) : `${renderResult(document.result)}\n${renderFields(head)}`
}

function sitesText(sites: ResultDocument['sites']): string {
  const all = Object.entries(sites).sort(([a], [b]) => (a < b ? -1 : 1))
  const included = all.filter(([, site]) => site.included === true).map(([name]) => name)
  const without = all.filter(([, site]) => site.included !== true).map(([name, site]) => `${name} ${site.status}`)
  const parts = [included.length === 0 ? '' : `in the sum: ${included.join(', ')}`, without.join(', ')]
  return parts.filter((part) => part !== '').join('; ') || 'none answered'
}

export function renderResult(result: Fields): string {
  const { tables, fields } = tablesOf(result)
  const parts = tables.map((table) => (table.across === undefined ? renderPlain(table) : renderAcross(table)))
  if (fields.length > 0)
    parts.push(renderFields(fields.map(([name, value]) => [labelOf(name), fieldText(name, value)])))
  return parts.join('\n')
}

/** What a key repeats is left blank. */
function renderPlain({ columns, rows }: ResultTable): string {
  const keys = columns.filter(({ kind }) => kind === 'key').length
  const text = rows.map((row, at) =>
    columns.map(({ kind }, i) => {
      if (i < keys) return isRepeated(rows, at, i) ? '' : String(row[i])
      return row[i] === undefined ? '' : kind === 'p' ? pText(row[i]) : numberText(row[i])
    }),
  )
  return renderTable(
    columns.map(({ title, kind }) => (kind === 'key' || kind === 'text' ? { title } : { title, align: 'right' })),
    text,
  )
}

function renderAcross(table: ResultTable): string {
  const { columns, rows } = acrossOf(table)
  const cell = (value: Value): string => (value === null ? 'withheld' : numberText(value))
  return renderTable(
    columns.map((title, i) => (i === 0 ? { title } : { title, align: 'right' })),
    rows.map(([name, ...values]) => [String(name), ...values.map(cell)]),
  )
}

function fieldText(name: string, value: unknown): string {
  if (isList(value)) return value.map((one) => fieldText(name, one)).join(', ')
  return isP(name) ? pText(value) : numberText(toValue(value))
}

/** Whole numbers whole, others to five significant digits. */
export function numberText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  if (typeof value !== 'number') return String(value)
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)))
}

function pText(value: unknown): string {
  if (typeof value !== 'number') return numberText(value)
  return value < 1e-4 ? '<0.0001' : value.toFixed(4)
}
