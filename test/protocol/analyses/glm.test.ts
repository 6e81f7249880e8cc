import assert from 'node:assert/strict'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  gbsg,
  known,
  lung,
  lungByInstitution,
  type Row,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
  sumOf,
} from './federation.js'
import { sitesOf } from './runs.js'

const R = reference('glm')
const breast: readonly Row[] = [...rotterdam, ...gbsg].map(({ year: _, ...row }) => row)
const died: readonly Row[] = lung.map((row) => ({ ...row, died: (row['status'] as number) - 1 }))
const rate = { family: 'poisson', link: 'log', outcome: 'died', exposure: 'time', covariates: ['age', 'sex'] }
const nodes = { family: 'poisson', link: 'log', outcome: 'nodes', covariates: ['age', 'hormon'] }
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'], reference: '0' }
const sites = sitesOf(died)
const extended = (extend: (row: Row, index: number) => Row) =>
  sitesOf(died.map((row, index) => ({ ...row, ...extend(row, index) })))
const thrownBy = (rows: readonly Row[], parameters: unknown): FlameshError => {
  try {
    known('glm').contribute(rowsOf(rows), parameters, undefined)
  } catch (error) {
    assert.ok(error instanceof FlameshError)
    return error
  }
  assert.fail('nothing was thrown')
}

describe('glm equals R on the pooled rows', () => {
  it('rates: everything that R says of them', () => {
    const { result, rounds } = runFederated('glm', sites, rate)
    assertClose(result, { ...R.rate, missing: 0, rows_with_events: 165, exposure: 'time', converged: true })
    assert.equal(
      result.exposure_total,
      lung.reduce((sum, { time }) => sum + (time as number), 0),
    )
    assert.equal(rounds, 1 + result.iterations)
    assert.ok(rounds <= 9, `${rounds} rounds`)
    const indicated = { ...rate, outcome: { column: 'status', is: '2' } }
    assertClose(runFederated('glm', sites, indicated).result, R.rate)
  })

  it('quasi-Poisson: t instead of z, and no likelihood', () => {
    const { result } = runFederated('glm', sites, { ...rate, family: 'quasipoisson' })
    assertClose(result, R.rate_quasi)
    assert.deepEqual([result.z, result.aic, result.loglik], [undefined, null, null])
    const covariates = ['age', 'hormon', 'pgr']
    assertClose(
      runFederated('glm', sitesOf(breast), { ...nodes, family: 'quasipoisson', covariates }).result,
      R.nodes_quasi,
    )
  })

  it('a factor, and a column that one site lacks', () => {
    const three = sitesOf(died.filter((row) => row['ph.ecog'] !== 3))
    const { result } = runFederated('glm', three, { ...rate, covariates: ['age', ecog] })
    assertClose(result, { ...R.rate_factor, names: ['(Intercept)', 'age', 'ph.ecog1', 'ph.ecog2'] })
    const lost = [...lungByInstitution].map(([inst, rows]) =>
      rowsOf(
        rows.map((row) => ({ ...row, died: (row['status'] as number) - 1 })),
        inst === 1 ? ['ph.ecog'] : [],
      ),
    )
    const covariates = ['age', 'sex', 'ph.ecog']
    assertClose(runFederated('glm', lost, { ...rate, covariates }).result, {
      ...R.rate_lost,
      contributors: 7,
      sites_left_out: 1,
    })
  })

  it('counts up to hundreds, however badly the first step may fit', () => {
    const { result } = runFederated('glm', sitesOf(breast), nodes)
    assertClose(result, R.nodes)
    const pgr = { ...nodes, outcome: 'pgr', covariates: ['age', 'nodes', 'er'] }
    const { result: counts } = runFederated('glm', sitesOf(breast, 3), pgr)
    assertClose(counts, R.counts)
    assert.ok(counts.iterations < 12)
  })

  it('columns of 1e-5 and of 1e7 in one model, person-time of 1e9', () => {
    const extreme = extended(({ age, time, sex, ...row }) => ({
      small: (age as number) * 1e-6,
      large: (time as number) * 1e6,
      far: (sex as number) + 1e6,
      wide: (row['ph.karno'] as number | null) === null ? null : (row['ph.karno'] as number) * 1e5,
    }))
    const { result } = runFederated('glm', extreme, {
      ...rate,
      exposure: 'large',
      covariates: ['small', 'wide', 'far'],
    })
    const slopes = ({ coef, se, deviance, aic, dispersion }: typeof result) => ({
      coef: coef.slice(1),
      se: se.slice(1),
      deviance,
      aic,
      dispersion,
    })
    assertClose(slopes(result), slopes(R.rate_extreme))
  })

  it('however the rows are split into 3 to 40 sites, and with sites that have next to nothing', () => {
    const split = fc.tuple(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 1, max: 1 << 30 }))
    const property = fc.property(split, ([count, seed]) => {
      const site = (index: number) => Math.floor((((index * 7919 + seed) * 104729) % 65537) ** 1.5) % count
      const rows = [...splitBy(breast, (_, index) => site(index)).values()].map((some) => rowsOf(some))
      const tiny = [rowsOf(breast.slice(0, 2)), { count: 0, columns: new Map() }]
      const { result } = runFederated('glm', [...rows, ...tiny], nodes)
      assertClose(result, { ...R.nodes, contributors: rows.length, sites_left_out: 2 })
    })
    fc.assert(property, { numRuns: 8 })
  })
})

