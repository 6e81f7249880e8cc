import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bounded } from '@flamesh/node/data/fhir/bounded.js'
import { IdSet } from '@flamesh/node/data/fhir/id-set.js'
import { anchoredFhir, fhirSourceSchema } from '@flamesh/node/data/fhir/mapping.js'
import { openFhir } from '@flamesh/node/data/fhir/source.js'
import { expectedTable, MAPPING, population } from './people.js'

describe('bulk files as a source', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-bulk-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function read(files: string | readonly string[], given: Record<string, unknown> = MAPPING, limitMs?: number) {
    const source = anchoredFhir(fhirSourceSchema.parse({ fhir: { files }, ...given }), folder)
    const { batches, notes } = await openFhir(source, limitMs === undefined ? {} : { evaluationMs: limitMs })
    const cells: (readonly (string | null)[])[] = []
    for await (const batch of batches) cells.push(...batch)
    return { cells, notes }
  }

  it('are read whatever stands in which of them, in whatever order', async () => {
    await mkdir(join(folder, 'export'))
    const lines = population(60).map((resource) => JSON.stringify(resource))
    // the type at the end, behind one that is contained
    const last = lines.map((line) => line.replace(/^\{"resourceType":("[A-Za-z]+"),(.*)\}$/, '{$2,"resourceType":$1}'))
    await writeFile(join(folder, 'export', '1.ndjson'), `\ufeff${last.slice(0, 200).join('\r\n')}\r\n\r\n`)
    await writeFile(join(folder, 'export', '2.ndjson'), lines.slice(200, 300).join('\n'))
    await writeFile(join(folder, 'export', 'about.txt'), 'no resource')
    await writeFile(join(folder, 'more.ndjson'), `${lines.slice(300).join('\n')}\n{"resourceType":"Binary","id":"b"}\n`)
    const { cells, notes } = await read(['export', 'more.ndjson'])
    assert.deepEqual(cells, expectedTable(60))
    assert.deepEqual(notes, [])
    assert.match((await read(['more.ndjson', 'export', 'export/2.ndjson'])).notes.join(), /^$/, 'no file twice')
  })

  it('may have lines longer than what is read at once', async () => {
    const note = 'ä'.repeat(1_500_000)
    const patient = { resourceType: 'Patient', id: '1', note, gender: 'female' }
    const lines = [patient, { ...patient, id: '2', gender: 'male' }].map((one) => JSON.stringify(one))
    await writeFile(join(folder, 'p.ndjson'), lines.join('\n'))
    const { cells } = await read('p.ndjson', { columns: { sex: { path: 'gender' } } })
    assert.deepEqual(cells, [['female'], ['male']])
  })

  const broken: Record<string, readonly [string | Buffer, RegExp]> = {
    'cut off': [
      '{"resourceType":"Patient","id":"1"}\n\n{"resourceType":"Patient","i',
      /^p\.ndjson, line 3: is not JSON$/,
    ],
    'cut off before another one': [
      '{"resourceType":"Device","id":"1{"resourceType":"Patient","id":"1"}\n{"resourceType":"Device","id',
      /^p\.ndjson, line 2: is not JSON$/,
    ],
    'no object': ['[]', /^p\.ndjson, line 1: is no resource$/],
    'an object of something else': ['{"name":"Erika"}', /line 1: is no resource$/],
    'not UTF-8': [Buffer.from('{"resourceType":"Patient","id":"\xe4"}', 'latin1'), /line 1: is not UTF-8$/],
    'without an id': ['{"resourceType":"Patient"}', /^p\.ndjson, line 1: is a Patient without a valid id$/],
    'longer than any resource': [Buffer.alloc(18 << 20, ' '), /line 1: has more than 16777216 bytes$/],
  }
  for (const [what, [content, message]] of Object.entries(broken)) {
    it(`end with the number of a line that is ${what}`, async () => {
      await writeFile(join(folder, 'p.ndjson'), content)
      await assert.rejects(read('p.ndjson', { columns: { sex: { path: 'gender' } } }), { code: 'fhir-data', message })
    })
  }

  it('may be packed, and are missed where one is not whole', async () => {
    await mkdir(join(folder, 'export'))
    const lines = population(60).map((resource) => JSON.stringify(resource))
    await writeFile(join(folder, 'export', '1.ndjson'), lines.slice(0, 100).join('\n'))
    const packed = gzipSync(lines.slice(100).join('\n'))
    await writeFile(join(folder, 'export', '2.ndjson.gz'), packed)
    assert.deepEqual((await read('export')).cells, expectedTable(60))
    await writeFile(join(folder, 'export', '2.ndjson.gz'), packed.subarray(0, -20))
    await assert.rejects(read('export'), { code: 'csv-unreadable', message: /not to its end/ })
  })

  it('have to be there', async () => {
    await assert.rejects(read('nothing.ndjson'), { code: 'file-not-found' })
    await assert.rejects(read('.'), { code: 'file-unusable', message: /holds no file \*\.ndjson/ })
  })

  const endless: Record<string, string> = {
    'repeats for ever': '1.repeat($this + 1).count()',
    'matches in too many ways': `'${'a'.repeat(60)}!'.matches('^(a+)+$')`,
  }
  for (const [what, path] of Object.entries(endless)) {
    it(`end with an error at an expression that ${what}`, async () => {
      await writeFile(join(folder, 'p.ndjson'), '{"resourceType":"Patient","id":"1"}')
      await assert.rejects(read('p.ndjson', { columns: { x: { path } } }, 300), {
        code: 'fhir-data',
        message: /does not come to an end/,
      })
    })
  }

  it('leave errors of expressions as they are', () => {
    const error = new Error('as it is')
    assert.throws(
      () =>
        bounded(() => {
          throw error
        }),
      error,
    )
  })

  it('tell resources apart by number, also many', () => {
    const set = new IdSet()
    for (let n = 0; n < 20_000; n++) assert.ok(set.add(`Observation/${n}`))
    for (let n = 0; n < 20_000; n += 7) assert.ok(!set.add(`Observation/${n}`))
    assert.equal(set.size, 20_000)
  })
})
