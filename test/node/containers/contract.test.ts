import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { link, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  csvText,
  formatVector,
  parseVector,
  readVector,
  vectorBytes,
  writeScratch,
} from '@flamesh/node/containers/contract.js'
import { printable } from '@flamesh/node/containers/operator-log.js'
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
    it(`read ${JSON.stringify(written.slice(0, 40))} as ${expected}`, async () => {
      const output = { dimension: 2, bound: 100 }
      const path = join(folder, 'update.txt')
      await writeFile(path, written)
      const read = readVector(path, 2_000_000, output)
      if (typeof expected === 'string') {
        await assert.rejects(read, (error: Error & { code: string }) => {
          assert.equal(error.code, expected)
          assert.ok(!error.message.includes('1e9') && !error.message.includes('100.0'), 'no value in a message')
          return true
        })
      } else assert.deepEqual([...(await read)], expected)
    })
  }

  it('are read only if they are regular files of their own, without waiting', async () => {
    const output = { dimension: 1, bound: 1 }
    await writeFile(join(folder, 'good'), '1\n')
    await symlink(join(folder, 'good'), join(folder, 'link'))
    await symlink('/dev/zero', join(folder, 'device-link'))
    await mkdir(join(folder, 'folder'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    for (const name of ['link', 'device-link', 'folder', 'pipe']) {
      await assert.rejects(readVector(join(folder, name), 100, output), { code: 'output-not-a-file' }, name)
    }
    await assert.rejects(readVector('/dev/zero', 100, output), { code: 'output-not-a-file' })
    assert.deepEqual([...(await readVector(join(folder, 'good'), 100, output))], [1])
    await link(join(folder, 'good'), join(folder, 'second'))
    await assert.rejects(readVector(join(folder, 'good'), 100, output), { code: 'output-not-a-file' })
    await assert.rejects(readVector(join(folder, 'none'), 100, output), { code: 'output-missing' })
    await writeFile(join(folder, 'large'), '1'.repeat(101))
    await assert.rejects(readVector(join(folder, 'large'), 100, output), { code: 'output-too-large' })
    await writeFile(join(folder, 'empty'), '')
    await assert.rejects(readVector(join(folder, 'empty'), 100, output), { code: 'output-missing' })
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
    assert.equal(await mode(map.output), '666')
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
