/** What operators tell of a dataset, how a folder keeps it, and that what others tell moves no cursor. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { columnsOverSites, searchCatalogue } from '@flamesh/node/catalogue/search.js'
import { catalogueText, columnText, foundText } from '@flamesh/node/cli/catalogue-text.js'
import { DatasetStore } from '@flamesh/node/data/datasets.js'
import { createIdentity, loadIdentity } from '@flamesh/node/store/identity.js'
import { flamesh } from './harness.js'

const CSV = `age,sex\n${Array.from({ length: 20 }, (_, row) => `${40 + row},${row % 2 ? 'f' : 'm'}`).join('\n')}\n`
const WORDS =
  'catalogue:\n  title: Lung cancer\n  description: >\n    Everyone, with\n    ECOG status.\n  keywords: [lung]\n'

describe('dataset describe', () => {
  let dir: string
  let file: string
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-catalogue-'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    await createIdentity(join(dir, 'keys'))
    file = join(dir, 'lung.csv')
    writeFileSync(file, CSV)
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const document = async (...args: readonly string[]) => {
    const { exit, stdout } = await flamesh(['dataset', ...args, '--dir', dir, '--json'])
    return { exit, ...JSON.parse(stdout) }
  }
  /** What the daemon would announce. */
  const announced = async () => {
    const { datasetSalt } = await loadIdentity(join(dir, 'keys'))
    const store = await DatasetStore.open(join(dir, 'datasets'), datasetSalt)
    return (await store.describeDatasets())[0]
  }

  it('comes with a dataset that is added, is shown before anybody agrees, and is no part of its version', async () => {
    writeFileSync(`${file}.yaml`, WORDS)
    const asked = await flamesh(['dataset', 'add', 'lung', file, '--dir', dir], {}, 'n\n')
    assert.match(asked.stderr, /^title +Lung cancer$/m)
    assert.match(asked.stderr, /^description +Everyone, with ECOG status\.$/m)
    assert.equal(await announced(), undefined)
    const { version } = await document('add', 'lung', file, '--yes')
    const told = { title: 'Lung cancer', description: 'Everyone, with ECOG status.', keywords: ['lung'] }
    assert.deepEqual((await announced())?.catalogue, told)
    assert.equal(statSync(join(dir, 'datasets', 'lung', 'catalogue.json')).mode & 0o777, 0o600)
    assert.deepEqual((await document('show', 'lung')).catalogue, told)
    assert.match((await flamesh(['dataset', 'show', 'lung', '--dir', dir])).stdout, /^keywords +lung$/m)

    writeFileSync(`${file}.yaml`, WORDS.replace('Lung cancer', 'Lung cancer, second line'))
    assert.equal((await document('update', 'lung', file, '--yes')).version, version, 'a better title makes no new rows')
    assert.equal((await announced())?.catalogue?.title, 'Lung cancer, second line')
  })

  it('is written, kept by an update that says nothing of it, and taken back', async () => {
    const { version } = await document('add', 'lung', file, '--yes')
    const words = join(dir, 'words.yaml')
    writeFileSync(words, WORDS)
    assert.deepEqual((await document('describe', 'lung', words)).error.code, 'not-confirmed')
    assert.equal((await announced())?.catalogue, undefined)
    assert.equal((await document('describe', 'lung', words, '--yes')).catalogue.title, 'Lung cancer')
    writeFileSync(file, `${CSV}99,f\n`)
    await document('update', 'lung', file, '--yes')
    const now = await announced()
    assert.notEqual(now?.version, version)
    assert.equal(now?.catalogue?.title, 'Lung cancer')
    assert.equal((await document('describe', 'lung', '--none', '--yes')).catalogue, null)
    assert.equal((await announced())?.catalogue, undefined)
  })

  it('is not told of another dataset that takes the name later', async () => {
    writeFileSync(`${file}.yaml`, WORDS)
    await document('add', 'lung', file, '--yes')
    await document('retire', 'lung', '--yes')
    assert.equal((await document('describe', 'lung', `${file}.yaml`, '--yes')).error.code, 'dataset-missing')
    rmSync(`${file}.yaml`)
    await document('add', 'lung', file, '--yes')
    assert.equal((await announced())?.catalogue, undefined)
  })

  it('names what is wrong with it, and where', async () => {
    await document('add', 'lung', file, '--yes')
    const words = join(dir, 'words.yaml')
    const outcome = async (text: string) => {
      writeFileSync(words, text)
      const { exit, error } = await document('describe', 'lung', words, '--yes')
      return [exit, error.code, error.meta.path, error.meta.line ?? null, error.hint]
    }
    assert.deepEqual(await outcome('catalogue:\n  title: a\n  keyword: [b]\n'), [
      2,
      'declaration-invalid',
      'catalogue.keyword',
      3,
      'did you mean "keywords"?',
    ])
    const [, , path, line] = await outcome('catalogue:\n  title: a\n  contact: { email: nobody }\n')
    assert.deepEqual([path, line], ['catalogue.contact.email', 3])
    assert.equal((await outcome('decimal: ","\n'))[2], 'catalogue')
    assert.equal((await document('describe', 'lung')).error.code, 'usage')
    assert.equal((await document('describe', 'lung', words, '--none')).error.code, 'usage')
  })
})

describe('a catalogue on a terminal', () => {
  it('is cleaned of what moves the cursor or hides text, whoever let it through', () => {
    const evil = 'a\u001b[2J\u202eb\r\nc'
    const announced = {
      [`site${evil}`]: [
        {
          name: 'lung',
          roundedRows: 100,
          columns: [
            { name: `age${evil}`, type: 'level' as const, levels: [evil] },
            { name: 'sex', type: 'level' as const, levels: ['f'] },
          ],
          catalogue: { title: evil, keywords: [evil] },
        },
      ],
      other: [{ name: 'lung', roundedRows: 100, columns: [{ name: `age${evil}`, type: 'integer' as const }] }],
    }
    const found = searchCatalogue(announced, { words: [], columns: ['age'], levels: [], sites: [] })
    const columns = columnsOverSites(announced, found)
    assert.ok(columns.some(({ differences }) => differences.length > 0))
    const texts = [foundText(found), ...columns.map(columnText), catalogueText({ title: evil, keywords: [evil] })]
    for (const text of texts) {
      assert.ok(text.includes('\ufffd'), text)
      assert.doesNotMatch(text, /[\u001b\r\u202e]/)
    }
  })
})
