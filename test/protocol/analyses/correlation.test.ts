import assert from 'node:assert/strict'
import { eigen } from '@flamesh/protocol/analyses/eigen.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  breastSites,
  gbsg,
  known,
  type Loose,
  lung,
  lungSites,
  type Row,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { extended, sitesOf } from './runs.js'

const R = reference('summaries')
const columns = ['age', 'ph.karno', 'meal.cal', 'wt.loss']
const five = ['age', 'ph.karno', 'pat.karno', 'meal.cal', 'wt.loss']
const breast = ['age', 'nodes', 'pgr', 'er']
const awkward = extended((row) => ({
  late: (row['time'] as number) + 1e6,
  tiny: (row['age'] as number) * 1e-9,
  large: row['meal.cal'] === null ? null : (row['meal.cal'] as number) * 4096,
}))

/** The fields of R's record: means and standard deviations by column, the rest by pair. */
function correlated(sites: Parameters<typeof runFederated>[1], names: readonly string[], expected: Loose): void {
  const { result, rounds } = runFederated('correlation', sites, { columns: names })
  const { mean, sd, ...rest } = expected
  assertClose(result, rest)
  for (const [at, name] of names.entries()) assertClose(result.describe[name], { mean: mean[at], sd: sd[at] }, name)
  assert.equal(rounds, 1)
}

function decomposed(sites: Parameters<typeof runFederated>[1], names: string[], matrix: string, expected: Loose): void {
  const { result } = runFederated('pca', sites, { columns: names, matrix })
  const { rotation, center, ...rest } = expected
  assertClose(result, rest)
  const loadings = result.names.flatMap((component: string) => names.map((name) => result.rotation[name][component]))
  assertClose(loadings, rotation, 'rotation')
  assertClose(
    names.map((name) => result.describe[name].mean),
    center,
  )
}

/** The breast data in 3 to 40 sites of any sizes that are above the rules, rows in any order. */
const all = [...rotterdam, ...gbsg]
const splits = (check: (sites: readonly (readonly Row[])[]) => void, numRuns: number): void => {
  const keys = fc.array(fc.nat(), { minLength: 200, maxLength: 200 })
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 40 }), keys, (count, draws) =>
      check([...splitBy(all, (_, at) => (at < 20 * count ? at : (draws[at % 200] as number)) % count).values()]),
    ),
    { numRuns },
  )
}

describe('correlation equals R', () => {
  it('r, intervals, t and p of all pairs', () => {
    correlated(sitesOf(lung), columns, R.correlation.lung)
    correlated(breastSites, breast, R.correlation.breast)
    const { result } = runFederated('correlation', sitesOf(lung), { columns })
    assert.deepEqual(result.names.slice(0, 2), ['age × ph.karno', 'age × meal.cal'])
    assert.deepEqual([result.matrix.age.age, result.matrix['wt.loss'].age], [1, result.r[2]])
    assert.equal(result.missing, 228 - result.n)
  })

  it('columns far from zero, far below one, and beside each other', () =>
    correlated(awkward, ['late', 'tiny', 'large', 'sex'], R.correlation.awkward))

  it('however the rows are split, an empty site and one without a column among them', () =>
    splits((sites) => {
      const extra = [rowsOf([]), rowsOf(all.slice(0, 30), ['pgr'])]
      const tables = [...sites.map((rows) => rowsOf(rows)), ...extra]
      const { result } = runFederated('correlation', tables, { columns: breast })
      assertClose(result.r, R.correlation.breast.r)
      assert.equal(result.sites_left_out, 2)
    }, 6))
})

describe('pca equals R', () => {
  it('of the correlation matrix', () => {
    decomposed(sitesOf(lung), five, 'correlation', R.pca.lung)
    decomposed(breastSites, breast, 'correlation', R.pca.breast)
    decomposed(awkward, ['late', 'tiny', 'large', 'wt.loss'], 'correlation', R.pca.awkward)
  })

  it('of the covariance matrix', () => {
    decomposed(sitesOf(lung), five, 'covariance', R.pca.lung_covariance)
    decomposed(breastSites, breast, 'covariance', R.pca.breast_covariance)
  })

  it('however the rows are split', () =>
    splits((sites) => {
      const parameters = { columns: breast, matrix: 'correlation' }
      const { result } = runFederated(
        'pca',
        sites.map((rows) => rowsOf(rows)),
        parameters,
      )
      assertClose(result.eigenvalues, R.pca.breast.eigenvalues)
    }, 6))

  it('with the correlation matrix unless told otherwise, and one sign', () => {
    assert.deepEqual(
      known('pca').complete({ columns }, () => []),
      { columns, matrix: 'correlation' },
    )
    const [first, second] = eigen([
      [2, -1],
      [-1, 2],
    ])
    assertClose([first?.value, second?.value], [3, 1])
    // of equal loadings the first is positive
    assertClose(
      [first?.vector, second?.vector],
      [
        [Math.SQRT1_2, -Math.SQRT1_2],
        [Math.SQRT1_2, Math.SQRT1_2],
      ],
    )
  })
})

