import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type ContainerInput, csvText } from '@flamesh/node/containers/contract.js'
import type { ContainerEngine } from '@flamesh/node/containers/engine.js'
import { whyNoR } from '../../../docs/examples/images/local-engine.js'
import { available, siteEngine, type TestEngine, testEngine, withEngine } from './fixture.js'
import { assertNothingLeft, SMALL } from './runs.js'

const lung = readFileSync(new URL('../../../docs/examples/main-job/lung.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.replaceAll('"', '').split(','))
const header = lung[0] as readonly string[]
const rows = lung.slice(1).map((row) => row.map((cell) => (cell === 'NA' ? null : cell)))
const SITES = 3

/** The rows of one site. */
function siteData(site: number) {
  const mine = rows.filter((_, i) => i % SITES === site)
  return { csv: csvText(header, mine), schema: { columns: header } }
}

function column(name: string): readonly (string | null)[] {
  return rows.map((row) => row[header.indexOf(name)] as string | null)
}

const sumOf = (vectors: readonly Float64Array[]): Float64Array =>
  Float64Array.from(vectors[0] as Float64Array, (_, i) => vectors.reduce((sum, vector) => sum + (vector[i] ?? 0), 0))

/** The slope of the likelihood of all rows: zero at the coefficients that are sought, and nowhere else. */
function slope(outcome: readonly number[], x: readonly (readonly number[])[], beta: Float64Array): readonly number[] {
  const gradient = new Array<number>(beta.length).fill(0)
  x.forEach((row, i) => {
    const chance = 1 / (1 + Math.exp(-row.reduce((sum, value, j) => sum + value * (beta[j] as number), 0)))
    row.forEach((value, j) => {
      gradient[j] = (gradient[j] as number) + value * ((outcome[i] as number) - chance)
    })
  })
  return gradient
}

describe('example images', function () {
  this.timeout(60_000)
  let engine: TestEngine
  let site: ContainerEngine

  before(async function () {
    this.timeout(120_000)
    if (!available) return
    engine = await testEngine()
    site = siteEngine(engine, 'site-e')
  })
  afterEach(async () => {
    if (available) await assertNothingLeft(engine)
  })

  async function vector(image: string, input: ContainerInput): Promise<Float64Array> {
    const outcome = await site.run({ image, input, limits: SMALL })
    assert.ok(outcome.ok, JSON.stringify(outcome))
    return outcome.values
  }

  withEngine('python-logistic: the coefficients of the rows of all sites together', async () => {
    const covariates = ['sex', 'ph.ecog']
    const parameters = { outcome: 'status', is: '2', covariates }
    const dimension = { map: 1 + 3 + 6, reduce: 3 }
    let state = new Float64Array()
    for (let round = 1; round <= 6; round++) {
      const common = { round, parameters, state }
      const updates = await Promise.all(
        Array.from({ length: SITES }, (_, i) => {
          const output = { dimension: dimension.map, bound: 1e6 }
          return vector(engine.images.python, { ...common, entry: 'map', output, data: siteData(i) })
        }),
      )
      const sum = sumOf(updates)
      assert.equal(sum[0], 227)
      const output = { dimension: dimension.reduce, bound: 1e3 }
      state = Float64Array.from(await vector(engine.images.python, { ...common, entry: 'reduce', output, sum }))
    }
    const [status, sex, ecog] = ['status', 'sex', 'ph.ecog'].map(column) as [string[], string[], (string | null)[]]
    const complete = rows.map((_, i) => i).filter((i) => ecog[i] !== null)
    const left = slope(
      complete.map((i) => (status[i] === '2' ? 1 : 0)),
      complete.map((i) => [1, Number(sex[i]), Number(ecog[i])]),
      state,
    )
    assert.equal(complete.length, 227)
    for (const value of left) assert.ok(Math.abs(value) < 1e-9, `${[...state]} leaves a slope of ${left}`)
  })

  withEngine('shell-shares: the shares of the rows of all sites together', async () => {
    const common = { round: 1, parameters: { column: 'sex', levels: ['1', '2'] }, state: new Float64Array() }
    const output = { dimension: 2, bound: 1e6 }
    const counts: Float64Array[] = []
    for (let i = 0; i < SITES; i++) {
      counts.push(await vector(engine.images.shell, { ...common, entry: 'map', output, data: siteData(i) }))
    }
    const sum = sumOf(counts)
    const men = column('sex').filter((sex) => sex === '1').length
    assert.deepEqual([...sum], [men, rows.length - men])
    const shares = await vector(engine.images.shell, { ...common, entry: 'reduce', output, sum })
    assert.deepEqual([...shares], [men / rows.length, 1 - men / rows.length])
  })

  withEngine('reduce gives the same bytes wherever it runs', async () => {
    const sum = Float64Array.from([227, 20.5, 1 / 3, -7.25, 40, 55.5, 90, 31, 42.125, 60])
    const parameters = { outcome: 'status', is: '2', covariates: ['sex', 'ph.ecog'] }
    const state = Float64Array.from([0.1, -0, 1e-17])
    const output = { dimension: 3, bound: 1e9 }
    const input: ContainerInput = { entry: 'reduce', round: 2, parameters, state, output, sum }
    const runs = await Promise.all(
      ['member-a', 'member-b'].map((node) => siteEngine(engine, node).run({ image: engine.images.python, input })),
    )
    const [first, second] = runs.map((outcome) =>
      outcome.ok ? Buffer.from(outcome.bytes).toString('hex') : outcome.code,
    )
    assert.match(first as string, /^[0-9a-f]{48}$/)
    assert.equal(first, second)
  })

  const noR = whyNoR()
  const withR: typeof withEngine = noR === undefined ? withEngine : (title) => it(`${title} (NOT RUN: ${noR})`)
  withR('r-moments: mean and standard deviation of the rows of all sites together', async function () {
    this.timeout(180_000)
    const image = await engine.pushR()
    // an interpreter of this size
    const limits = { ...SMALL, memoryBytes: 256 << 20, timeMs: 60_000 }
    const run = async (input: ContainerInput): Promise<Float64Array> => {
      const outcome = await site.run({ image, input, limits })
      assert.ok(outcome.ok, JSON.stringify(outcome))
      return outcome.values
    }
    const common = { round: 1, parameters: {}, state: new Float64Array() }
    const vectors: Float64Array[] = []
    for (let i = 0; i < SITES; i++) {
      const output = { dimension: 3, bound: 1e9 }
      vectors.push(await run({ ...common, entry: 'map', output, data: siteData(i) }))
    }
    const output = { dimension: 2, bound: 1e9 }
    const result = await run({ ...common, entry: 'reduce', output, sum: sumOf(vectors) })
    const ages = column('age').map(Number)
    const mean = ages.reduce((sum, age) => sum + age, 0) / ages.length
    const spread = Math.sqrt(ages.reduce((sum, age) => sum + (age - mean) ** 2, 0) / (ages.length - 1))
    assert.ok(Math.abs((result[0] as number) - mean) < 1e-9)
    assert.ok(Math.abs((result[1] as number) - spread) < 1e-9)
  })
})
