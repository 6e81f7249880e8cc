import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Encoding, guessEncoding, textOf } from '@flamesh/node/data/encoding.js'
import fc from 'fast-check'

/** Every character of windows-1252 above ASCII, in the order of its bytes from 80; a space where there is none. */
const UPPER =
  '€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ' +
  Array.from({ length: 96 }, (_, index) => String.fromCharCode(0xa0 + index)).join('')

describe('encodings', () => {
  let folder: string
  let file: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-encoding-'))
    file = join(folder, 'data.csv')
  })
  after(() => rm(folder, { recursive: true }))

  async function read(bytes: Uint8Array, encoding: Encoding): Promise<string> {
    await writeFile(file, bytes)
    let text = ''
    for await (const piece of textOf(file, encoding)) text += piece
    return text
  }
  const guess = async (bytes: Uint8Array) => {
    await writeFile(file, bytes)
    return guessEncoding(file)
  }

  it('reads every character of windows-1252, and refuses the five bytes it lacks', async () => {
    for (const [index, character] of [...UPPER].entries()) {
      const bytes = Uint8Array.of(0x61, 0x0a, 0x80 + index)
      if (character !== ' ') assert.equal(await read(bytes, 'windows-1252'), `a\n${character}`)
      else await assert.rejects(read(bytes, 'windows-1252'), { code: 'csv-encoding', meta: { file, line: 2 } })
    }
    assert.equal(await read(Uint8Array.of(0xa4), 'iso-8859-15'), '€')
  })

  it('unpacks what was packed with gzip, and notices its end', async () => {
    const packed = join(folder, 'data.csv.gz')
    const text = 'a;Größe\r\n'.repeat(100_000)
    const bytes = gzipSync(Buffer.from(text, 'latin1'))
    await writeFile(packed, bytes)
    const { encoding } = await guessEncoding(packed)
    assert.equal(encoding, 'windows-1252')
    const unpack = async (): Promise<string> => {
      let found = ''
      for await (const piece of textOf(packed, encoding)) found += piece
      return found
    }
    assert.ok((await unpack()) === text)
    await writeFile(packed, gzipSync(Buffer.from('\uFEFFa;b', 'utf16le')))
    assert.equal((await guessEncoding(packed)).encoding, 'utf-16le')
    for (const broken of [bytes.subarray(0, -20), Buffer.from('a;b\n1;2\n')]) {
      await writeFile(packed, broken)
      await assert.rejects(unpack(), {
        code: 'csv-unreadable',
        message: /no gzip file, or not to its end/,
      })
    }
  })

  it('reads any text back, with and without a mark, across the pieces of a file', async () => {
    const character = fc.constantFrom('a', 'ß', '€', '😀', '\n', '"')
    await fc.assert(
      fc.asyncProperty(fc.array(character, { minLength: 1 }), fc.integer({ min: 0, max: 5 }), async (some, shift) => {
        // longer than a piece, so that a cut falls into a character
        const text = 'x'.repeat((1 << 18) - shift) + some.join('')
        const utf16 = Buffer.from(text, 'utf16le')
        assert.equal(await read(Buffer.from(text), 'utf-8'), text)
        assert.equal(await read(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]), 'utf-8'), text)
        assert.equal(await read(Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]), 'utf-16le'), text)
        assert.equal(await read(Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]).swap16(), 'utf-16be'), text)
      }),
      { numRuns: 20 },
    )
  })

  it('guesses by the mark, else UTF-8 where every byte fits, else windows-1252, and says why', async () => {
    assert.deepEqual(await guess(Buffer.from('a\nß\n')), { encoding: 'utf-8', because: 'every byte fits' })
    assert.equal((await guess(Buffer.from([0xef, 0xbb, 0xbf, 0x61]))).encoding, 'utf-8')
    assert.equal((await guess(Buffer.from([0xff, 0xfe, 0x61, 0]))).encoding, 'utf-16le')
    assert.equal((await guess(Buffer.from([0xfe, 0xff, 0, 0x61]))).encoding, 'utf-16be')
    assert.equal((await guess(Buffer.alloc(0))).encoding, 'utf-8')
    // the first umlaut comes late
    const late = Buffer.from(`${'1;2\r\n'.repeat(100_000)}M\xfcller\n`, 'latin1')
    assert.deepEqual(await guess(late), { encoding: 'windows-1252', because: 'line 100001 is not UTF-8' })
  })

  it('names the line of a byte that is not in the encoding, whatever the line break', async () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const bytes = Buffer.concat([Buffer.from(`a${end}b${end}`), Buffer.from([0xc3, 0x28])])
      await assert.rejects(read(bytes, 'utf-8'), { code: 'csv-encoding', meta: { file, line: 3 } })
    }
    const half = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('a\n', 'utf16le'), Buffer.from([0x61])])
    await assert.rejects(read(half, 'utf-16le'), { code: 'csv-encoding' })
  })

  it('calls a zero byte what it is', async () => {
    for (const encoding of ['utf-8', 'windows-1252'] as const)
      await assert.rejects(read(Buffer.from('a\nb\0\n'), encoding), {
        code: 'csv-encoding',
        message: 'line 2: a zero byte',
      })
    await assert.rejects(read(Uint8Array.of(0x61, 0x0a, 0x81), 'windows-1252'), {
      message: 'line 2: a byte that is not windows-1252',
    })
  })
})