describe('eigenvalues', () => {
  it('put the matrix together again, with orthogonal vectors', () => {
    const entry = fc.double({ min: -1, max: 1, noNaN: true })
    const size = 7
    fc.assert(
      fc.property(
        fc.array(fc.array(entry, { minLength: size, maxLength: size }), { minLength: 4, maxLength: 9 }),
        (rows) => {
          const at = (i: number, j: number): number =>
            rows.reduce((sum, row) => sum + (row[i] as number) * (row[j] as number), 0)
          const indices = Array.from({ length: size }, (_, i) => i)
          const components = eigen(indices.map((i) => indices.map((j) => at(i, j))))
          for (const i of indices) {
            for (const j of indices) {
              const again = components.reduce(
                (sum, { value, vector }) => sum + value * (vector[i] as number) * (vector[j] as number),
                0,
              )
              assert.ok(Math.abs(again - at(i, j)) < 1e-13)
              const product = components.reduce(
                (sum, { vector }) => sum + (vector[i] as number) * (vector[j] as number),
                0,
              )
              assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-13)
            }
          }
          assert.ok(components.every(({ value }, k) => k === 0 || value <= (components[k - 1]?.value as number)))
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('correlation and pca are refused', () => {
  it('for few rows: means and variances of two patients are their values', () => {
    // the attack: what would be released of two rows, solved for them
    const two = lung.slice(0, 2)
    const values = two.map((row) => row['age'] as number)
    const mean = ((values[0] as number) + (values[1] as number)) / 2
    const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0))
    assert.deepEqual([mean + sd / Math.SQRT2, mean - sd / Math.SQRT2].map(Math.round), values)
    for (const name of ['correlation', 'pca']) {
      const parameters = { columns: five, ...(name === 'pca' ? { matrix: 'correlation' } : {}) }
      const complete = lung.filter((row) => five.every((column) => row[column] !== null))
      const vector = (rows: number) => known(name).contribute(rowsOf(complete.slice(0, rows)), parameters, undefined)
      // five columns need 16 rows at a site
      assert.deepEqual([vector(16)[0], vector(15)[0]], [1, 0])
      assert.ok(vector(15).every((value) => Object.is(value, 0)))
      // and of the sum: a vector that says so of fewer rows is no honest one
      const analysis = known(name)
      const words = analysis.plan(parameters, undefined).slots.map(() => 0n)
      for (const [rows, code] of [
        [4n, 'small-cell'],
        [15n, 'too-many-parameters'],
      ] as const) {
        words[0] = 3n << 60n
        words[1] = rows << 60n
        const context = { parameters, rules: { minimumCell: 5, minimumContributors: 2 }, survivors: 3 }
        const outcome = analysis.combine(words, context, undefined)
        assert.equal(outcome.kind === 'suppressed' && outcome.code, code)
      }
    }
  })

  it('or say which pair has no r; columns that determine each other have exactly 1', () => {
    const sites = sitesOf(lung.map((row) => ({ ...row, one: 1, twice: 7 - 2 * (row['age'] as number) })))
    const { result } = runFederated('correlation', sites, { columns: ['age', 'one', 'twice'] })
    assert.deepEqual(
      [result.r, result.t, result.p],
      [
        [null, -1, null],
        [null, null, null],
        [null, 0, null],
      ],
    )
    assert.deepEqual([result.ci_low[1], result.ci_high[1], result.describe.one.variance], [-1, -1, 0])
    const parameters = { columns: ['age', 'one'], matrix: 'covariance' }
    assertSuppressed(runFederated('pca', sites, parameters), 'singular')
    const { eigenvalues } = runFederated('pca', sites, { columns: ['age', 'twice'], matrix: 'correlation' }).result
    assertClose(eigenvalues, [2, 0])
  })

  it('where two columns of two values are a table with a small cell, which means and r give back', () => {
    const coded = (few: number, base: number) =>
      sitesOf(
        lung.map((row, at) => ({
          ...row,
          a: base + (at % 2),
          b: at < 80 ? 0 : at % 2 === 0 && at < 80 + 2 * few ? 0 : 1,
        })),
      )
    const pair = { columns: ['a', 'b'] }
    const { result } = runFederated('correlation', coded(5, 0), pair)
    const [p, q] = [result.describe.a.mean, result.describe.b.mean]
    const share = p * q + result.r[0] * Math.sqrt(p * (1 - p) * q * (1 - q))
    // the attack: the cell a = 0, b = 0 from two means and r
    assert.equal(Math.round(result.n * (1 - p - q + share)), 45)
    const single = (base: number) => sitesOf(lung.map((row, at) => ({ ...row, a: base + (at === 7 ? 1 : 0) })))
    const small = (few: number, base: number) =>
      sitesOf(
        lung.map((row, at) => ({
          ...row,
          a: base + (at % 2),
          b: at % 2 === 0 && at < 2 * few ? 1 : at % 2 === 1 && at < 100 ? 1 : 0,
        })),
      )
    for (const base of [0, 1, -3]) {
      assertSuppressed(runFederated('correlation', small(4, base), pair), 'small-cell')
      assert.equal(runFederated('correlation', small(5, base), pair).result.n, lung.length)
      assertSuppressed(runFederated('correlation', single(base), { columns: ['age', 'a'] }), 'small-cell')
      assertSuppressed(
        runFederated('pca', single(base), { columns: ['age', 'a'], matrix: 'correlation' }),
        'small-cell',
      )
    }
  })

  it('where too few sites have all columns', () => {
    const sites = lungSites.map((rows, at) => ({
      ...rows,
      columns: new Map([...rows.columns].filter(([name]) => at < 2 || name !== 'meal.cal')),
    }))
    const rules = { minimumCell: 5, minimumContributors: 3 }
    assertSuppressed(runFederated('correlation', sites, { columns }, rules), 'too-few-contributors')
  })
})
