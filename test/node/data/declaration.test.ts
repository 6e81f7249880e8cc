import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkDeclaration, declaredBy, readDeclaration, withOptions } from '@flamesh/node/data/declaration.js'
import { openRows, proposeSchema, type ValueRow } from '@flamesh/node/data/schema.js'

describe('declarations', () => {
  let folder: string
  let file: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-declaration-'))
    file = join(folder, 'data.csv.yaml')
  })
  after(() => rm(folder, { recursive: true }))
  const read = async (text: string) => {
    await writeFile(file, text)
    return (await readDeclaration(file)).declaration
  }

  it('read what an operator writes', async () => {
    const text = [
      'encoding: windows-1252',
      'separator: tab',
      'decimal: ","',
      'thousands: "."',
      'missing: [NA, 999, -9]',
      'epoch: 1900-01-01',
      'columns:',
      '  seen: { type: date, format: dd/mm/yyyy }',
      '  3: { type: level, missing: ["null"] }',
    ].join('\n')
    assert.deepEqual(await read(text), {
      encoding: 'windows-1252',
      separator: '\t',
      decimal: ',',
      thousands: '.',
      missing: ['NA', '999', '-9'],
      epoch: '1900-01-01',
      columns: { seen: { type: 'date', format: 'dd/mm/yyyy' }, 3: { type: 'level', missing: ['null'] } },
    })
    assert.deepEqual(await read('# nothing yet\n'), {})
  })

  it('give paths of a source the folder of the file that declares it', async () => {
    const query = 'SELECT * FROM visits'
    assert.deepEqual(await read(`source: { query: "${query}" }\n`), { source: { query, folder } })
    assert.deepEqual(await read(`source: { query: "${query}", folder: export }\n`), {
      source: { query, folder: join(folder, 'export') },
    })
  })

  const mistakes: readonly (readonly [string, number, number, RegExp, RegExp])[] = [
    ['encoding: latin9\n', 1, 11, /encoding: /, /docs/],
    ['decimal: ","\nseperator: ";"\n', 2, 12, /seperator: there is no such field/, /separator/],
    ['columns:\n  a: { tpye: level }\n', 2, 14, /columns\.a\.tpye: there is no such field/, /type/],
    ['columns:\n  a:\n    type: string\n', 3, 11, /columns\.a\.type/, /docs/],
    ['missing: [NA, null]\n', 1, 15, /quotes/, /docs/],
    ['epoch: 1900-02-30\n', 1, 8, /epoch/, /docs/],
    ['source: { folder: x }\n', 1, 9, /source\.query/, /docs/],
    ['source: { query: SELECT 1, foldr: x }\n', 1, 35, /source\.foldr: there is no such field/, /folder/],
    [
      'source: { query: SELECT 1, postgres: { host: h, database: d, user: u, timeout: 60d } }\n',
      ...[1, 80, /source\.postgres\.timeout: a duration .*, a week at most/, /docs/],
    ] as never,
  ]
  for (const [text, line, column, message, hint] of mistakes) {
    it(`name line and column of a mistake: ${JSON.stringify(text)}`, async () => {
      await assert.rejects(read(text), (error: { code: string; meta: object; message: string; hint: string }) => {
        assert.equal(error.code, 'declaration-invalid')
        const { line: foundLine, column: foundColumn } = error.meta as { line: number; column: number }
        assert.deepEqual([foundLine, foundColumn], [line, column])
        assert.match(error.message, new RegExp(`line ${line}, column ${column}`))
        assert.match(error.message, message)
        assert.match(error.hint, hint)
        return true
      })
    })
  }

  it('lose nothing in silence, whatever its name', async () => {
    for (const text of ['columns:\n  __proto__: { type: level }\n', 'derive: { "__proto__": { from: a, times: 2 } }\n'])
      await assert.rejects(read(text), { code: 'yaml-invalid', message: /cannot be named __proto__/ })
    assert.throws(() => withOptions({}, { type: ['__proto__=level'] }), { code: 'usage' })
  })

  it('are read as the reference shows them', async () => {
    const page = readFileSync(new URL('../../../docs/reference/datasets.md', import.meta.url), 'utf8')
    const blocks = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text)
    assert.ok(blocks.length > 2)
    for (const block of blocks) await read(block)
    const whole = await read(blocks[0]!)
    const { derive } = await read(blocks[1]!)
    const data = join(folder, 'shown.csv')
    const header = 'seen;weight;smoker;notes;birth;GESCHLECHT;rauchen;weight_lb;temp_f;age;died;diagnosed'
    const row = '13/01/2020;80.5;1;x y;01.02.1950;w;ja;1.100,5;98,6;41;03.02.2020;01.02.2020'
    await writeFile(data, Buffer.from(`${header}\n${row}\n`, 'latin1'))
    const proposal = await proposeSchema(data, { ...whole, derive: { ...whole.derive, ...derive } })
    const values: ValueRow[] = []
    for await (const batch of (await openRows(proposal)).batches) values.push(...batch)
    const found = Object.fromEntries(proposal.columns.map(({ name }, index) => [name, values[0]?.[index]]))
    assert.equal(found['birth'], undefined)
    assert.deepEqual(
      ['seen', 'weight', 'smoker', 'sex', 'age_group', 'age_class', 'time'].map((name) => found[name]),
      [18274, 80.5, 1, 'female', '[40,60)', 'adult', 2],
    )
    assert.ok(Math.abs((found['temp_c'] as number) - 37) < 1e-6)
    assert.ok(Math.abs((found['weight_kg'] as number) - 1100.5 * 0.45359237) < 1e-9)
  })

  it('are taken from beside the data unless another is named', async () => {
    const data = join(folder, 'data.csv')
    await read('decimal: ","\n')
    assert.deepEqual(await declaredBy(data, undefined), {
      declaration: { decimal: ',' },
      catalogue: undefined,
      from: file,
    })
    assert.deepEqual(await declaredBy(join(folder, 'other.csv'), undefined), {
      declaration: {},
      catalogue: undefined,
      from: undefined,
    })
    assert.equal((await declaredBy(join(folder, 'other.csv'), file)).from, file)
    await assert.rejects(declaredBy(data, join(folder, 'none.yaml')), { code: 'file-not-found' })
  })

  it('give way to options', () => {
    const declaration = { decimal: ',', columns: { a: { type: 'level', missing: ['x'] } } } as const
    assert.deepEqual(
      withOptions(
        { ...declaration, columns: { a: { type: 'level', missing: ['x'] } } },
        { decimal: '.', missing: ['-'], type: ['a=number', 'b=c=date:mm/dd/yyyy'], separator: 'tab' },
      ),
      {
        decimal: '.',
        separator: '\t',
        missing: ['-'],
        columns: { a: { type: 'number', missing: ['x'] }, 'b=c': { type: 'date', format: 'mm/dd/yyyy' } },
      },
    )
    for (const options of [{ type: ['a'] }, { type: ['a=word'] }, { encoding: 'ebcdic' }, { decimal: ';' }]) {
      assert.throws(() => withOptions({}, options), { code: 'usage' })
    }
  })

  it('have to fit the header, and themselves', () => {
    const header = ['age', 'sex']
    checkDeclaration({ columns: { age: { type: 'number' } }, decimal: ',', thousands: '.' }, header)
    for (const declaration of [
      { columns: { aeg: {} } },
      { columns: { age: { type: 'number', epoch: '1970-01-01' } } },
      { thousands: '.' },
      { decimal: ',', thousands: ',' },
      { columns: { age: { decimal: ',', thousands: ',' } } },
    ] as const) {
      assert.throws(() => checkDeclaration(declaration, header), { code: 'declaration-invalid' })
    }
  })
})
