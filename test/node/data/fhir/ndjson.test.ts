import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

  async function read(files: string | readonly string[], given: Record<string, unknown> = MAPPING) {
    const { batches, notes } = await openFhir(
      anchoredFhir(fhirSourceSchema.parse({ fhir: { files }, ...given }), folder),
    )
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

  it('have to be there', async () => {
    await assert.rejects(read('nothing.ndjson'), { code: 'file-not-found' })
    await assert.rejects(read('.'), { code: 'file-unusable', message: /holds no file \*\.ndjson/ })
  })

  it('tell resources apart by number, also many', () => {
    const set = new IdSet()
    for (let n = 0; n < 20_000; n++) assert.ok(set.add(`Observation/${n}`))
    for (let n = 0; n < 20_000; n += 7) assert.ok(!set.add(`Observation/${n}`))
    assert.equal(set.size, 20_000)
  })
})
