/**
 * A result as a person reads it: descriptions, contingency tables, coefficients, tests; whatever an analysis says besides
 * follows as plain fields. Numbers are shortened for the eye: the files hold every digit. Implements docs/guide/researcher.md.
 */
import type { ResultDocument } from '../control/documents.js'
import { explain } from './endings.js'
import { renderFields, renderTable } from './table.js'

type Fields = Readonly<Record<string, unknown>>

/** What of a result is for `receipt verify`, not for a reader. */
const PROOF_FIELDS: ReadonlySet<string> = new Set(['proof'])

export interface WrittenFiles {
  readonly resultFile: string | undefined
  readonly receiptFile: string | undefined
}

export function renderOutcome(document: ResultDocument, files: WrittenFiles): string {
  const code = document.code === document.status ? undefined : document.code
  const reason = [code, document.message ?? explain(code)].filter((part) => part !== undefined).join(': ')
  const head: (readonly [string, string])[] = [
    ['job', document.job],
    ['status', reason === '' ? document.status : `${document.status} (${reason})`],
    ['sites', sitesText(document.sites)],
  ]
  if (files.resultFile !== undefined) head.push(['result', files.resultFile])
  if (files.receiptFile !== undefined) head.push(['receipt', files.receiptFile])
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
  const { text, used } = renderMain(result)
  const rest = Object.entries(result).filter(
    ([key, value]) => !used.has(key) && !PROOF_FIELDS.has(key) && !isEmpty(value),
  )
  const fields = rest.length === 0 ? '' : renderFields(rest.map(([key, value]) => [labelOf(key), valueText(value)]))
  return [text, fields].filter((part) => part !== '').join('\n')
}

interface Rendered {
  readonly text: string
  /** fields that need not be shown again */
  readonly used: ReadonlySet<string>
}

function renderMain(result: Fields): Rendered {
  const parts: Rendered[] = []
  if (isFields(result['describe'])) parts.push(renderDescribe(result, result['describe']))
  if (isList(result['counts_by_row'])) parts.push(renderCounts(result, result['counts_by_row']))
  if (isList(result['names'])) parts.push(renderCoefficients(result, result['names'].map(String)))
  for (const [key, value] of Object.entries(result)) {
    if (PROOF_FIELDS.has(key) || key === 'describe') continue
    const rows = rowsOf(value)
    if (isNested(value)) parts.push(renderNested(key, value))
    else if (rows.length > 0) parts.push(renderRows(key, rows))
  }
  return {
    text: parts.map(({ text }) => text).join('\n'),
    used: new Set(parts.flatMap(({ used }) => [...used])),
  }
}

const MOMENTS = ['n', 'mean', 'sd', 'variance', 'skewness', 'kurtosis', 'missing', 'sites'] as const

function renderDescribe(result: Fields, described: Fields): Rendered {
  const rows: string[][] = []
  const line = (name: string, group: string, moments: Fields): void => {
    rows.push([name, group, ...MOMENTS.map((moment) => (moment in moments ? numberText(moments[moment]) : ''))])
  }
  for (const [name, moments] of Object.entries(described)) {
    if (!isFields(moments)) continue
    line(name, '', moments)
    if (isFields(moments['by'])) {
      for (const [level, group] of Object.entries(moments['by'])) if (isFields(group)) line('', level, group)
    }
  }
  const by = result['by']
  const group = isFields(by) && typeof by['column'] === 'string' ? by['column'] : 'group'
  const columns = [
    { title: 'column' },
    { title: group },
    ...MOMENTS.map((title) => ({ title, align: 'right' as const })),
  ]
  const kept = columns.map((_, i) => i < 1 || rows.some((row) => row[i] !== ''))
  return {
    text: renderTable(
      columns.filter((_, i) => kept[i]),
      rows.map((row) => row.filter((_, i) => kept[i])),
    ),
    used: new Set(['describe', 'by']),
  }
}

function renderCounts(result: Fields, counts: readonly unknown[]): Rendered {
  const rowNames = listOf(result['rows'])
  const columnNames = listOf(result['cols'])
  const rowTotals = listOf(result['row_totals'])
  const columnTotals = listOf(result['col_totals'])
  const width = columnNames.length
  const cell = (value: unknown): string => (value === null ? 'withheld' : numberText(value))
  const rows = rowNames.map((name, r) => [
    String(name),
    ...counts.slice(r * width, (r + 1) * width).map(cell),
    ...(rowTotals.length > 0 ? [cell(rowTotals[r])] : []),
  ])
  if (columnTotals.length > 0) rows.push(['total', ...columnTotals.map(cell), cell(result['n'] ?? null)])
  const titles = [...columnNames.map(String), ...(rowTotals.length > 0 ? ['total'] : [])]
  return {
    text: renderTable([{ title: '' }, ...titles.map((title) => ({ title, align: 'right' as const }))], rows),
    used: new Set(['rows', 'cols', 'counts_by_row', 'row_totals', 'col_totals']),
  }
}

