import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { csvText, formatVector, parseVector, vectorBytes, writeScratch } from '@flamesh/node/containers/contract.js'
import { printable } from '@flamesh/node/containers/operator-log.js'
import { makePipe, PipeReader } from '@flamesh/node/containers/pipe.js'
import fc from 'fast-check'

const text = (value: string): Uint8Array => Buffer.from(value)

describe('the files of containers', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-contract-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true })
  })

  it('carry doubles to the last bit', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1 }), (list) => {
        const values = Float64Array.from(list)
        const read = parseVector(text(formatVector(values)), { dimension: values.length, bound: Number.MAX_VALUE })
        assert.deepEqual(vectorBytes(read), vectorBytes(values))
      }),
    )
    assert.equal(Buffer.from(vectorBytes(Float64Array.of(-0, 1))).toString('hex'), '0000000000000000000000000000f03f')
  })

  for (const [written, expected] of [
    ['1\n2\n', [1, 2]],
    ['1\n2', [1, 2]],
    ['+.5\n-1.e+2\n', [0.5, -100]],
    ['-0\n0.1000000000000000055511151231\n', [0, 0.1]],
    ['', 'output-missing'],
    ['1\n', 'output-shape'],
    ['1\n2\n3\n', 'output-shape'],
    ['1\n2\n\n', 'output-shape'],
    ['\n'.repeat(1_000_000), 'output-shape'],
    ['1 2\n3\n', 'output-malformed'],
    ['1\r\n2\r\n', 'output-malformed'],
    ['1,5\n2\n', 'output-malformed'],
    ['\n2\n', 'output-malformed'],
    ['0x10\n2\n', 'output-malformed'],
    [`1${'0'.repeat(40)}\n2\n`, 'output-malformed'],
    ['1\n\u{ff12}\n', 'output-malformed'],
    ['NaN\n2\n', 'not-finite'],
    ['1\n-inf\n', 'not-finite'],
    ['NA\n2\n', 'not-finite'],
    ['1e999\n2\n', 'not-finite'],
    ['1\n100.00000000000001\n', 'out-of-bound'],
    ['1\n-1e9\n', 'out-of-bound'],
  ] as const) {
    it(`read ${JSON.stringify(written.slice(0, 40))} as ${expected}`, () => {
      const read = (): Float64Array => parseVector(text(written), { dimension: 2, bound: 100 })
      if (typeof expected === 'string') {
        assert.throws(read, (error: Error & { code: string }) => {
          assert.equal(error.code, expected)
          assert.ok(!error.message.includes('1e9') && !error.message.includes('100.0'), 'no value in a message')
          return true
        })
      } else assert.deepEqual([...read()], expected)
    })
  }

  it('are read from a pipe until nobody writes any more, and no further than the limit', async () => {
    const path = join(folder, 'pipe')
    await makePipe(path)
    let calls = 0
    const read = (maxBytes: number): PipeReader => new PipeReader(path, maxBytes, () => calls++)
    const none = read(10)
    assert.equal((await none.finish()).length, 0)
    const some = read(10)
    await writeFile(path, '1\n')
    await writeFile(path, '2\n')
    assert.equal(Buffer.from(await some.finish()).toString(), '1\n2\n')
    const full = read(1_000_000)
    await writeFile(path, 'x'.repeat(1_000_000))
    assert.equal((await full.finish()).length, 1_000_000)
    assert.equal(calls, 0)
    const large = read(100_000)
    await assert.rejects(writeFile(path, 'x'.repeat(1_000_000)), { code: 'EPIPE' })
    await assert.rejects(large.finish(), { code: 'output-too-large' })
    assert.equal(calls, 1)
    const closed = read(10)
    closed.close()
    assert.equal((await closed.finish()).length, 0)
  })

  it('are written for map and for reduce, readable by all and entered by nobody else', async () => {
    const common = { round: 2, parameters: { a: [1] }, output: { dimension: 3, bound: 10 } }
    const state = Float64Array.of(0.1, -2)
    const data = {
      csv: csvText(
        ['a', 'b,"c"'],
        [
          [1, 'x'],
          [null, 'line\nfeed'],
        ],
      ),
      schema: { columns: [] },
    }
    const map = await writeScratch(join(folder, 'map'), { ...common, entry: 'map', state, data })
    const at = async (name: string): Promise<string> => await readFile(join(map.input, name), 'utf8')
    assert.deepEqual(JSON.parse(await at('job.json')), {
      contract: 'flamesh-image/1',
      entry: 'map',
      round: 2,
      parameters: { a: [1] },
      state: { dimension: 2 },
      output: { dimension: 3, bound: 10 },
    })
    assert.equal(await at('state.txt'), '0.1\n-2\n')
    assert.equal(await at('data/rows.csv'), 'a,"b,""c"""\n1,x\n,"line\nfeed"\n')
    assert.equal(await at('data/schema.json'), '{"columns":[]}\n')
    const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8)
    assert.equal(await mode(map.folder), '700')
    assert.equal(await mode(map.input), '755')
    assert.equal(await mode(join(map.input, 'data', 'rows.csv')), '644')
    assert.equal(await mode(map.output), '622')
    assert.ok((await stat(map.output)).isFIFO())
    const empty = new Float64Array()
    const reduce = await writeScratch(join(folder, 'reduce'), { ...common, entry: 'reduce', state: empty, sum: state })
    assert.equal(await readFile(join(reduce.input, 'sum.txt'), 'utf8'), '0.1\n-2\n')
    assert.equal(await readFile(join(reduce.input, 'state.txt'), 'utf8'), '')
    await assert.rejects(stat(join(reduce.input, 'data')), { code: 'ENOENT' })
  })

  it('shows an operator no control characters', () => {
    assert.equal(printable(text('a\tb\n\u001b[31mé\u0000\u202e')), 'a\tb\n\u{fffd}[31mé\u{fffd}\u{fffd}')
  })
})
