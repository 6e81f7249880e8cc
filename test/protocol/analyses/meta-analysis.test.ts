import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  gbsg,
  known,
  type Loose,
  lung,
  lungByInstitution,
  lungSites,
  type Row,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'

const R = reference('meta')
const sorted: readonly Row[] = [...rotterdam, ...gbsg].map(({ year: _, ...row }) => row)
/** rotterdam comes sorted by event; `mixed` is another column at every second of 12 sites */
const breast: readonly Row[] = sorted.map((_, at) => {
  const row = sorted[(at * 1009) % sorted.length] as Row
  const odd = Math.floor((at * 12) / sorted.length) % 2 === 1
  return { ...row, mixed: odd ? (row['age'] as number) : Math.min(60, (row['nodes'] as number) * 3) }
})
const blocks = (count: number, rows = breast) =>
  [...splitBy(rows, (_, index) => Math.floor((index * count) / rows.length)).values()].map((site) => rowsOf(site))
const UNEVEN = [0, 0, 0, 1, 1, 2, 3, 4, 4, 5]
const uneven = [...splitBy(breast, (_, index) => UNEVEN[index % 10] as number).values()].map((rows) => rowsOf(rows))
const run = (sites: Parameters<typeof runFederated>[1], parameters: Loose, rules = RULES) =>
  runFederated('meta-analysis', sites, parameters, rules)

const survived = { time: 'time', event: { column: 'status', is: '2' }, strata: 'site' }
const lungCox = {
  model: 'cox',
  fit: { ...survived, covariates: ['age', { column: 'sex', levels: ['1', '2'], reference: '1' }] },
  coefficients: ['age', 'sex2'],
}
const logistic = (covariates: Loose[], coefficients = covariates) => ({
  model: 'logistic',
  fit: { outcome: 'event', covariates },
  coefficients,
})
const hormon = { column: 'hormon', levels: ['0', '1'], reference: '0' }
const odds = logistic([hormon], ['hormon1'])

