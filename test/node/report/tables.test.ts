/** The tables and the CSV of a result: every number of it, once, whatever the analysis. */
import assert from 'node:assert/strict'
import { csvFiles } from '@flamesh/node/report/csv.js'
import { acrossOf, tablesOf } from '@flamesh/node/report/tables.js'
import { parse } from 'csv-parse/sync'
import { exampleResult, TITLES } from './examples.js'

const read = (text: string | undefined): Record<string, string>[] => parse(text ?? '', { columns: true, bom: false })

/** Every number in a result but those of the parameters' echo. */
function numbersIn(value: unknown): readonly number[] {
  if (typeof value === 'number') return [value]
  if (typeof value !== 'object' || value === null || 'column' in value) return []
  return Object.values(value).flatMap(numbersIn)
}

describe('the tables of a result', () => {
  for (const title of TITLES)
    it(`hold every number of ${title}, with every digit`, () => {
      const { result } = exampleResult(title)
      const files = csvFiles(result)
      const cells = new Set(
        [...files.values()].flatMap((text) =>
          parse(text)
            .flat()
            .flatMap((cell) => cell.split(', ')),
        ),
      )
      for (const number of numbersIn(result)) assert.ok(cells.has(String(number)), `${number} is not in the CSV`)
      for (const [name, file] of files) {
        assert.match(name, /^[a-z][a-z0-9_-]*\.csv$/)
        const [header = [], ...rows] = parse(file) as string[][]
        assert.equal(new Set(header).size, header.length, `${name} has a column twice`)
        assert.ok(rows.length > 0 && rows.every((row) => row.length === header.length))
      }
    })

  it('are what a statistics program reads: one row a case, one column a variable', () => {
    const { result } = exampleResult('cox')
    const rows = read(csvFiles(result).get('estimates.csv'))
    assert.deepEqual(
      rows.map(({ name, coef, hazard_ratio_low: low }) => [name, Number(coef), Number(low)]),
      result.names.map((name: string, at: number) => [name, result.coef[at], result.hazard_ratio_low[at]]),
    )
    const table = exampleResult('table').result
    assert.deepEqual(
      read(csvFiles(table).get('counts.csv')).map(({ row, col, n }) => [row, col, Number(n)]),
      table.rows.flatMap((row: string, r: number) =>
        table.cols.map((col: string, c: number) => [row, col, table.counts_by_row[r * 2 + c]]),
      ),
    )
    const groups = read(csvFiles(exampleResult('rates').result).get('groups.csv'))
    assert.deepEqual(
      groups.slice(0, 2).map(({ name, name2, name3 }) => [name, name2, name3]),
      [
        ['none', '', ''],
        ['none', 'strata', 'under 40'],
      ],
    )
  })

  it('put the lists of one record side by side', () => {
    const files = csvFiles(exampleResult('survival').result)
    const { level, observed, expected, df, p } = exampleResult('survival').result.logrank
    assert.deepEqual(
      read(files.get('logrank.csv')).map((row) => [row['level'], Number(row['observed']), Number(row['expected'])]),
      level.map((name: string, at: number) => [name, observed[at], expected[at]]),
    )
    const single = new Map(read(files.get('result.csv')).map(({ field, value }) => [field, Number(value)]))
    assert.deepEqual([single.get('logrank.df'), single.get('logrank.p')], [df, p])
    // a list by itself, or beside one of another length, is no column
    const alone = csvFiles({ a: { level: ['x', 'y'] }, b: { level: ['x', 'y'], n: [1] }, c: { m: [1, 2], n: [3, 4] } })
    assert.deepEqual([...alone.keys()], ['result.csv'])
  })

  it('say what is withheld by an empty field', () => {
    const { result } = exampleResult('table-withheld')
    const rows = read(csvFiles(result).get('counts.csv'))
    assert.deepEqual(
      rows.map(({ n }) => (n === '' ? null : Number(n))),
      result.counts_by_row,
    )
    assert.ok(rows.some(({ n }) => n === ''))
  })

  it('read counts across, with the totals around them', () => {
    const [counts] = tablesOf(exampleResult('table').result).tables
    assert.ok(counts)
    const { columns, rows } = acrossOf(counts)
    assert.deepEqual(columns, ['', '0', '1', 'total'])
    assert.deepEqual(rows, [
      ['1', 26, 112, 138],
      ['2', 37, 53, 90],
      ['total', 63, 165, 228],
    ])
  })

  it('keep names as they are, and none becomes a formula or a path', () => {
    const names = ['a,b', 'say "x"', 'two\nlines', '=1+1', '-1', '+cmd', '@x', '<script>']
    const files = csvFiles({
      names,
      coef: names.map((_, at) => at),
      '../../etc': { a: { n: 1 } },
      'x/y': { b: { n: 2 } },
    })
    assert.deepEqual([...files.keys()], ['result.csv', 'estimates.csv', 'table.csv', 'table-2.csv'])
    assert.deepEqual(
      read(files.get('estimates.csv')).map(({ name }) => name),
      ['a,b', 'say "x"', 'two\nlines', "'=1+1", '-1', "'+cmd", "'@x", '<script>'],
    )
  })
})
