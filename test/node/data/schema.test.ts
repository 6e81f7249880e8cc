import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProposedColumn, proposeSchema, publishedColumns, roundRows } from '@flamesh/node/data/schema.js'
import { datasetAnnouncementSchema } from '@flamesh/protocol/jobs/dataset.js'
import fc from 'fast-check'

describe('inferred schema', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-schema-'))
  })
  after(() => rm(folder, { recursive: true }))

  async function propose(columns: Record<string, readonly string[]>): Promise<Record<string, ProposedColumn>> {
    const names = Object.keys(columns)
    const rows = Object.values(columns)[0]!.map((_, row) => names.map((name) => `"${columns[name]![row]}"`).join(','))
    const file = join(folder, 'data.csv')
    await writeFile(file, `${names.join(',')}\n${rows.join('\n')}\n`)
    return Object.fromEntries((await proposeSchema(file)).columns.map((column) => [column.name, column]))
  }
  const repeat = (values: readonly string[], rows: number): string[] =>
    Array.from({ length: rows }, (_, row) => values[row % values.length]!)
  const levelsOf = (column: ProposedColumn | undefined) => column?.levels?.map((level) => level.value)

  it('tells integers, numbers, levels and text apart', async () => {
    const found = await propose({
      integer: repeat(['1', '-2', '+3', '4.0', '1e1', '00'], 30),
      number: repeat(['1.5', '.5', '2', '-1e-3', 'NA'], 30),
      level: repeat(['yes', 'no', 'NA'], 30),
      text: Array.from({ length: 30 }, (_, row) => `patient ${row}`),
      nothing: repeat(['NA'], 30),
      huge: repeat(['12345678901234567890', '2'], 30),
      infinite: repeat(['1e999', '1'], 30),
    })
    const types = Object.values(found).map(({ name, type, missing }) => [name, type, missing])
    assert.deepEqual(types, [
      ['integer', 'integer', 0],
      ['number', 'number', 6],
      ['level', 'level', 10],
      ['text', 'text', 0],
      ['nothing', 'number', 30],
      ['huge', 'level', 0],
      ['infinite', 'level', 0],
    ])
    assert.deepEqual(levelsOf(found['integer']), ['-2', '0', '1', '3', '4', '10'])
    assert.deepEqual(levelsOf(found['level']), ['no', 'yes'])
    assert.deepEqual([levelsOf(found['number']), levelsOf(found['text'])], [undefined, undefined])
  })

  it('has levels only up to 40, up to 0.33 of the rows, and only short ones', async () => {
    const distinct = (count: number): string[] => Array.from({ length: count }, (_, index) => `l${index}`)
    const typeOf = async (values: readonly string[], rows: number) =>
      (await propose({ a: repeat(values, rows) }))['a']!.type
    assert.equal(await typeOf(distinct(40), 200), 'level')
    assert.equal(await typeOf(distinct(41), 200), 'text')
    assert.equal(await typeOf(distinct(33), 100), 'level')
    assert.equal(await typeOf(distinct(34), 100), 'text')
    assert.equal(await typeOf(['x'.repeat(64), 'y'], 100), 'level')
    assert.equal(await typeOf(['x'.repeat(65), 'y'], 100), 'text')
    const integers = await propose({
      few: repeat(['1', '2', '3'], 200),
      many: Array.from({ length: 200 }, (_, row) => String(row % 41)),
    })
    assert.deepEqual(levelsOf(integers['few']), ['1', '2', '3'])
    assert.equal(integers['many']!.levels, undefined)
  })

  it('publishes a rare level only if it is confirmed, and what is withheld never', async () => {
    const four = [...repeat(['a', 'b'], 30), ...repeat(['rare'], 4)]
    const five = [...repeat(['a', 'b'], 29), ...repeat(['rare'], 5)]
    const columns = Object.values(await propose({ four, five }))
    const published = (confirmation: Parameters<typeof publishedColumns>[1]) =>
      publishedColumns(columns, confirmation).map((column) => column.levels)
    const all = ['a', 'b', 'rare']
    assert.deepEqual(published({}), [['a', 'b'], all])
    assert.deepEqual(published({ rareLevels: true }), [all, all])
    assert.deepEqual(published({ rareLevels: ['five'] }), [['a', 'b'], all])
    assert.deepEqual(published({ rareLevels: ['four'] }), [all, all])
    assert.deepEqual(published({ rareLevels: true, withheld: ['four'] }), [undefined, all])
  })

  it('publishes names, types and confirmed levels and nothing else, whatever the data', async () => {
    const cell = fc.oneof(fc.integer().map(String), fc.double().map(String), fc.constantFrom('a', 'b', 'NA', 'a b'))
    await fc.assert(
      fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 60 }), async (values) => {
        const columns = Object.values(await propose({ c: values }))
        const published = publishedColumns(columns, {})
        assert.ok(datasetAnnouncementSchema.safeParse({ name: 'd', columns: published, roundedRows: 10 }).success)
        for (const level of published[0]!.levels ?? []) {
          const rows = values.filter(
            (value) => value === level || (columns[0]!.type === 'integer' && Number(value) === Number(level)),
          )
          assert.ok(rows.length >= 5)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('points at decimal commas and at columns that are not kept', async () => {
    const found = await propose({
      comma: Array.from({ length: 20 }, (_, row) => `${row},5`),
      text: Array.from({ length: 20 }, (_, row) => `t${row}`),
    })
    assert.match(found['comma']!.note!, /decimal comma/)
    assert.match(found['text']!.note!, /not kept/)
  })

  it('rounds the number of rows to one digit below a hundred, two above, never below ten', () => {
    const cases = [
      [0, 10],
      [3, 10],
      [14, 10],
      [15, 20],
      [36, 40],
      [94, 90],
      [99, 100],
      [104, 100],
      [228, 230],
      [12_345, 12_000],
    ] as const
    assert.deepEqual(
      cases.map(([rows]) => roundRows(rows)),
      cases.map(([, rounded]) => rounded),
    )
  })
})
