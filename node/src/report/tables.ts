/**
 * A result as tables: found by the shape of its fields, never by the name of the analysis, so that a new analysis, or an image
 * whose result has the same shape, needs nothing here. Implements docs/reference/results.md. Every digit is kept: whoever shows a
 * table shortens the numbers.
 */

import { nested, parallel, records } from './nested.js'
import type { ResultColumn, ResultTable, Value } from './result-table.js'
import {
  type Fields,
  flattened,
  isFields,
  isList,
  isMeasure,
  isNested,
  isRecords,
  isScalar,
  listOf,
  numberColumn,
  parallelLists,
  toValue,
} from './values.js'
import { labelOf } from './words.js'

export interface ResultTables {
  readonly tables: readonly ResultTable[]
  /** what is no part of a table, in the order of the result */
  readonly fields: readonly (readonly [name: string, value: unknown])[]
}

/** What of a result is for `receipt verify`, not for a reader. */
const PROOF_FIELDS: ReadonlySet<string> = new Set(['proof'])

interface Found {
  readonly table: ResultTable
  readonly used: readonly string[]
}

export function tablesOf(result: Fields): ResultTables {
  const found = [described(result), counted(result), listed(result), measured(result)].filter(
    (one) => one !== undefined,
  )
  const used = new Set([...PROOF_FIELDS, ...found.flatMap((one) => one.used)])
  const tables = found.map(({ table }) => table)
  const rest: (readonly [string, unknown])[] = []
  for (const [key, value] of Object.entries(result)) {
    if (used.has(key)) continue
    const lists = parallelLists(value)
    if (isNested(value)) tables.push(nested(key, value))
    else if (isRecords(value)) tables.push(records(key, value))
    else if (lists.length > 0) {
      const fields = value as Fields
      tables.push(parallel(key, fields, lists))
      rest.push([key, Object.fromEntries(Object.entries(fields).filter(([name]) => !lists.includes(name)))])
    } else rest.push([key, value])
  }
  return { tables: tables.map(distinct), fields: rest.flatMap(([key, value]) => flattened(key, value)) }
}

/** A file's name, whatever an image called its field; the second of a name is numbered. */
function distinct(table: ResultTable, at: number, all: readonly ResultTable[]): ResultTable {
  const safe = (id: string): string => (id !== 'result' && /^[a-z][a-z0-9_-]{0,40}$/i.test(id) ? id : 'table')
  const id = safe(table.id)
  const before = all.slice(0, at).filter((one) => safe(one.id) === id).length
  return { ...table, id: before === 0 ? id : `${id}-${before + 1}` }
}

/** Whether a key of a row, and all before it, are those of the row above. */
export function isRepeated(rows: ResultTable['rows'], at: number, key: number): boolean {
  const above = rows[at - 1]
  return above !== undefined && (rows[at] ?? []).slice(0, key + 1).every((value, i) => value === above[i])
}

/** Counts with the second factor across and the totals around them. */
export function acrossOf({ columns, rows, across }: ResultTable): Pick<ResultTable, 'rows'> & { columns: string[] } {
  const names = [...new Set(rows.map((row) => row[0]))]
  const titles = [...new Set(rows.map((row) => row[1]))]
  const [rowTotal, columnTotal] = ['row_total', 'col_total'].map((name) =>
    columns.findIndex((one) => one.name === name),
  ) as [number, number]
  const body = names.map((name, r): Value[] => {
    const own = rows.slice(r * titles.length, (r + 1) * titles.length)
    return [name, ...own.map((row) => row[2]), ...(rowTotal < 0 ? [] : [own[0]?.[rowTotal]])]
  })
  if (columnTotal >= 0) {
    const totals = rows.slice(0, titles.length).map((row) => row[columnTotal])
    body.push(['total', ...totals, ...(rowTotal < 0 ? [] : [across?.corner ?? null])])
  }
  return { columns: ['', ...titles.map(String), ...(rowTotal < 0 ? [] : ['total'])], rows: body }
}

const MOMENTS = ['n', 'mean', 'sd', 'variance', 'skewness', 'kurtosis', 'missing', 'sites'] as const

/** The columns of a description, each of everyone and then by group. */
function described({ describe, by }: Fields): Found | undefined {
  if (!isFields(describe)) return undefined
  const group = isFields(by) && typeof by['column'] === 'string' ? by['column'] : 'group'
  const lines = Object.entries(describe).flatMap(([name, moments]): { key: string[]; moments: Fields }[] => {
    if (!isFields(moments)) return []
    const groups = isFields(moments['by']) ? Object.entries(moments['by']) : []
    return [
      { key: [name, ''], moments },
      ...groups.flatMap(([level, own]) => (isFields(own) ? [{ key: [name, level], moments: own }] : [])),
    ]
  })
  const others = lines.flatMap(({ moments }) => Object.keys(moments)).filter((key) => key !== 'by')
  const names = [...new Set([...MOMENTS, ...others])].filter((key) =>
    lines.some(({ moments }) => Object.hasOwn(moments, key)),
  )
  const grouped = lines.some(({ key }) => key[1] !== '')
  const keys: ResultColumn[] = [
    { name: 'column', title: 'column', kind: 'key' },
    ...(grouped ? [{ name: 'group', title: group, kind: 'key' } as const] : []),
  ]
  return {
    used: ['describe', ...(isFields(by) ? ['by'] : [])],
    table: {
      id: 'describe',
      title: 'Description',
      columns: [...keys, ...names.map((name) => numberColumn(name))],
      rows: lines.map(({ key, moments }) => [
        ...key.slice(0, keys.length),
        ...names.map((name) => toValue(moments[name])),
      ]),
    },
  }
}

