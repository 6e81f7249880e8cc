/** Tables of a result as HTML. Numbers are shortened: the CSV beside the report has every digit. */
import { plural } from '@flamesh/protocol/report/numbers.js'
import { groupBy } from '@flamesh/protocol/report/statistics.js'
import { escaped } from '@flamesh/protocol/report/svg.js'
import { numberOf } from './figures/picture.js'
import { intervalsOf, intervalText, withIntervals } from './intervals.js'
import type { ResultColumn, ResultTable, Value } from './result-table.js'
import { acrossOf, isRepeated } from './tables.js'
import { alike, pText, shortNumber } from './text.js'
import { isList, isP, toValue } from './values.js'
import { labelOf, NAMED_BY_OTHERS, readerLabel } from './words.js'

/** Longer tables are folded. */
const MOST_ROWS = 36

export function resultTableMarkup(
  table: ResultTable,
  number: number,
  note = `Every digit is in ${table.id}.csv.`,
): string {
  const { id, title, rows } = table
  const body =
    table.across === undefined
      ? byFields(withIntervals(table, (column) => titled(column, id)))
          .map(plainMarkup)
          .join('')
      : acrossMarkup(table)
  const scrolled = `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(title)}">${body}</div>`
  const shown =
    rows.length > MOST_ROWS
      ? `<details><summary>${plural(rows.length, 'row')}</summary>${scrolled}</details>`
      : scrolled
  return `<section class="table" id="table-${escaped(id)}"><h2><span>Table ${number}</span> ${escaped(title)}</h2>${shown}<p class="note">${escaped(note)}</p></section>`
}

/** What is null only if it is withheld. */
const COUNTS: ReadonlySet<string> = new Set(['n', 'counts', 'events'])

/** Columns that fit beside each other. */
const MOST_COLUMNS = 8

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

const titled = ({ name, title, kind }: ResultColumn, id: string): string =>
  kind === 'key' || kind === 'text' || title !== labelOf(name) || NAMED_BY_OTHERS.has(id) ? title : readerLabel(name)

/** Numbers of a column, each as its text; all else as it is. */
function aligned(rows: ResultTable['rows'], at: number): readonly Value[] {
  const values = rows.map((row) => row[at])
  const texts = alike(values.filter((value) => typeof value === 'number'))
  let next = 0
  return values.map((value) => (typeof value === 'number' ? texts[next++] : value))
}

function plainMarkup({ columns, rows }: ResultTable): string {
  const shown = columns.map(({ kind }, i) => (kind === 'number' ? aligned(rows, i) : rows.map((row) => row[i])))
  const keys = columns.filter(({ kind }) => kind === 'key').length
  const head = columns.map(
    ({ title, kind }) => `<th scope="col"${isText(kind) ? ' class="keys"' : ''}>${escaped(title)}</th>`,
  )
  const body = rows.map((row, at) => {
    const cells = columns.map(({ kind, name }, i) => {
      if (i < keys) return `<th scope="row" class="keys">${isRepeated(rows, at, i) ? '' : escaped(String(row[i]))}</th>`
      return cellMarkup(shown[i]?.[at], kind, COUNTS.has(name) ? 'withheld' : '–')
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

/** What is no part of a table, one line a field; an interval stands beside its estimate. */
export function fieldsMarkup(fields: readonly (readonly [string, unknown])[], number: number): string {
  if (fields.length === 0) return ''
  const values = new Map(fields)
  const intervals = intervalsOf([...values.keys()]).filter(({ estimate }) => estimate !== undefined)
  const inside = new Set(intervals.flatMap(({ low, high }) => [low, high]))
  const text = (name: string, value: unknown): string => {
    const own = intervals.find(({ estimate }) => estimate === name)
    if (own !== undefined)
      return intervalText(numberOf(value), numberOf(values.get(own.low)), numberOf(values.get(own.high)))
    return isList(value) ? value.map((one) => text(name, one)).join('; ') : said(toValue(value), isP(name))
  }
  const rows = fields.flatMap(([name, value]) => {
    if (inside.has(name)) return []
    const label = `${readerLabel(name)}${intervals.some(({ estimate }) => estimate === name) ? ' (95 % interval)' : ''}`
    return [`<div><dt>${escaped(label)}</dt><dd>${escaped(text(name, value))}</dd></div>`]
  })
  return `<section class="facts numbers" id="table-result"><h2><span>Table ${number}</span> Single numbers</h2><dl>${rows.join('')}</dl><p class="note">Every digit is in result.csv.</p></section>`
}
