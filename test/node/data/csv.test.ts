import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cell, openCsv } from '@flamesh/node/data/csv.js'
import fc from 'fast-check'

describe('csv', () => {
  let folder: string
  let file: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-csv-'))
    file = join(folder, 'data.csv')
  })
  after(() => rm(folder, { recursive: true }))

  async function read(content: string | Uint8Array): Promise<{ header: readonly string[]; rows: (readonly Cell[])[] }> {
    await writeFile(file, content)
    const { header, records } = await openCsv(file)
    const rows: (readonly Cell[])[] = []
    for await (const cells of records) rows.push(cells)
    return { header, rows }
  }

  const forms: [string, string][] = [
    ['commas', 'a,b\n1,x\n2,y\n'],
    ['semicolons', 'a;b\n1;x\n2;y\n'],
    ['tabs', 'a\tb\n1\tx\n2\ty\n'],
    ['a byte order mark, quotes and CRLF', '\ufeff"a","b"\r\n"1","x"\r\n2, y \r\n'],
    ['no last newline and blank lines', '\na,b\n1,x\n\n2,y'],
    ['carriage returns alone', 'a,b\r1,x\r2,y\r'],
  ]
  for (const [form, content] of forms) {
    it(`reads ${form}`, async () => {
      assert.deepEqual(await read(content), {
        header: ['a', 'b'],
        rows: [
          ['1', 'x'],
          ['2', 'y'],
        ],
      })
    })
  }

  it('takes the separator from the header, quoted separators aside', async () => {
    assert.deepEqual((await read('"a,b,c";d\n"1;1";2\n')).rows, [['1;1', '2']])
    assert.deepEqual(await read('alone\n1\n'), { header: ['alone'], rows: [['1']] })
  })

  it('knows the tokens for a missing value, and no others', async () => {
    const { rows } = await read('a,b\n,""\nNA,N/A\nNaN,null\n., NA \nNa,na\nNULL,none\n')
    const none = [undefined, undefined]
    assert.deepEqual(rows, [none, none, none, none, ['Na', 'na'], ['NULL', 'none']])
  })

  it('gives back any field that was written with quotes', async () => {
    const field = fc
      .string({ unit: 'grapheme', maxLength: 6 })
      .filter((text) => text.trim().length > 1 && !/^(NA|N\/A|NaN|null)$/.test(text.trim()) && !text.includes('\ufeff'))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 6 }),
        fc.constantFrom(',', ';', '\t'),
        async (rows, separator) => {
          const quoted = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(separator))
          const found = await read(`a${separator}b\n${quoted.join('\n')}\n`)
          assert.deepEqual(
            found.rows,
            rows.map((row) => row.map((text) => text.trim())),
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  const mistakes: [string, string | Uint8Array, string, number | undefined][] = [
    ['a row with a field too few', 'a,b\n1,2\n3\n4,5\n', 'csv-record', 3],
    ['a row with a field too many', 'a,b\n1,2\n3,4\n5,6,7\n', 'csv-record', 4],
    ['a quote in the middle of a field', 'a,b\n1,2\n3,5" needle\n', 'csv-quote', 3],
    ['something after a closing quote', 'a,b\n1,"2"x\n', 'csv-quote', 2],
    ['a quote that is never closed', 'a,b\n1,2\n3,"4\n5,6\n', 'csv-quote', undefined],
    ['bytes that are not UTF-8', Buffer.from('a,b\n1,2\n3,M\xfcller\n', 'latin1'), 'csv-encoding', 3],
    [
      'bytes that end in the middle of a character',
      Buffer.concat([Buffer.from('a,b\n1,'), Buffer.from([0xc3])]),
      'csv-encoding',
      2,
    ],
    ['a column without a name', '"","b"\n"1",2\n', 'csv-header', 1],
    ['two columns of one name', 'a,b,a\n1,2,3\n', 'csv-header', 1],
    ['a column name that is a text', `${'x'.repeat(129)},b\n1,2\n`, 'csv-header', 1],
    ['an empty file', '', 'csv-empty', undefined],
  ]
  for (const [what, content, code, line] of mistakes) {
    it(`names the line of ${what}`, async () => {
      await assert.rejects(
        read(content),
        (error: { code: string; meta: { line?: number }; hint?: string; message: string }) => {
          assert.deepEqual([error.code, error.meta.line], [code, line])
          assert.ok(error.hint !== undefined)
          assert.doesNotMatch(error.message, /needle|ller/, 'no value of the data')
          return true
        },
      )
    })
  }

  it('says how many fields a line has and how many it should have', async () => {
    await assert.rejects(read('a,b\n1,2\n3\n4,5\n'), /1 fields where the header has 2/)
    await assert.rejects(read('a,b\n1,2\n5,6,7\n'), /3 fields where the header has 2/)
  })

  it('says so when there is no file, or a folder in its place', async () => {
    await assert.rejects(openCsv(join(folder, 'none.csv')), { code: 'csv-unreadable' })
    await assert.rejects(openCsv(folder), { code: 'csv-unreadable' })
  })

  it('tells two readings of different bytes apart', async () => {
    const fingerprint = async (content: string): Promise<string> => {
      await writeFile(file, content)
      const csv = await openCsv(file)
      for await (const _ of csv.records);
      return csv.fingerprint()
    }
    const first = await fingerprint('a\n1\n')
    assert.equal(await fingerprint('a\n1\n'), first)
    assert.notEqual(await fingerprint('a\n2\n'), first)
  })
})
