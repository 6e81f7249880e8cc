import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Declaration } from '@flamesh/node/data/declaration.js'
import type { ProposedColumn } from '@flamesh/node/data/proposed-column.js'
import { openRows, proposeSchema, publishedColumns, roundRows } from '@flamesh/node/data/schema.js'
import type { Value } from '@flamesh/node/data/values.js'
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
  const proposeText = async (text: string | Uint8Array, declaration: Declaration = {}) => {
    const file = join(folder, 'text.csv')
    await writeFile(file, text)
    const proposal = await proposeSchema(file, declaration)
    assert.ok(proposal.form !== undefined)
    return { ...proposal, form: proposal.form }
  }
  /** What the rows hold, by column. */
  const valuesOf = async (text: string | Uint8Array, declaration: Declaration = {}) => {
    const proposal = await proposeText(text, declaration)
    const found: Record<string, Value[]> = Object.fromEntries(proposal.columns.map(({ name }) => [name, []]))
    for await (const batch of (await openRows(proposal)).batches) {
      for (const row of batch) {
        for (const [index, { name }] of proposal.columns.entries()) found[name]!.push(row[index])
      }
    }
    return found
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

  it('points at columns that are not kept, and at what they almost are', async () => {
    const rows = 20
    const found = await propose({
      text: Array.from({ length: rows }, (_, row) => `t${row}`),
      below: Array.from({ length: rows }, (_, row) => (row === 7 ? '<0.5' : `${row}.5`)),
      days: Array.from({ length: rows }, (_, row) => (row === 3 ? 'unknown' : `${row + 1}.1.2020`)),
      comma: Array.from({ length: rows }, (_, row) => `${row},5`),
    })
    assert.match(found['text']!.note!, /not kept/)
    assert.equal(found['below']!.note, 'numbers but for 1 values, the first in line 9')
    assert.equal(found['days']!.note, 'days but for 1 values, the first in line 5')
    assert.match(found['comma']!.note!, /decimal comma/, 'the comma separates the fields of this file')
  })

  it('reads a file as a German spreadsheet writes it, and says what it guessed', async () => {
    const text = Buffer.from('Größe;Gewicht;Datum;Ort\r\n180;80,5;31.12.1999;Köln\r\n;-;01.01.2000;NA\r\n', 'latin1')
    const { form, columns } = await proposeText(text)
    assert.deepEqual(
      Object.entries(form).map(([key, { value, guessed, because }]) => [key, String(value), guessed, because]),
      [
        ['encoding', 'windows-1252', true, 'line 1 is not UTF-8'],
        ['separator', ';', true, 'the header has it most'],
        ['decimal', ',', true, 'as in Gewicht'],
        ['thousands', 'null', true, 'only if declared'],
        ['missing', String(form.missing.value), true, 'the usual'],
      ],
    )
    assert.deepEqual(
      columns.map(({ name, type, missingAs, reading, guessed }) => [name, type, missingAs, reading.as, guessed]),
      [
        ['Größe', 'integer', { '': 1 }, 'number', true],
        ['Gewicht', 'number', { '-': 1 }, 'number', true],
        ['Datum', 'integer', {}, 'date', true],
        ['Ort', 'text', { NA: 1 }, 'text', true],
      ],
    )
    assert.deepEqual(await valuesOf(text), {
      Größe: [180, undefined],
      Gewicht: [80.5, undefined],
      Datum: [10_956, 10_957],
      Ort: ['Köln', undefined],
    })
    assert.deepEqual(publishedColumns(columns, {})[2], { name: 'Datum', type: 'integer', epoch: '1970-01-01' })
  })

  it('guesses a decimal comma only where no column speaks against it', async () => {
    const decimal = async (text: string) => (await proposeText(text)).form.decimal
    assert.equal((await decimal('a;b\n1,5;2\n')).value, ',')
    assert.equal((await decimal('a;b\n1.5;2\n')).value, '.')
    assert.deepEqual(await decimal('a;b\n1.5;2,5\n'), {
      value: '.',
      guessed: true,
      because: 'as in a, but b has commas',
    })
    assert.equal((await decimal('a,b\n"1,5",2\n')).value, '.')
    assert.equal((await decimal('a;b\nNA;2\n')).value, '.')
    const { columns } = await proposeText('a;b\n1,234;2,5\n')
    assert.match(columns[0]!.note!, /thousands/, 'what may be thousands is pointed at')
    assert.equal(columns[1]!.note, undefined)
  })

  it('does as declared, by the file and by the column', async () => {
    const declaration: Declaration = {
      separator: ';',
      decimal: ',',
      thousands: '.',
      missing: ['999'],
      epoch: '1900-01-01',
      columns: {
        b: { decimal: '.', thousands: ',' },
        c: { type: 'date', format: 'mm/dd/yyyy', missing: [] },
        d: { type: 'level' },
        e: { type: 'text' },
        f: { type: 'number', missing: ['-1'] },
      },
    }
    const text = 'a;b;c;d;e;f\n1.234,5;1,234.5;01/02/1900;1;x;2\n999;;;999;y;-1\n2;NA;1/3/1900;2;z;\n'
    assert.equal((await proposeText(text, declaration)).columns[1]!.type, 'text', 'NA is no token any more')
    const found = await valuesOf(text.replace('NA', '3'), declaration)
    assert.deepEqual(found, {
      a: [1234.5, undefined, 2],
      b: [1234.5, undefined, 3],
      c: [1, undefined, 2],
      d: ['1', undefined, '2'],
      e: ['x', 'y', 'z'],
      f: [2, undefined, undefined],
    })
    const { columns, form } = await proposeText(text.replace('NA', '3'), declaration)
    assert.deepEqual(
      columns.map(({ type, guessed }) => [type, guessed]),
      [
        ['number', true],
        ['number', true],
        ['integer', false],
        ['level', false],
        ['text', false],
        ['number', false],
      ],
    )
    assert.equal(form.thousands.guessed || form.missing.guessed || form.decimal.guessed, false)
  })

  it('names line and column of a value that is not what was declared, and never the value', async () => {
    const text = 'a;b\n1;x\n"2";"y\ny"\n2,5;x\nneedle;x\n1;31.02.2020\n'
    const cases: readonly (readonly [Declaration, number, string, RegExp])[] = [
      [{ columns: { a: { type: 'number' } } }, 5, 'a', /not a number, the first of 2/],
      [{ columns: { a: { type: 'number' } }, decimal: ',' }, 6, 'a', /not a number$/],
      [{ columns: { a: { type: 'integer', missing: ['needle'] } }, decimal: ',' }, 5, 'a', /not a whole number$/],
      [{ columns: { b: { type: 'date', format: 'dd.mm.yyyy' } } }, 2, 'b', /not a day as dd\.mm\.yyyy, the first of 5/],
      [{ columns: { b: { type: 'date', missing: ['x', 'y\ny'] } } }, 7, 'b', /not a day/],
    ]
    for (const [declaration, line, column, message] of cases) {
      await assert.rejects(proposeText(text, declaration), (error: { code: string; meta: object; message: string }) => {
        assert.equal(error.code, 'csv-value')
        assert.deepEqual({ ...error.meta, file: '' }, { file: '', line, column })
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /needle|31/)
        return true
      })
    }
    const many = `a\n${Array.from({ length: 41 }, (_, row) => `l${row}`).join('\n')}\n`
    await assert.rejects(proposeText(many, { columns: { a: { type: 'level' } } }), { code: 'too-many-levels' })
  })

  it('says of a whole number what is wrong with it', async () => {
    const declaration: Declaration = { columns: { a: { type: 'integer' } } }
    await assert.rejects(proposeText('a\n1\n9007199254740993\n', declaration), {
      message: 'line 3, column a: not a whole number below 2^53',
    })
  })

  it('points at what may be days and is not guessed', async () => {
    const rows = Array.from({ length: 40 }, (_, row) => [
      `20200${(row % 9) + 1}1${row % 10}`,
      `${(row % 12) + 1}/${(row % 28) + 1}/2020`,
      `${(row % 12) + 1}/${(row % 12) + 1}/2020`,
      `${10_000_000 + row}`,
    ])
    const { columns } = await proposeText(`compact;us;either;number\n${rows.map((row) => row.join(';')).join('\n')}\n`)
    assert.deepEqual(
      columns.map(({ type, note }) => [type, note]),
      [
        ['integer', 'may be days: declare date:yyyymmdd'],
        ['text', 'may be days: declare date:mm/dd/yyyy'],
        ['level', 'may be days: declare date:dd/mm/yyyy or date:mm/dd/yyyy'],
        ['integer', undefined],
      ],
    )
  })

  it('takes any name for the name of a column', async () => {
    const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty']
    const { columns } = await proposeText(`${names.join(';')}\n1;2;3;4\n`, { columns: {}, derive: {} })
    assert.deepEqual(
      columns.map(({ name, type, guessed }) => [name, type, guessed]),
      names.map((name) => [name, 'integer', true]),
    )
    assert.deepEqual((await valuesOf('constructor;valueOf\n1;2\n'))['valueOf'], [2])
  })

  it('counts blank lines and rows without a value, and points at a minus that is no gap', async () => {
    const { rows, blankLines, emptyRows, columns } = await proposeText('a;b\n\n+;1\n;\n-;2\nNA;.\n')
    assert.deepEqual([rows, blankLines, emptyRows], [4, 1, { rows: 2, firstLine: 4 }])
    assert.match(columns[0]!.note!, /"-" was taken for missing, and there is "\+"/)
  })

  it('knows the usual tokens for a missing value, as they are written, and no others', async () => {
    const usual = ['', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'NULL', 'null', '.', '-', 'missing', 'Missing']
    const others = ['Na', 'na', 'none', 'unknown', '?', '--', 'toString', '__proto__']
    const quoted = [...usual, ...others].map((cell) => `"${cell}"`)
    const { columns } = await proposeText(`a\n${quoted.join('\n')}\n`)
    assert.deepEqual(columns[0]!.missingAs, Object.fromEntries(usual.map((token) => [token, 1])))
    assert.deepEqual((await valuesOf(`a\n${quoted.join('\n')}\n`))['a'], [...usual.map(() => undefined), ...others])
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