describe('meta-analysis equals R and metafor', () => {
  it('hazard ratios by institution, a factor among the covariates', () => {
    const { result, rounds } = run(lungSites, lungCox)
    const { sex, ...others } = R.lung_cox.estimates
    assertClose(result, { ...R.lung_cox, names: ['age', 'sex2'], estimates: { ...others, sex2: sex } })
    assert.deepEqual([rounds, result.n, result.events, result.sites_left_out, result.model], [3, 228, 165, 0, 'cox'])
  })

  it('linear, logistic, Poisson, gamma, probit and Cox models, over 5 to 40 sites', () => {
    const linear = (outcome: string, covariates: string[]) => ({ outcome, covariates, strata: 'none' })
    const cox = { time: 'time', event: 'event', covariates: ['mixed', 'nodes', 'pgr'], strata: 'site' }
    const poisson = { family: 'poisson', link: 'log', outcome: 'event', exposure: 'time', covariates: ['age', 'nodes'] }
    const generalised = (family: string, link: string, outcome: string, covariates: string[]) => ({
      model: 'glm',
      fit: { family, link, outcome, covariates },
    })
    for (const [name, sites, parameters] of [
      ['lung_linear', lungSites, { model: 'linear', fit: linear('age', ['ph.karno', 'sex']) }],
      ['linear_40', blocks(40), { model: 'linear', fit: linear('pgr', ['mixed', 'er']) }],
      ['logistic_6', uneven, logistic(['age', 'nodes', 'hormon'])],
      ['logistic_12', blocks(12), logistic(['mixed', 'pgr'])],
      ['poisson_40', blocks(40), { model: 'glm', fit: poisson }],
      ['gamma_12', blocks(12), generalised('gamma', 'log', 'time', ['age', 'pgr'])],
      ['probit_12', blocks(12), generalised('binomial', 'probit', 'event', ['mixed', 'pgr'])],
      ['quasi_12', blocks(12), generalised('quasipoisson', 'log', 'nodes', ['age', 'hormon'])],
      ['cox_5', blocks(5), { model: 'cox', fit: cox }],
    ] as const) {
      const { result } = run(sites, { coefficients: parameters.fit.covariates, ...parameters })
      assertClose(result, { ...R[name], sites_left_out: 0 }, name)
      const ratios = Object.keys(Object.values<Loose>(result.estimates)[0].fixed).filter((key) =>
        key.endsWith('_ratio'),
      )
      assert.deepEqual(ratios.length, /linear|probit/.test(name) ? 0 : 1, name)
      assert.equal(result.events === undefined, /linear|gamma/.test(name), name)
    }
  })

  it('the logarithm of the odds ratio of a table', () => {
    const old = breast.map((row) => ({ ...row, old: (row['age'] as number) > 50 ? 'yes' : 'no' }))
    const factor = { column: 'old', levels: ['no', 'yes'], reference: 'no' }
    const { result } = run(blocks(12, old), logistic([factor], ['oldyes']))
    const [expected] = Object.values(R.odds_12.estimates)
    const { q, q_p, i2, h } = R.odds_12
    assertClose(result, { q: [q], q_p: [q_p], i2: [i2], h: [h], estimates: { oldyes: expected } })
  })

  it('covariates of 1e-5 and of 1e7 in one model', () => {
    const rows = breast.map((row) => ({
      ...row,
      small: (row['nodes'] as number) * 1e-6,
      wide: (row['age'] as number) * 1e5,
    }))
    assertClose(run(blocks(12, rows), logistic(['small', 'wide'])).result, R.extreme_12)
  })

  it('and refuses units in which a weight has too few bits, or none', () => {
    const scaled = (by: number) => breast.map((row) => ({ ...row, scaled: (row['nodes'] as number) * by }))
    const parameters = (by: number) => [blocks(12, scaled(by)), logistic(['scaled'])] as const
    const estimate = (by: number): Loose => run(...parameters(by)).result.estimates.scaled.random
    for (const by of [2 ** -38, 2 ** 38]) {
      assertClose(estimate(by).coef * by, estimate(1).coef)
      assertClose(estimate(by).se * by, estimate(1).se)
    }
    for (const by of [2 ** -52, 2 ** 60]) assert.throws(() => run(...parameters(by)), { code: 'out-of-bound' })
  })

  it('however the rows are split, with sites that are empty, tiny, lack a column or have no estimate', () => {
    const table = (rows: readonly Row[]) =>
      [0, 1].flatMap((h) => [0, 1].map((e) => rows.filter((row) => row['hormon'] === h && row['event'] === e).length))
    const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 40 }), fc.integer({ min: 1, max: 1 << 30 }), (count, seed) => {
        const site = (index: number) => Math.floor((((index * 7919 + seed) * 104729) % 65537) ** 1.5) % count
        const sites = [...splitBy(breast, (_, index) => site(index)).values()]
        const extra = [
          rowsOf([]),
          rowsOf(breast.slice(0, 3)),
          rowsOf(breast.slice(0, 90), ['hormon']),
          // nobody has the treatment: no odds ratio
          rowsOf(breast.filter((row) => row['hormon'] === 0).slice(0, 90)),
        ]
        const { result } = run([...sites.map((rows) => rowsOf(rows)), ...extra], odds)
        // by Woolf's formula, of the sites that have one
        const effects = sites.flatMap((rows) => {
          const [a, b, c, d] = table(rows) as [number, number, number, number]
          const few = [a, b, c, d].includes(0) || 200 > 33 * Math.min(a + c, b + d)
          return few ? [] : [{ b: Math.log((a * d) / (b * c)), v: 1 / a + 1 / b + 1 / c + 1 / d }]
        })
        const mean = (t: number) => total(effects.map(({ b, v }) => b / (v + t))) / weight(t)
        const weight = (t: number) => total(effects.map(({ v }) => 1 / (v + t)))
        const q = total(effects.map(({ b, v }) => (b - mean(0)) ** 2 / v))
        const c = weight(0) - total(effects.map(({ v }) => v ** -2)) / weight(0)
        const tau2 = Math.max(0, (q - effects.length + 1) / c)
        assertClose(
          {
            coef: result.estimates.hormon1.fixed.coef,
            random: result.estimates.hormon1.random,
            q: result.q[0],
            sites: [result.contributors, result.sites_left_out],
          },
          {
            coef: mean(0),
            random: { coef: mean(tau2), se: weight(tau2) ** -0.5 },
            q,
            sites: [effects.length, sites.length + 4 - effects.length],
          },
          `${count} ${seed}`,
          1e-8,
        )
        assert.ok(Math.abs(result.tau2[0] - tau2) <= 1e-9 * Math.max(tau2, 1 / c))
      }),
      { numRuns: 15 },
    )
  })
})

