import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guessSeparator, openCsv, RecordReader, type Separator } from '@flamesh/node/data/csv.js'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'

describe('csv', () => {
  let folder: string
  let file: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-csv-'))
    file = join(folder, 'data.csv')
  })
  after(() => rm(folder, { recursive: true }))

  async function read(content: string | Uint8Array, encoding: 'utf-8' | 'windows-1252' = 'utf-8') {
    await writeFile(file, content)
    const csv = await openCsv(file, { encoding, separator: await guessSeparator(file, encoding) })
    const rows: (readonly string[])[] = []
    const lines: number[] = []
    for await (const batch of csv.batches) {
      for (const { line, cells } of batch) {
        rows.push(cells)
        lines.push(line)
      }
    }
    return { header: csv.header, rows, lines, blank: csv.blankLines() }
  }

  const forms: [string, string][] = [
    ['commas', 'a,b\n1,x\n2,y\n'],
    ['semicolons', 'a;b\n1;x\n2;y\n'],
    ['tabs', 'a\tb\n1\tx\n2\ty\n'],
    ['bars', 'a|b\n1|x\n2|y\n'],
    ['the line that tells the separator', 'sep=|\r\na|b\r\n1|x\r\n2|y\r\n'],
    ['that line with carriage returns alone', 'sep=;\ra;b\r1;x\r2;y'],
    ['a byte order mark, quotes and CRLF', '\ufeff"a","b"\r\n"1","x"\r\n2, y \r\n'],
    ['no last newline and blank lines', '\na,b\n1,x\n\n2,y'],
    ['carriage returns alone', 'a,b\r1,x\r2,y\r'],
  ]
  for (const [form, content] of forms) {
    it(`reads ${form}`, async () => {
      const { header, rows } = await read(content)
      assert.deepEqual(
        [header, ...rows],
        [
          ['a', 'b'],
          ['1', 'x'],
          ['2', 'y'],
        ],
      )
    })
  }

  it('takes the separator from the header, quoted separators aside', async () => {
    assert.deepEqual((await read('"a,b,c";d\n"1;1";2\n')).rows, [['1;1', '2']])
    assert.deepEqual((await read('alone\n1\n')).rows, [['1']])
  })

  it('knows the line that each record begins on, after quoted line breaks too, and counts blank ones', async () => {
    const { lines, rows, blank } = await read('a;b\r\n\r\n"x\r\ny\nz";1\r\n2;"\r"\r\n  \r\n3;4')
    assert.deepEqual(lines, [3, 6, 9])
    assert.deepEqual(rows[0], ['x\r\ny\nz', '1'])
    assert.equal(blank, 2)
    assert.deepEqual((await read('a\tb\n\t\n1\t2\n')).lines, [2, 3], 'a line of separators is a row')
  })

  const separators: readonly Separator[] = [',', ';', '\t', '|']
  const header = (separator: string): string => `a${separator}b\n`
  /** The records of a text cut at these places. */
  function inPieces(text: string, separator: Separator, cuts: readonly number[]) {
    const reader = new RecordReader('f', separator)
    const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
    const pieces = places.slice(1).map((end, at) => text.slice(places[at], end))
    return [...pieces.flatMap((piece) => reader.push(piece, false)), ...reader.push('', true)]
  }

  it('gives back any field, quoted or not, with its line, wherever the text is cut', () => {
    const plain = fc.stringMatching(/^[A-Za-zäß0-9 .'-]{0,6}$/)
    const anything = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', ';', '\t', '|', '\n', '\r', ' ', '😀') })
    const field = fc.oneof(
      plain.map((text) => ({ written: text, text })),
      anything.map((text) => ({ written: `"${text.replaceAll('"', '""')}"`, text })),
    )
    const row = fc.record({
      fields: fc.tuple(field, field),
      end: fc.constantFrom('\n', '\r\n', '\r'),
      blank: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 8 }),
        fc.constantFrom(...separators),
        fc.array(fc.nat(), { maxLength: 6 }),
        (rows, separator, cuts) => {
          let text = header(separator)
          let line = 2
          const expected = rows.map(({ fields, end, blank }) => {
            if (blank) {
              text += end
              line++
            }
            const at = line
            text += fields.map(({ written }) => written).join(separator) + end
            line += 1 + fields.reduce((sum, one) => sum + (one.text.match(/\r\n|\n|\r/g) ?? []).length, 0)
            return { line: at, cells: fields.map((one) => one.text.trim()) }
          })
          // "\r" and then a line that begins with "\n" would be one break
          fc.pre(!/\r\n/.test(text.replaceAll(/"[^"]*"/g, '')) || rows.every(({ end }) => end === '\r\n'))
          assert.deepEqual(inPieces(text, separator, cuts), expected)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('reads or refuses any text as another parser does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '"', ';', '\n', ' '), maxLength: 24 })
    let read = 0
    let refused = 0
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 3 }), (body, cuts) => {
        // lines of spaces alone are rows to the other parser
        const whole = `a;b\n${body}`.replaceAll(/\n +(?=\n|$)/g, '\n')
        // an empty text in quotes, spaces and another one are an empty field to the other parser; RFC 4180 has no such field
        fc.pre(!/"" +""/.test(whole))
        const attempt = (run: () => readonly (readonly string[])[]): unknown => {
          try {
            return run()
          } catch {
            return 'refused'
          }
        }
        const mine = attempt(() => inPieces(whole, ';', cuts).map(({ cells }) => cells))
        const other = attempt(() =>
          (parse(whole, { delimiter: ';', trim: true, skip_empty_lines: true }) as string[][])
            .slice(1)
            .map((cells) => cells.map((cell) => cell.trim())),
        )
        if (other === 'refused') refused++
        else read++
        assert.deepEqual(mine, other, JSON.stringify(whole))
      }),
      { numRuns: 3000 },
    )
    assert.ok(read > 100 && refused > 100)
  })

  const mistakes: [string, string | Uint8Array, string, number | undefined][] = [
    ['a row with a field too few', 'a,b\n1,2\n3\n4,5\n', 'csv-record', 3],
    ['a row with a field too many', 'a,b\n1,2\n3,4\n5,6,7\n', 'csv-record', 4],
    ['a quote in the middle of a field', 'a,b\n1,2\n3,5" needle\n', 'csv-quote', 3],
    ['something after a closing quote', 'a,b\n1,"2"x\n', 'csv-quote', 2],
    ['a quote that is never closed', 'a,b\n1,2\n3,"4\n5,6\n', 'csv-quote', 3],
    ['a row too short after a quoted break', 'a,b\n"1\r\n\r\n",2\r\n3\r\n', 'csv-record', 5],
    ['a quote that opens after a quoted break', 'a,b\n"1\n\n","2\n', 'csv-quote', 4],
    ['a file of UTF-16 without a mark', Buffer.from('a,b\n1,2\n', 'utf16le'), 'csv-encoding', 1],
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

  it('does not read on for a quote that closes after a megabyte', async () => {
    await assert.rejects(read(`a,b\n1,"${'x'.repeat(3 << 20)}"\n`), { code: 'csv-quote' })
    const wide = 'x'.repeat(500_000)
    assert.deepEqual((await read(`a,b\n"${wide}",2\n`)).rows, [[wide, '2']])
  })

  it('says so when there is no file, or a folder in its place', async () => {
    const form = { encoding: 'utf-8', separator: ',' } as const
    await assert.rejects(openCsv(join(folder, 'none.csv'), form), { code: 'csv-unreadable' })
    await assert.rejects(openCsv(folder, form), { code: 'csv-unreadable' })
  })

  it('tells two readings of different bytes apart', async () => {
    const fingerprint = async (content: string): Promise<string> => {
      await writeFile(file, content)
      const csv = await openCsv(file, { encoding: 'utf-8', separator: ',' })
      for await (const _ of csv.batches);
      return csv.fingerprint()
    }
    const first = await fingerprint('a\n1\n')
    assert.equal(await fingerprint('a\n1\n'), first)
    assert.notEqual(await fingerprint('a\n2\n'), first)
  })
})