describe('glm refuses', () => {
  it('outcomes that are no counts, and person-time that is none, at the site that has them', () => {
    for (const bad of [0.5, -1]) {
      const error = thrownBy(
        died.map((row, index) => (index === 7 ? { ...row, died: bad } : row)),
        rate,
      )
      assert.deepEqual([error.code, error.meta['column'], typeof error.hint], ['column-values', 'died', 'string'])
    }
    for (const bad of [0, -3]) {
      const error = thrownBy(
        died.map((row, index) => (index === 7 ? { ...row, time: bad } : row)),
        rate,
      )
      assert.deepEqual([error.code, error.meta['column']], ['column-values', 'time'])
    }
    assert.equal(
      known('glm').contribute(rowsOf(died.map((row) => ({ ...row, time: null }))), rate, undefined)[0],
      0,
      'what is missing is missing',
    )
  })

  it('more parameters than a third of a site’s rows: they would be its rows', () => {
    const vector = (rows: number) => known('glm').contribute(rowsOf(died.slice(30, 30 + rows)), rate, undefined)
    assert.equal(vector(10)[0], 1)
    assert.ok(vector(9).every((value) => Object.is(value, 0)))
  })

  it('one patient’s many events in the place of many patients’', () => {
    // 400 events are plenty for three parameters, but they are four patients'
    const few = extended((_, index) => ({ visits: index < 4 ? 100 : 0 }))
    const refused = runFederated('glm', few, { ...rate, outcome: 'visits' })
    assertSuppressed(refused, 'small-cell')
    assert.equal(refused.rounds, 1)
    const more = extended((_, index) => ({ visits: index < 8 ? 100 : 0 }))
    assertSuppressed(runFederated('glm', more, { ...rate, outcome: 'visits' }), 'too-many-parameters')
    const enough = extended((_, index) => ({ visits: index < 10 ? 100 : 0 }))
    assert.equal(runFederated('glm', enough, { ...rate, outcome: 'visits' }).outcome.kind, 'result')
  })

  it('a level with few patients, or few with an event, before any sum of the model is opened', () => {
    const levels = { ...ecog, levels: ['0', '1', '2', '3'] }
    const run = runFederated('glm', sites, { ...rate, covariates: ['age', levels] })
    assertSuppressed(run, 'small-cell')
    assert.equal(run.rounds, 1)
    assert.ok(
      known('glm')
        .plan({ ...rate, covariates: ['age', levels] }, undefined)
        .slots.every(({ kind }) => kind === 'count'),
    )
  })

  it('a level that only one site has: it is the site’s name', () => {
    const named = sitesOf(died).map(({ count, columns }, site) => ({
      count,
      columns: new Map([...columns, ['ward', new Float64Array(count).fill(site === 0 ? 1 : 2)] as const]),
    }))
    const ward = { column: 'ward', levels: ['1', '2'], reference: '2' }
    assertSuppressed(runFederated('glm', named, { ...rate, covariates: ['age', ward] }), 'too-few-contributors')
  })

  it('columns that determine each other, and a level or a column without events', () => {
    const both = extended(({ age, sex }) => ({ both: 2 * (age as number) - (sex as number), one: 1 }))
    assertSuppressed(runFederated('glm', both, { ...rate, covariates: ['age', 'sex', 'both'] }), 'singular')
    assertSuppressed(runFederated('glm', both, { ...rate, covariates: ['age', 'one'] }), 'singular')
    const alive = extended(({ status }, index) => ({ mark: status === 1 && index % 2 === 0 ? 1 : 0 }))
    const byColumn = runFederated('glm', alive, { ...rate, covariates: ['age', 'mark'] })
    assertSuppressed(byColumn, 'separation')
    assert.ok(byColumn.rounds > 2 && byColumn.rounds < 20, `${byColumn.rounds}`)
    const level = { column: 'mark', levels: ['0', '1'], reference: '0' }
    assertSuppressed(runFederated('glm', alive, { ...rate, covariates: ['age', level] }), 'separation')
  })
})

