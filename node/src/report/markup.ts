/** Tables of a result as HTML. Numbers are shortened: the CSV beside the report has every digit. */
import { plural } from '@flamesh/protocol/report/numbers.js'
import { groupBy } from '@flamesh/protocol/report/statistics.js'
import { escaped } from '@flamesh/protocol/report/svg.js'
import type { ResultColumn, ResultTable, Value } from './result-table.js'
import { acrossOf, isRepeated } from './tables.js'
import { pText, shortNumber } from './text.js'
import { isList, isP, labelOf, toValue } from './values.js'

/** Longer tables are folded. */
const MOST_ROWS = 40

export function resultTableMarkup(
  table: ResultTable,
  number: number,
  note = `Every digit is in ${table.id}.csv.`,
): string {
  const { id, title, rows } = table
  const body = table.across === undefined ? byFields(table).map(plainMarkup).join('') : acrossMarkup(table)
  const scrolled = `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(title)}">${body}</div>`
  const shown =
    rows.length > MOST_ROWS
      ? `<details><summary>${plural(rows.length, 'row')}</summary>${scrolled}</details>`
      : scrolled
  return `<section class="table" id="table-${escaped(id)}"><h2><span>Table ${number}</span> ${escaped(title)}</h2>${shown}<p class="note">${escaped(note)}</p></section>`
}

/** What is null only if it is withheld. */
const COUNTS: ReadonlySet<string> = new Set(['n', 'counts', 'events'])

/** Two columns that are the ends of one interval. */
const ENDS: readonly (readonly [low: RegExp, high: string])[] = [
  [/^(.*_)?ci_low$/, 'ci_high'],
  [/^(.+_)low$/, 'high'],
  [/^(.+_)lower$/, 'upper'],
  [/^()lower$/, 'upper'],
]
/** Beside what `lower` and `upper` are an interval; of a quantile they are bounds. */
const ESTIMATES = ['estimate', 'difference', 'surv']

/** As a paper has it: both ends of an interval in one column. */
function withIntervals(table: ResultTable): ResultTable {
  const names = table.columns.map(({ name }) => name)
  const bounded = names.some((name) => ESTIMATES.includes(name))
  const highOf = (name: string): number => {
    if (name === 'lower' && !bounded) return -1
    const end = ENDS.find(([low]) => low.test(name))
    return end === undefined ? -1 : names.indexOf(`${end[0].exec(name)?.[1] ?? ''}${end[1]}`)
  }
  const highs = names.map(highOf)
  const kept = names.map((_, i) => i).filter((i) => !highs.includes(i))
  const column = (i: number): ResultColumn => {
    const own = table.columns[i] as ResultColumn
    if (highs[i] === -1) return own
    const of = /^(.+)_(low|lower)$/.exec(own.name)?.[1] ?? ''
    // beside its estimate an interval needs no name
    const title =
      of === '' || of === 'ci' || names.includes(of) || of.endsWith('_ci') ? '95 % interval' : `${labelOf(of)} interval`
    return { ...own, kind: 'interval', title }
  }
  const cell = (row: readonly Value[], i: number): Value => {
    const [low, high] = [row[i], row[highs[i] as number]]
    if (highs[i] === -1 || typeof low !== 'number' || typeof high !== 'number') return low
    return `${shortNumber(low)} to ${shortNumber(high)}`
  }
  return { ...table, columns: kept.map(column), rows: table.rows.map((row) => kept.map((i) => cell(row, i))) }
}

/** Columns that fit beside each other. */
const MOST_COLUMNS = 10

/** A table too wide whose rows have different fields becomes one for each set of fields: t-tests apart from analyses of variance. */
function byFields(table: ResultTable): readonly ResultTable[] {
  if (table.columns.length <= MOST_COLUMNS) return [table]
  const sets = groupBy(table.rows, (row) => row.map((value) => (value === undefined ? '-' : '+')).join(''))
  return [...sets.values()].map((rows) => {
    const kept = table.columns.map((_, i) => i).filter((i) => rows[0]?.[i] !== undefined)
    const columns = kept.map((i) => table.columns[i] as ResultColumn)
    return { ...table, columns, rows: rows.map((row) => kept.map((i) => row[i])) }
  })
}

function plainMarkup(table: ResultTable): string {
  const { columns, rows } = withIntervals(table)
  const keys = columns.filter(({ kind }) => kind === 'key').length
  const head = columns.map(
    ({ title, kind }) => `<th scope="col"${isText(kind) ? ' class="keys"' : ''}>${escaped(title)}</th>`,
  )
  const body = rows.map((row, at) => {
    const cells = columns.map(({ kind, name }, i) => {
      if (i < keys) return `<th scope="row" class="keys">${isRepeated(rows, at, i) ? '' : escaped(String(row[i]))}</th>`
      return cellMarkup(row[i], kind, COUNTS.has(name) ? 'withheld' : '–')
    })
    return `<tr>${cells.join('')}</tr>`
  })
  return `<table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`
}

function acrossMarkup(table: ResultTable): string {
  const { columns, rows } = acrossOf(table)
  const [rowTitle = '', colTitle = ''] = table.columns.map(({ title }) => title)
  const over =
    colTitle === ''
      ? ''
      : `<tr><th></th><th scope="colgroup" colspan="${columns.length - 1}">${escaped(colTitle)}</th></tr>`
  const head = columns.map(
    (title, i) => `<th scope="col"${i === 0 ? ' class="keys"' : ''}>${escaped(i === 0 ? rowTitle : title)}</th>`,
  )
  const body = rows.map(([name, ...values]) => {
    const cells = values.map((value) => cellMarkup(value, 'number', 'withheld'))
    return `<tr><th scope="row" class="keys">${escaped(String(name))}</th>${cells.join('')}</tr>`
  })
  return `<table><thead>${over}<tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`
}

type Kind = ResultColumn['kind']

const isText = (kind: Kind): boolean => kind === 'key' || kind === 'text'

function cellMarkup(value: Value, kind: Kind, nothing: string): string {
  if (value === undefined) return '<td></td>'
  if (value === null) return `<td class="hidden">${nothing}</td>`
  return `<td${isText(kind) ? ' class="keys"' : ''}>${escaped(said(value, kind === 'p'))}</td>`
}

function said(value: Value, p: boolean): string {
  if (typeof value !== 'number') return String(value ?? '–')
  return p ? pText(value) : shortNumber(value)
}

/** What is no part of a table, one line a field. */
export function fieldsMarkup(fields: readonly (readonly [string, unknown])[], number: number): string {
  if (fields.length === 0) return ''
  const text = (name: string, value: unknown): string =>
    isList(value) ? value.map((one) => text(name, one)).join('; ') : said(toValue(value), isP(name))
  const rows = fields.map(
    ([name, value]) => `<div><dt>${escaped(labelOf(name))}</dt><dd>${escaped(text(name, value))}</dd></div>`,
  )
  return `<section class="facts" id="table-result"><h2><span>Table ${number}</span> Single numbers</h2><dl>${rows.join('')}</dl><p class="note">Every digit is in result.csv.</p></section>`
}
