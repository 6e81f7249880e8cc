import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkDeclaration, declaredBy, readDeclaration, withOptions } from '@flamesh/node/data/declaration.js'

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
    return readDeclaration(file)
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

  const mistakes: readonly (readonly [string, number, number, RegExp, RegExp])[] = [
    ['encoding: latin9\n', 1, 11, /encoding: /, /docs/],
    ['decimal: ","\nseperator: ";"\n', 2, 12, /seperator: there is no such field/, /separator/],
    ['columns:\n  a: { tpye: level }\n', 2, 14, /columns\.a\.tpye: there is no such field/, /type/],
    ['columns:\n  a:\n    type: string\n', 3, 11, /columns\.a\.type/, /docs/],
    ['missing: [NA, null]\n', 1, 15, /quotes/, /docs/],
    ['epoch: 1900-02-30\n', 1, 8, /epoch/, /docs/],
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

  it('are taken from beside the data unless another is named', async () => {
    const data = join(folder, 'data.csv')
    await read('decimal: ","\n')
    assert.deepEqual(await declaredBy(data, undefined), { declaration: { decimal: ',' }, from: file })
    assert.deepEqual(await declaredBy(join(folder, 'other.csv'), undefined), { declaration: {}, from: undefined })
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
