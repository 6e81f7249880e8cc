/** The first table of a paper, if a result describes columns and factors: means and shares, of everyone and by group. */
import { formatCount } from '@flamesh/protocol/report/numbers.js'
import { columnOf, numberOf } from './figures/picture.js'
import type { ResultColumn, ResultTable, Value } from './result-table.js'
import { placesOf, pText, withPlaces } from './text.js'
import { type Fields, isFields } from './values.js'

/** Levels stand below their factor. */
const INDENT = '\u2003'

/** Undefined if the result has another shape. Its cells are text for a reader: the other tables have the numbers. */
export function baselineTable(result: Fields): ResultTable | undefined {
  const { factors } = result
  if (
    !isFields(factors) ||
    !Object.values(factors).every((levels) => isFields(levels) && Object.values(levels).every(isFields))
  )
    return undefined
  const sizes = isFields(result['groups']) ? Object.entries(result['groups']) : []
  const groups = sizes.map(([name]) => name)
  const by = columnOf(result['by']) ?? ''
  const compared = isFields(result['comparison']) ? result['comparison'] : {}
  const tests = (column: string): readonly Value[] => {
    if (groups.length === 0) return []
    const own = isFields(compared[column]) ? compared[column] : {}
    const [p, smd] = [numberOf(own['p']), numberOf(own['smd'])]
    return [p === null ? '–' : pText(p), smd === null ? '–' : withPlaces(smd, 3)]
  }
  const titled = (name: string, n: unknown): string =>
    `${name}\n(${typeof n === 'number' ? `n = ${formatCount(n)}` : 'withheld'})`
  const column = (name: string, title: string): ResultColumn => ({ name, title, kind: 'number' })
  return {
    id: 'characteristics',
    title: 'Characteristics',
    columns: [
      { name: 'characteristic', title: '', kind: 'key' },
      column('everyone', titled('everyone', result['rows'])),
      ...sizes.map(([name, n]) => column(name, titled(`${by} ${name}`, n))),
      ...(groups.length === 0 ? [] : [column('test', 'p'), column('smd', 'SMD')]),
    ],
    rows: [...columnRows(result['describe'], groups, tests), ...factorRows(result, groups, tests)],
  }
}

type Tests = (column: string) => readonly Value[]

const withMissing = (name: string, missing: unknown): string =>
  typeof missing === 'number' && missing > 0 ? `${name}; ${formatCount(missing)} missing` : name

function columnRows(describe: unknown, groups: readonly string[], tests: Tests): ResultTable['rows'] {
  if (!isFields(describe)) return []
  return Object.entries(describe).map(([name, own]) => {
    const by = isFields(own) && isFields(own['by']) ? own['by'] : {}
    const places = isFields(own) ? placesOf([numberOf(own['sd']) ?? numberOf(own['mean']), null, null]) : 0
    const cell = (moments: unknown): string => {
      const [mean, sd] = isFields(moments) ? [numberOf(moments['mean']), numberOf(moments['sd'])] : [null, null]
      if (mean === null) return 'withheld'
      return sd === null ? withPlaces(mean, places) : `${withPlaces(mean, places)} (${withPlaces(sd, places)})`
    }
    const missing = isFields(own) ? own['missing'] : undefined
    return [
      withMissing(`${name}, mean (SD)`, missing),
      cell(own),
      ...groups.map((group) => cell(by[group])),
      ...tests(name),
    ]
  })
}

function factorRows(result: Fields, groups: readonly string[], tests: Tests): ResultTable['rows'] {
  const by = isFields(result['factors_by']) ? result['factors_by'] : {}
  const missing = isFields(result['factors_missing']) ? result['factors_missing'] : {}
  const cell = (count: unknown): string => {
    const [n, percent] = isFields(count) ? [numberOf(count['n']), numberOf(count['percent'])] : [null, null]
    if (n === null) return 'withheld'
    return percent === null ? formatCount(n) : `${formatCount(n)} (${percent.toFixed(1)})`
  }
  return Object.entries(result['factors'] as Fields).flatMap(([column, levels]) => {
    const own = isFields(by[column]) ? by[column] : {}
    const head = [withMissing(`${column}, n (%)`, missing[column]), '', ...groups.map(() => ''), ...tests(column)]
    const rows = Object.entries(levels as Fields).map(([level, whole]) => {
      const cells = isFields(own[level]) ? own[level] : {}
      return [
        INDENT + level,
        cell(whole),
        ...groups.map((group) => cell(cells[group])),
        ...(groups.length === 0 ? [] : ['', '']),
      ]
    })
    return [head, ...rows]
  })
}
