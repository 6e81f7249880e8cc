/** A researcher finds a dataset on other nodes, asks how many patients there are, and nothing about few of them. */
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { csvOf, SITES } from './data.js'
import { Federation } from './federation.js'
import type { Outcome } from './jobs.js'
import { eventually, run } from './processes.js'

const FLAMESH = fileURLToPath(new URL('../../node/bin/flamesh.js', import.meta.url))
/** Its operator describes the data. */
const DESCRIBED = 'site-c'
const COUNTS_ONLY = { version: 1, approve: [{ analyses: ['feasibility'], columns: ['age', 'sex'] }] }

const rowsOf = (site: string): readonly (readonly number[])[] =>
  csvOf(site)
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number))

/** Of the sites with at least three such rows, as the analysis counts them. */
function expected(keeps: (age: number, sex: number) => boolean): {
  sites: number
  rows: readonly (readonly number[])[]
} {
  const kept = SITES.map((site) => rowsOf(site).filter(([age = 0, sex = 0]) => keeps(age, sex)))
  const counted = kept.filter((rows) => rows.length >= 3)
  return { sites: counted.length, rows: counted.flat() }
}

describe('finding data, end to end', function () {
  this.timeout(180_000)
  let federation: Federation
  before(async () => {
    federation = await Federation.create({ sites: SITES, csvOf, policyOf: () => COUNTS_ONLY, settings: {} })
  })
  after(() => federation?.close())

  const ask = async (...where: readonly string[]): Promise<Outcome> => {
    const words = where.flatMap((one) => (one.startsWith('--') ? one.split('=', 2) : ['--where', one]))
    const args = ['feasibility', '--dataset', 'patients', ...words, '--timeout', '90s']
    const { exit, stdout, stderr } = await federation.researcher.flamesh(...args)
    assert.notEqual(stdout, '', stderr)
    return { exit, ...(JSON.parse(stdout) as Omit<Outcome, 'exit'>) }
  }

  it('what an operator writes is found from another node, by words and by columns, and read as DCAT', async () => {
    const words = 'catalogue:\n  title: Tumour board\n  keywords: [oncology]\n  healthCategories: [EHRS]\n'
    const file = await federation.file('words.yaml', words)
    await federation.node(DESCRIBED).document('dataset', 'describe', 'patients', file, '--yes')
    const search = (...args: readonly string[]) =>
      federation.researcher.document<{ datasets: { site: string }[]; columns: object[] }>(
        'catalogue',
        'search',
        ...args,
      )
    const found = await eventually('the words arrive', async () => {
      const { datasets } = await search('tumour', 'oncology')
      return datasets.length > 0 ? datasets : undefined
    })
    assert.deepEqual(
      found.map(({ site }) => site),
      [DESCRIBED],
    )
    const { columns } = await search('--column', 'sex')
    assert.deepEqual(
      columns.map((one) => ({ ...one, sites: undefined })),
      [{ dataset: 'patients', column: 'sex', without: [], differences: [], sites: undefined }],
    )
    const shown = await federation.researcher.document('catalogue', 'show', `${DESCRIBED}/patients`, '--json-ld')
    assert.equal(shown['dct:title'] as string, 'Tumour board')
    const missing = await federation.researcher.flamesh('catalogue', 'show', 'site-c/patient')
    assert.equal(missing.exit, 5)
    assert.match(missing.stderr, /did you mean "site-c\/patients"\?/)
  })

  it('feasibility counts the patients of all sites, as a policy allows that allows nothing else', async () => {
    const young = expected((age) => age < 70)
    const { exit, status, result, receipt } = await ask('age below 70')
    assert.deepEqual([exit, status], [0, 'released'])
    assert.deepEqual(
      [result?.['n'], result?.['contributors'], result?.['sites_left_out']],
      [young.rows.length, young.sites, SITES.length - young.sites],
    )
    const verified = await federation.researcher.flamesh('receipt', 'verify', receipt as string)
    assert.equal(verified.exit, 0, verified.stdout)

    const bySex = await ask('age below 70', '--by=sex')
    // every patient has a sex: the first level covers that nobody is without
    const second = young.rows.filter(([, sex]) => sex === 2).length
    assert.deepEqual([bySex.result?.['n'], bySex.result?.['counts']], [young.rows.length, [null, second, null]])

    const other = {
      name: 'ages',
      purpose: 'research',
      analysis: 'describe',
      dataset: 'patients',
      parameters: { columns: ['age'] },
    }
    const job = await federation.file('describe.yaml', JSON.stringify(other))
    const site = federation.node(DESCRIBED)
    const verdict = await site.document('policy', 'check', job)
    assert.deepEqual([verdict['decision'], verdict['code']], ['ask', 'outside-policy'])
  })

  it('one patient, and none, are one answer', async () => {
    const oldest = Math.max(...SITES.flatMap((site) => rowsOf(site).map(([age = 0]) => age)))
    assert.equal(expected((age) => age === oldest).sites, 0)
    const one = await ask(`age at-least ${oldest}`)
    const none = await ask(`age above ${oldest}`)
    for (const answer of [one, none])
      assert.deepEqual(
        [answer.exit, answer.status, answer.code, answer.result],
        [6, 'suppressed', 'too-few-contributors', null],
      )
    const told = await run([
      FLAMESH,
      ...['feasibility', '--dataset', 'patients', '--where', `age at-least ${oldest}`, '--timeout', '90s'],
      ...['--dir', federation.researcher.dir],
    ])
    assert.match(told.stdout, /^rows +fewer than 5, perhaps none/m)
  })
})