describe('meta-analysis releases nothing about one site', () => {
  /** Of the second round, with squares of weights as they are. */
  const vectors = (sites: Parameters<typeof runFederated>[1], parameters: Loose) =>
    sites.map((rows) =>
      known('meta-analysis').contribute(rows, parameters, { contributors: sites.length, exponents: [0], pooled: null }),
    )

  it('from fewer than five sites: sums about two others are equations for both', () => {
    const [own, ...others] = vectors(blocks(3), odds) as [Float64Array, ...Float64Array[]]
    const first = own.length - 8
    const read = (vector: Float64Array) => [0, 2, 4, 6].map((at) => vector[first + at] as number)
    const sums = [own, ...others].map(read).reduce((a, b) => a.map((value, at) => value + (b[at] as number)))
    // the attack of one of three sites: Σw and Σw² less its own give both weights, Σwb and Σwb² both estimates
    const [w, wb, wbb, ww] = sums.map((value, at) => value - (read(own)[at] as number)) as [
      number,
      number,
      number,
      number,
    ]
    const half = Math.sqrt((2 * ww - w * w) / 4)
    const weights = [w / 2 + half, w / 2 - half] as const
    const spread = Math.sqrt(Math.max(0, ((wbb - (wb * wb) / w) * w) / (weights[0] * weights[1])))
    const solved = [1, -1].map((sign) => {
      const b = (wb + sign * weights[1] * spread) / w
      return [b, b - sign * spread]
    })
    const truth = others
      .map(read)
      .map(([weight, product]) => ({ w: weight as number, b: (product as number) / (weight as number) }))
    const heavier = truth.toSorted((a, b) => b.w - a.w).map(({ b }) => b)
    assert.ok(solved.some((pair) => pair.every((b, at) => Math.abs(b - (heavier[at] as number)) < 1e-6)))
    for (const count of [3, 4]) assertSuppressed(run(blocks(count), odds), 'too-few-contributors')
    assert.equal(run(blocks(5), odds).outcome.kind, 'result')
    // five sites of which one has no estimate are four
    const five = blocks(4)
    assertSuppressed(run([...five, rowsOf(breast.slice(0, 5))], odds), 'too-few-contributors')
    assertSuppressed(run(blocks(7), odds, { ...RULES, minimumContributors: 8 }), 'too-few-contributors')
  })

  it('if one site is nearly all of an estimate', () => {
    const small = [0, 1, 2, 3, 4, 5].map((at) => breast.slice(400 * at, 400 * at + 100))
    const large = Array.from({ length: 5 }, () => breast).flat()
    const sites = [...small, large].map((rows) => rowsOf(rows))
    const effective = (all: typeof sites) => {
      const weights = vectors(all, logistic(['age'])).map((vector) => vector[vector.length - 8] as number)
      const total = weights.reduce((sum, value) => sum + value, 0)
      return total ** 2 / weights.reduce((sum, value) => sum + value ** 2, 0)
    }
    assert.ok(effective(sites) < 1.2, 'one site is nearly all')
    assertSuppressed(run(sites, logistic(['age'])), 'too-few-contributors')
    const fair = [...small, breast.slice(0, 150)].map((rows) => rowsOf(rows))
    assert.ok(effective(fair) > 2, 'no site is')
    assert.equal(run(fair, logistic(['age'])).outcome.kind, 'result')
  })

  it('of small levels, or small levels with an event, of everyone', () => {
    const rare = breast.map((row, index) => ({ ...row, mark: index % 900 === 0 ? 'yes' : 'no' }))
    const mark = { column: 'mark', levels: ['no', 'yes'], reference: 'no' }
    const linear = { outcome: 'nodes', covariates: ['age', mark], strata: 'none' }
    // five rows are marked, at five sites: nothing is small; then a row less
    const sites = blocks(5, rare)
    const parameters = { model: 'linear', fit: linear, coefficients: ['age'] }
    assert.equal(run(sites, parameters).outcome.kind, 'result')
    assertSuppressed(run(sites, parameters, { ...RULES, minimumCell: 6 }), 'small-cell')
    const everyone = { model: 'linear', fit: { ...linear, covariates: ['age'] }, coefficients: ['age'] }
    assert.equal(run(blocks(5, breast.slice(0, 300)), everyone).outcome.kind, 'result')
    const deaths = known('meta-analysis')
    const context = { parameters: odds, rules: RULES, survivors: 6 }
    const sum = run(uneven, odds).sums[0] as bigint[]
    const events = deaths.plan(odds, undefined).slots.findIndex(({ name }) => name === 'hormon=1, events')
    const forged = deaths.combine(sum.with(events, 4n << 60n), context, undefined)
    assert.equal(forged.kind === 'suppressed' && forged.code, 'small-cell')
  })

  it('and a site below a rule, or without estimates, is zeros like any other', () => {
    const zeros = (rows: readonly Row[], parameters: Loose, without: string[] = []) =>
      known('meta-analysis')
        .contribute(rowsOf(rows, without), parameters, undefined)
        .every((value) => Object.is(value, 0))
    const age = {
      model: 'linear',
      fit: { outcome: 'nodes', covariates: ['age'], strata: 'none' },
      coefficients: ['age'],
    }
    assert.ok(!zeros(breast.slice(0, 7), age))
    assert.ok(zeros(breast.slice(0, 6), age), 'more parameters than a third of the rows')
    assert.ok(zeros(breast.slice(0, 90), age, ['age']))
    assert.ok(
      zeros(
        breast.slice(0, 90).map((row) => ({ ...row, age: 50 })),
        age,
      ),
      'singular',
    )
    assert.ok(
      zeros(
        breast.slice(0, 90).map((row) => ({ ...row, nodes: row['age'] as number })),
        age,
      ),
      'perfect fit',
    )
    const separated = breast.slice(0, 90).map((row, at) => ({ ...row, age: at, event: at < 45 ? 1 : 0 }))
    assert.ok(zeros(separated, logistic(['age'])), 'separation')
    // an outcome that few at the site have: as many as three parameters need, and one less
    const some = (deaths: number) =>
      breast.slice(0, 90).map((row, at) => ({ ...row, event: (at * 7) % 90 < deaths ? 1 : 0 }))
    assert.ok(!zeros(some(10), logistic(['age', 'nodes'])))
    assert.ok(zeros(some(9), logistic(['age', 'nodes'])))
  })

  it('no weight and no estimate of a site, nor one of the sums of w', () => {
    const { outcome, sums } = run(lungSites, lungCox)
    const released = (outcome as Loose).released
    assert.deepEqual(Object.keys(released).sort(), ['contributors', 'events', 'leftOut', 'missing', 'n', 'pooled'])
    assert.deepEqual(Object.keys(released.pooled[0]).sort(), ['coef', 'q', 'random', 'se', 'tau2'])
    const context = { parameters: lungCox, rules: RULES, survivors: 8 }
    const { combine } = known('meta-analysis')
    const { state: first } = combine(sums[0] as bigint[], context, undefined) as Loose
    // of Σw the power of two alone
    assert.deepEqual([Object.keys(first).sort(), first.pooled], [['contributors', 'exponents', 'pooled'], null])
    assert.deepEqual(
      first.exponents,
      released.pooled.map(({ se }: Loose) => Math.floor(Math.log2(1 / se ** 2))),
    )
    const { state: second } = combine(sums[1] as bigint[], context, first) as Loose
    for (const [at, one] of second.pooled.entries()) assertClose(released.pooled[at], one)
  })
})