/** Every list with one value a coefficient becomes a column, in the order the analysis gives them. */
function renderCoefficients(result: Fields, names: readonly string[]): Rendered {
  const columns = Object.entries(result).filter(
    ([key, value]) => key !== 'names' && isList(value) && value.length === names.length && value.every(isNumberOrNull),
  )
  const rows = names.map((name, i) => [
    name,
    ...columns.map(([key, value]) => cellText(key, (value as readonly unknown[])[i])),
  ])
  const titles = columns.map(([key]) => ({ title: labelOf(key), align: 'right' as const }))
  return {
    text: renderTable([{ title: '' }, ...titles], rows),
    used: new Set(['names', ...columns.map(([key]) => key)]),
  }
}

interface Leaf {
  readonly path: readonly string[]
  readonly fields: Fields
}

function leavesOf(value: unknown, path: readonly string[]): readonly Leaf[] {
  if (isNested(value)) return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]))
  return [{ path, fields: isFields(value) ? value : {} }]
}

/** Fields within fields, as tests by column: a line for each of the innermost, named by where it stands. */
function renderNested(key: string, nested: Fields): Rendered {
  const leaves = leavesOf(nested, [])
  const depth = Math.max(...leaves.map(({ path }) => path.length))
  const columns = [...new Set(leaves.flatMap(({ fields }) => Object.keys(fields)))]
  const rows = leaves.map(({ path, fields }, at) => [
    ...Array.from({ length: depth }, (_, level) => {
      const above = leaves[at - 1]?.path ?? []
      return path.slice(0, level + 1).every((part, i) => part === above[i]) ? '' : (path[level] ?? '')
    }),
    ...columns.map((name) => (name in fields ? cellText(name, fields[name]) : '')),
  ])
  const names = Array.from({ length: depth }, (_, level) => ({ title: level === 0 ? labelOf(key) : '' }))
  const titles = columns.map((name) => ({ title: labelOf(name), align: 'right' as const }))
  return { text: renderTable([...names, ...titles], rows), used: new Set([key]) }
}

/** What makes a table of its own: a list of records, or a record with lists, as a test with a value for each group. */
function rowsOf(value: unknown): readonly Fields[] {
  if (isList(value)) return value.every(isPlain) ? value : []
  if (!isPlain(value)) return []
  const lists = Object.values(value).filter(isList)
  const length = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length }, (_, at) => {
    const cells = Object.entries(value).map(([name, cell]) => [name, isList(cell) ? cell[at] : at === 0 ? cell : ''])
    return Object.fromEntries(cells) as Fields
  })
}

function renderRows(key: string, rows: readonly Fields[]): Rendered {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const titles = columns.map((name) => ({
    title: labelOf(name),
    align: rows.every((row) => typeof row[name] === 'string') ? ('left' as const) : ('right' as const),
  }))
  const cells = rows.map((row) => ['', ...columns.map((name) => (name in row ? cellText(name, row[name]) : ''))])
  return { text: renderTable([{ title: labelOf(key) }, ...titles], cells), used: new Set([key]) }
}

/** Records of records; a factor is not one. */
function isNested(value: unknown): value is Fields {
  return isPlain(value) && Object.values(value).some(isFields)
}

/** Fields that do not describe a factor. */
function isPlain(value: unknown): value is Fields {
  return isFields(value) && typeof value['column'] !== 'string'
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function listOf(value: unknown): readonly unknown[] {
  return isList(value) ? value : []
}

function isEmpty(value: unknown): boolean {
  return isList(value) && value.length === 0
}

function isNumberOrNull(value: unknown): boolean {
  return value === null || typeof value === 'number'
}

function labelOf(key: string): string {
  return key.replaceAll('_', ' ')
}

function valueText(value: unknown): string {
  if (typeof value === 'number') return numberText(value)
  if (isList(value)) return value.map(valueText).join(', ')
  if (isFields(value) && typeof value['column'] === 'string') return factorText(value['column'], value)
  if (isFields(value))
    return Object.entries(value)
      .map(([key, inner]) => `${labelOf(key)} ${valueText(inner)}`)
      .join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A factor as analyses describe it: a column with its levels, or one level against the rest. */
function factorText(column: string, { is, levels, ...rest }: Fields): string {
  const reference = typeof rest['reference'] === 'string' ? `, reference ${rest['reference']}` : ''
  if (is !== undefined) return `${column} is ${String(is)}`
  return isList(levels) ? `${column} (${levels.join(', ')}${reference})` : column
}

/** Whole numbers whole, others to five significant digits. */
export function numberText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  if (typeof value !== 'number') return String(value)
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)))
}

function cellText(name: string, value: unknown): string {
  return name === 'p' ? pText(value) : numberText(value)
}

function pText(value: unknown): string {
  if (typeof value !== 'number') return numberText(value)
  return value < 1e-4 ? '<0.0001' : value.toFixed(4)
}