describe('glm, the numbers', () => {
  it('a point beyond all bounds is left by half way back, not failed', () => {
    const state = { iteration: 2, beta: [900, 0, 0], best: { beta: [-6, 0, 0], logLikelihood: -1200 } }
    const vectors = sites.map((rows) => known('glm').contribute(rows, rate, state))
    assert.ok(vectors.every((vector) => vector.every((value) => Number.isFinite(value))))
    const outcome = known('glm').combine(
      sumOf(vectors, known('glm').plan(rate, state)),
      { parameters: rate, rules: RULES, survivors: 4 },
      state,
    )
    assert.deepEqual(outcome, { kind: 'state', state: { ...state, iteration: 3, beta: [447, 0, 0] } })
  })

  it('a likelihood that is nearly 0 converges: what rounding takes from its terms is no fall', () => {
    const { result } = runFederated('glm', sites, rate)
    // with time in this unit Σ y·η − μ is 0 at the estimates
    const entropy = died.reduce((sum, { died, time }) => sum - (died as number) * Math.log(time as number), 0)
    const likelihood = entropy - result.events - result.deviance / 2
    const unit = Math.exp(likelihood / result.events)
    for (let nudge = 0; nudge < 20; nudge++) {
      const scale = unit * (1 + nudge * 1e-13)
      const scaled = extended(({ time }) => ({ scaled: (time as number) * scale }))
      const { result: same } = runFederated('glm', scaled, { ...rate, exposure: 'scaled' })
      assertClose(same, { deviance: result.deviance, aic: result.aic, se: result.se })
      assert.ok(same.iterations <= result.iterations, `${same.iterations}`)
    }
  })

  it('combine returns for every sum, with nothing that has no encoding', () => {
    const state = { iteration: 3, beta: [0.5, 0.5, 0.5], best: null }
    const word = fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n })
    const few = fc.nat(200).map((count) => BigInt(count) << 60n)
    for (const from of [undefined, { ...state, iteration: 0 }, state]) {
      const { slots } = known('glm').plan(rate, from)
      const sums = fc.tuple(
        ...slots.map(({ kind }, at) =>
          at === 0 ? fc.constant(4n << 60n) : kind === 'count' ? few : fc.oneof(word, few),
        ),
      )
      fc.assert(
        fc.property(sums, (sum) => {
          const outcome = known('glm').combine(sum, { parameters: rate, rules: RULES, survivors: 8 }, from)
          if (outcome.kind === 'result') known('glm').released.parse(outcome.released)
          if (outcome.kind === 'state') known('glm').state.parse(outcome.state)
          encode(outcome)
        }),
        { numRuns: 60 },
      )
    }
  })

  it('parameters: family and link are filled in, columns differ', () => {
    const { family: _, link: __, ...written } = rate
    assert.deepEqual(
      known('glm').complete(written, () => []),
      rate,
    )
    assert.deepEqual([...known('glm').columns(rate).map(columnOf)].sort(), ['age', 'died', 'sex', 'time'])
    const accepts = (parameters: unknown) => known('glm').parameters.safeParse(parameters).success
    assert.ok(accepts(rate) && accepts(nodes))
    for (const bad of [
      { exposure: 'died' },
      { exposure: 'age' },
      { outcome: 'age' },
      { family: 'gaussian' },
      { family: 'binomial' },
      { link: 'logit' },
      { offset: 'x' },
    ])
      assert.ok(!accepts({ ...rate, ...bad }), JSON.stringify(bad))
  })
})