/** Counts by two factors, row by row, with the totals that were released. */
function counted(result: Fields): Found | undefined {
  const { counts_by_row: counts, rows, cols } = result
  if (!(isList(counts) && isList(rows) && isList(cols)) || counts.length !== rows.length * cols.length) return undefined
  const totals = [listOf(result['row_totals']), listOf(result['col_totals'])] as const
  const lines = rows.flatMap((row, r) =>
    cols.map((column, c) => [
      String(row),
      String(column),
      toValue(counts[r * cols.length + c]),
      ...(totals[0].length > 0 ? [toValue(totals[0][r])] : []),
      ...(totals[1].length > 0 ? [toValue(totals[1][c])] : []),
    ]),
  )
  const names = ['n', ...(totals[0].length > 0 ? ['row_total'] : []), ...(totals[1].length > 0 ? ['col_total'] : [])]
  return {
    used: ['rows', 'cols', 'counts_by_row', 'row_totals', 'col_totals'],
    table: {
      id: 'counts',
      title: 'Counts',
      columns: [
        { name: 'row', title: factorTitle(result, 'row_factor'), kind: 'key' },
        { name: 'col', title: factorTitle(result, 'col_factor') || factorTitle(result, 'by'), kind: 'key' },
        ...names.map((name) => numberColumn(name)),
      ],
      rows: lines,
      across: { corner: toValue(result['n']) },
    },
  }
}

function factorTitle(result: Fields, key: string): string {
  const factor = result[key]
  return isFields(factor) && typeof factor['column'] === 'string' ? factor['column'] : ''
}

/** What rows by name are, judged by the first of these fields that is there. */
const LISTS: readonly (readonly [field: string, id: string, title: string])[] = [
  ['surv', 'curve', 'Survival'],
  ['sensitivity', 'thresholds', 'Thresholds'],
  ['eigenvalues', 'components', 'Components'],
  ['r', 'correlations', 'Correlations'],
  ['coef', 'estimates', 'Estimates'],
  ['estimate', 'estimates', 'Estimates'],
  ['counts', 'counts', 'Counts'],
  ['expected', 'events', 'Observed and expected events'],
  ['withinss', 'clusters', 'Clusters'],
  ['q', 'heterogeneity', 'Heterogeneity between sites'],
]
/** Lists of something else, which may have as many entries by chance. */
const NO_COLUMNS: ReadonlySet<string> = new Set(['names', 'breaks', 'released_grid'])

/** Every list with one value a name becomes a column, in the order the analysis gives them. */
function listed(result: Fields): Found | undefined {
  const { names } = result
  if (!isList(names)) return undefined
  const columns = Object.entries(result).filter(
    (entry): entry is [string, readonly Value[]] =>
      !NO_COLUMNS.has(entry[0]) && isList(entry[1]) && entry[1].length === names.length && entry[1].every(isScalar),
  )
  const [, id, title] = LISTS.find(([field]) => columns.some(([key]) => key === field)) ?? ['', 'values', 'Values']
  return {
    used: ['names', ...columns.map(([key]) => key)],
    table: {
      id,
      title,
      columns: [
        { name: 'name', title: '', kind: 'key' },
        ...columns.map(([key, values]) =>
          values.every((value) => value === null || typeof value === 'number')
            ? numberColumn(key)
            : ({ name: key, title: labelOf(key), kind: 'text' } as const),
        ),
      ],
      rows: names.map((name, at) => [String(name), ...columns.map(([, values]) => values[at])]),
    },
  }
}

/** Measures with an interval that stand by themselves: an odds ratio, a risk difference. */
function measured(result: Fields): Found | undefined {
  const keys = Object.keys(result).filter((key) => isMeasure(result[key]))
  if (keys.length === 0) return undefined
  const names = [...new Set(keys.flatMap((key) => Object.keys(result[key] as Fields)))]
  return {
    used: keys,
    table: {
      id: 'measures',
      title: 'Measures',
      columns: [{ name: 'name', title: '', kind: 'key' }, ...names.map((name) => numberColumn(name))],
      rows: keys.map((key) => [labelOf(key), ...names.map((name) => toValue((result[key] as Fields)[name]))]),
    },
  }
}