describe('meta-analysis, parameters and sums', () => {
  it('are those of the model; all coefficients but the intercept if none are named', () => {
    const { complete, parameters, columns } = known('meta-analysis')
    const levels = () => ['1', '2']
    const written = {
      model: 'cox',
      fit: { time: 'time', event: { column: 'status', is: 2 }, covariates: ['age', { column: 'sex' }] },
    }
    assert.deepEqual(parameters.parse(complete(written, levels)), lungCox)
    assert.deepEqual(columns(lungCox), ['time', lungCox.fit.event, ...lungCox.fit.covariates])
    const intercept = { ...logistic(['age']), coefficients: ['(Intercept)'] }
    assert.deepEqual(complete(intercept, levels), intercept)
    assert.equal(run(uneven, intercept).result.names[0], '(Intercept)')
    const linear = { outcome: 'nodes', covariates: ['age'], strata: 'site' }
    for (const bad of [
      { ...lungCox, coefficients: ['(Intercept)'] },
      { ...lungCox, coefficients: ['sex'] },
      { ...lungCox, coefficients: [] },
      { ...lungCox, coefficients: ['age', 'age'] },
      { ...lungCox, model: 'ridge' },
      { ...lungCox, model: 'constructor' },
      { ...lungCox, fit: odds.fit },
      { ...lungCox, strata: 'site' },
      { ...lungCox, fit: { ...lungCox.fit, zph: 'log' } },
      { model: 'linear', fit: linear, coefficients: ['age'] },
    ])
      assert.ok(!parameters.safeParse(complete(bad, levels)).success, JSON.stringify(bad))
  })

  it('that do not fit each other are refused', () => {
    const analysis = known('meta-analysis')
    const [first, second, third] = run(uneven, odds).sums as [bigint[], bigint[], bigint[]]
    const context = { parameters: odds, rules: RULES, survivors: 8 }
    const sizes = (analysis.combine(first, context, undefined) as Loose).state
    const state = (analysis.combine(second, context, sizes) as Loose).state
    const code = (sum: bigint[], from: unknown): string => {
      const outcome = analysis.combine(sum, context, from)
      return outcome.kind === 'suppressed' ? outcome.code : outcome.kind
    }
    assert.deepEqual([code(first, undefined), code(second, sizes), code(third, state)], ['state', 'state', 'result'])
    assert.equal(code(third.with(0, 7n << 60n), state), 'implausible-sum')
    assert.equal(code(third.with(-6, 0n).with(-5, 0n), state), 'implausible-sum')
    assert.equal(code(first.with(-2, -1n).with(-1, 0n), undefined), 'implausible-sum')
    assert.equal(code(second.with(0, 7n << 60n), sizes), 'implausible-sum')
    assert.equal(code(second.with(-8, -1n).with(-7, 0n), sizes), 'implausible-sum')
    assert.equal(code(second.with(-2, 0n).with(-1, 0n), sizes), 'implausible-sum')
    assert.equal(code(second, { ...sizes, exponents: [1, 1] }), 'implausible-sum')
    assert.equal(code(third, { ...state, pooled: [] }), 'implausible-sum')
  })

  it('of any words give an outcome with an encoding', () => {
    const analysis = known('meta-analysis')
    const word = fc.oneof(
      fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n }),
      fc.bigInt({ min: 0n, max: 1n << 80n }),
    )
    const count = fc.nat(200).map((value) => BigInt(value) << 60n)
    const sizes = { contributors: 6, exponents: [3, -90], pooled: null }
    const state = { ...sizes, pooled: [0, 1].map(() => ({ coef: 1, se: 1, q: 7, tau2: 0.5 })) }
    let results = 0
    for (const from of [undefined, sizes, state]) {
      const { slots } = analysis.plan(lungCox, from)
      const sums = fc.tuple(
        ...slots.map(({ kind }, at) => (at === 0 ? fc.constant(6n << 60n) : kind === 'count' ? count : word)),
      )
      // counts that pass: those of an honest sum
      const honest = run(lungSites, lungCox).sums[0] as bigint[]
      fc.assert(
        fc.property(sums, fc.boolean(), (drawn, passes) => {
          const words = drawn.map((value, at) =>
            passes && at > 0 && slots[at]?.kind === 'count' ? (honest[at] as bigint) : value,
          )
          const outcome = analysis.combine(words, { parameters: lungCox, rules: RULES, survivors: 8 }, from)
          if (outcome.kind === 'result') analysis.present(analysis.released.parse(outcome.released), lungCox)
          if (outcome.kind === 'state') analysis.state.parse(outcome.state)
          if (outcome.kind !== 'suppressed') results++
          encode(outcome)
        }),
        { numRuns: 300 },
      )
    }
    assert.ok(results > 50, `${results}`)
    assert.ok(lung.length === 228 && lungByInstitution.size === 8)
  })
})
