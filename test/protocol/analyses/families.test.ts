import assert from 'node:assert/strict'
import { logGamma, logGammaRest } from '@flamesh/protocol/analyses/distributions.js'
import { FAMILIES } from '@flamesh/protocol/analyses/families.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  gbsg,
  known,
  type Loose,
  lung,
  lungByInstitution,
  type Row,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  sumOf,
} from './federation.js'
import { sitesOf } from './runs.js'

const R = reference('glm')
const breast: readonly Row[] = [...rotterdam, ...gbsg].map(({ year: _, ...row }) => row)
const more = (row: Row): Row => {
  const [age = 0, sex = 0, time = 0] = ['age', 'sex', 'time'].map((name) => row[name] as number)
  const shift = row['inst'] === null ? null : ((row['inst'] as number) % 5) / 4
  const karno = row['ph.karno'] as number | null
  return {
    ...row,
    died: (row['status'] as number) - 1,
    shift,
    little: shift === null ? null : shift * 1e-4,
    small: age * 1e-6,
    large: time * 1e6,
    far: sex + 1e6,
    wide: karno === null ? null : karno * 1e5,
    size: Math.exp(1 + 0.01 * age + 0.3 * sex) * (1 + 1e-6 * Math.sin(time)),
  }
}
const patients = lung.map(more)
const sites = sitesOf(patients)
const three = sitesOf(patients.filter((row) => row['ph.ecog'] !== 3))
const lost = [...lungByInstitution].map(([inst, rows]) => rowsOf(rows.map(more), inst === 1 ? ['ph.ecog'] : []))
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'], reference: '0' }
const extreme = ['small', 'wide', 'far']
const pgr = breast.filter((row) => (row['pgr'] as number) > 0)

const gamma = (outcome: string, covariates: Loose[], others = {}) => ({
  family: 'gamma',
  link: 'log',
  outcome,
  covariates,
  ...others,
})
const died = (link: string, covariates: Loose[], others = {}) => ({
  family: 'binomial',
  link,
  outcome: 'died',
  covariates,
  ...others,
})
const treated = (link: string) => ({ ...died(link, ['age', 'nodes']), outcome: 'hormon' })
const three3 = ['age', 'sex', 'ph.ecog']
const inverse = { link: 'inverse' }
const offset = { offset: 'shift' }
const CASES: Readonly<Record<string, readonly [Loose, Loose]>> = {
  rate_offset: [sites, { ...gamma('died', ['age', 'sex'], offset), family: 'poisson' }],
  gamma: [sites, gamma('time', ['age', 'sex'])],
  gamma_inverse: [sites, gamma('meal.cal', ['age', 'sex', 'ph.karno'], inverse)],
  gamma_factor: [three, gamma('time', ['age', ecog])],
  gamma_interaction: [sites, gamma('meal.cal', ['age', 'sex', { interaction: ['age', 'sex'] }])],
  gamma_lost: [lost, gamma('time', three3)],
  gamma_exposure: [sites, gamma('meal.cal', ['age', 'sex'], { exposure: 'ph.karno' })],
  gamma_offset: [sites, gamma('meal.cal', ['age', 'sex'], offset)],
  gamma_inverse_offset: [sites, gamma('time', ['age', 'sex'], { ...inverse, offset: 'little' })],
  gamma_skewed: [sitesOf(pgr), gamma('pgr', ['age', 'nodes', 'er'])],
  logit: [sites, died('logit', three3)],
  probit: [sites, died('probit', three3)],
  cloglog: [sites, died('cloglog', three3)],
  logit_offset: [sites, died('logit', ['age', 'sex'], offset)],
  probit_offset: [sites, died('probit', ['age', 'sex'], offset)],
  cloglog_offset: [sites, died('cloglog', ['age', 'sex'], offset)],
  probit_factor: [three, died('probit', ['age', ecog])],
  logit_quasi: [sites, died('logit', ['age', 'sex'], { family: 'quasibinomial' })],
  cloglog_quasi: [sites, died('cloglog', ['age', 'sex'], { family: 'quasibinomial' })],
  treated_probit: [sitesOf(breast), treated('probit')],
  treated_cloglog: [sitesOf(breast), treated('cloglog')],
}

describe('every family and link of glm', () => {
  for (const [name, [of, parameters]] of Object.entries(CASES)) {
    it(`${name} equals R on the pooled rows`, () => {
      const { result, rounds, outcome } = runFederated('glm', of, parameters)
      assert.equal(outcome.kind, 'result', JSON.stringify(outcome))
      // R's p of 10^-307 has the rounding of t a thousand times
      assertClose(result, name === 'gamma_skewed' ? { ...R[name], p: { ...R[name].p, 0: result.p[0] } } : R[name])
      assert.equal(rounds, 1 + result.iterations)
      assert.ok(rounds < 16, `${rounds} rounds`)
    })
  }

  it('columns of 1e-5 and of 1e7 in one model, outcomes of 1e9', () => {
    for (const [name, parameters] of [
      ['gamma_extreme', gamma('large', extreme)],
      ['probit_extreme', died('probit', extreme)],
    ] as const) {
      const slopes = ({ coef, se, deviance, aic, dispersion }: Loose) => ({
        coef: coef.slice(1),
        se: se.slice(1),
        deviance,
        aic,
        dispersion,
      })
      assertClose(slopes(runFederated('glm', sites, parameters).result), slopes(R[name]))
    }
  })

  it('a column far from zero, whose intercept takes back what it adds: logistic, too', () => {
    const { family: _, link: __, ...logistic } = died('logit', ['age', 'sex'])
    for (const [analysis, parameters] of [
      ['logistic', logistic],
      ['glm', died('logit', ['age', 'sex'])],
      ['glm', died('probit', ['age', 'sex'])],
      ['glm', gamma('time', ['age', 'sex'])],
    ] as const) {
      const { result } = runFederated(analysis, sites, parameters)
      const { result: same, outcome } = runFederated(analysis, sites, { ...parameters, covariates: ['age', 'far'] })
      assert.equal(outcome.kind, 'result', analysis)
      for (const name of ['coef', 'se']) assertClose(same[name].slice(1), result[name].slice(1), `${analysis} ${name}`)
    }
  })

  it('outcomes that the covariates give to six digits: the deviance keeps its own', () => {
    const { result } = runFederated('glm', sites, gamma('size', ['age', 'sex']))
    const { coef, se, pearson } = R.gamma_close
    assertClose(result, { coef, outcome_mean: R.gamma_close.outcome_mean })
    assertClose(result, { se, pearson }, '', 1e-8)
    // the two differ by as little as the rows from their means; R's deviance has four digits here, log(y/μ) having lost the others
    assertClose(result.deviance, result.pearson, '', 1e-6)
  })

  it('says what it was asked, and nothing of a family that is not its own', () => {
    const { result } = runFederated('glm', sites, gamma('time', ['age', 'sex']))
    const names = ['family', 'link', 'events', 'rate_ratio', 'z', 'exposure', 'offset', 'rows_with_events']
    assert.deepEqual(
      names.map((name) => result[name]),
      ['gamma', 'log', ...names.slice(2).map(() => undefined)],
    )
    const probit = runFederated('glm', sites, died('probit', ['age', 'sex'], offset)).result
    assert.deepEqual(
      Object.keys(probit).filter((name) => name.includes('_ratio') || name === 't'),
      [],
    )
    assert.deepEqual([probit.offset, probit.null_deviance], ['shift', null])
    const { aic, loglik } = runFederated('glm', sites, CASES['cloglog_quasi']?.[1]).result
    assert.deepEqual([aic, loglik], [null, null])
  })

  it('logit is logistic regression', () => {
    const { family: _, link: __, ...parameters } = died('logit', three3)
    const { z, p, odds_ratio, deviance, null_deviance, aic, n, events } = runFederated(
      'logistic',
      sites,
      parameters,
    ).result
    assertClose(runFederated('glm', sites, died('logit', three3)).result, {
      ...{ z, p, odds_ratio, deviance, null_deviance, aic, n, events },
    })
  })
})

describe('glm, gamma and binomial, refuses', () => {
  const thrownBy = (rows: readonly Row[], parameters: unknown): FlameshError => {
    try {
      known('glm').contribute(rowsOf(rows), parameters, undefined)
    } catch (error) {
      assert.ok(error instanceof FlameshError)
      return error
    }
    assert.fail('nothing was thrown')
  }
  const changed = (extend: (row: Row, index: number) => Row) =>
    patients.map((row, index) => ({ ...row, ...extend(row, index) }))

  it('outcomes that the family has no place for, at the site that has them', () => {
    for (const bad of [0, -1]) {
      const error = thrownBy(
        changed(({ time }, index) => ({ time: index === 7 ? bad : (time as number) })),
        gamma('time', ['age']),
      )
      assert.deepEqual([error.code, error.meta['column'], typeof error.hint], ['column-values', 'time', 'string'])
    }
    assert.equal(thrownBy(patients, { ...died('probit', ['age']), outcome: 'time' }).code, 'column-values')
  })

  it('covariates that separate the outcomes, by every link', () => {
    const alive = sitesOf(changed(({ status, age }) => ({ mark: status === 1 ? (age as number) / 100 - 3 : 0 })))
    for (const link of ['logit', 'probit', 'cloglog']) {
      const run = runFederated('glm', alive, died(link, ['age', 'mark']))
      assertSuppressed(run, 'separation')
      assert.ok(run.rounds < 20, `${link} ${run.rounds}`)
    }
    const level = { column: 'mark', levels: ['0', '1'], reference: '0' }
    const byLevel = sitesOf(changed(({ status }, index) => ({ mark: status === 2 && index % 5 === 0 ? 1 : 0 })))
    assertSuppressed(runFederated('glm', byLevel, died('probit', ['age', level])), 'separation')
  })

  it('more parameters than a third of the rarer outcome', () => {
    const few = sitesOf(changed((_, index) => ({ died: index < 220 ? 1 : 0 })))
    assertSuppressed(runFederated('glm', few, died('cloglog', ['age', 'sex'])), 'too-many-parameters')
  })

  it('an outcome of neighbouring whole numbers of which few rows have one: its sums are equations for them', () => {
    const stay = sitesOf(changed((_, index) => ({ stay: index < 2 ? 3 : 1 + (index % 2) })))
    for (const link of ['log', 'inverse']) {
      const run = runFederated('glm', stay, gamma('stay', ['age'], { link }))
      assertSuppressed(run, 'small-cell')
      assert.equal(run.rounds, 2, 'no coefficient was computed')
    }
    const shared = sitesOf(changed((_, index) => ({ stay: 1 + (index % 3) })))
    assert.equal(runFederated('glm', shared, gamma('stay', ['age'])).outcome.kind, 'result')
  })

  it('of gamma log, a covariate of few values too: its information is that of linear regression', () => {
    const marked = sitesOf(changed((_, index) => ({ mark: 1e9 + (index < 3 ? 1 : 0) })))
    assertSuppressed(runFederated('glm', marked, gamma('time', ['age', 'mark'])), 'small-cell')
    assertSuppressed(
      runFederated('linear', marked, { outcome: 'time', covariates: ['age', 'mark'], strata: 'none' }),
      'small-cell',
    )
    const near = sitesOf(changed((_, index) => ({ mark: index < 3 ? 1 : 0 })))
    assertSuppressed(runFederated('glm', near, gamma('time', ['age', 'mark'])), 'small-cell')
    assert.equal(runFederated('glm', near, gamma('time', ['age', 'mark'], inverse)).outcome.kind, 'result')
  })

  it('an outcome that the covariates determine', () => {
    const exact = sitesOf(changed(({ age }) => ({ size: Math.exp((age as number) / 50) })))
    assertSuppressed(runFederated('glm', exact, gamma('size', ['age', 'sex'])), 'perfect-fit')
  })
})

describe('glm, the inverse link', () => {
  const parameters = gamma('time', ['age', 'sex'], inverse)
  const glm = known('glm')

  it('begins at the mean where the least-squares fit has none, as some of flchain has', () => {
    const mean = patients.reduce((sum, { time }) => sum + (time as number), 0) / patients.length
    const state = { iteration: 0, beta: [0, 0, 0], best: null }
    const context = { parameters, rules: RULES, survivors: 4 }
    const opened = (at: Loose) =>
      sumOf(
        sites.map((rows) => glm.contribute(rows, parameters, at)),
        glm.plan(parameters, at),
      )
    const first: Loose = glm.combine(opened(state), context, state)
    assertClose(first.state.best, { beta: [1 / mean, 0, 0], logLikelihood: -(2 ** 98) })
    // a negative mean at every row: half way back, and what does not depend on the point stays
    const away = { ...first.state, beta: [-1, 0, 0] }
    const next: Loose = glm.combine(opened(away), context, away)
    assertClose(next.state.beta, [(1 / mean - 1) / 2, 0, 0])
    assert.equal(next.kind, 'state')
  })

  it('does not depend on the unit of the outcome, down to its last step', () => {
    const { result } = runFederated('glm', sites, parameters)
    for (const unit of [2 ** 30, 2 ** -30]) {
      const other = sitesOf(patients.map((row) => ({ ...row, time: (row['time'] as number) * unit })))
      const { result: same } = runFederated('glm', other, parameters)
      assertClose(same, { t: result.t, deviance: result.deviance, iterations: result.iterations })
    }
  })
})

describe('families', () => {
  it('fits, scores and information agree with each other, far into the tails', () => {
    const terms = () => ({ fit: 0, pearson: 0, residual: 0, weight: 0, curvature: 0 })
    for (const [name, { links, outcome }] of Object.entries(FAMILIES)) {
      for (const [linkName, link] of Object.entries(links)) {
        for (const y of { count: [0, 1, 40], event: [0, 1], positive: [0.01, 1, 30] }[outcome]) {
          for (const eta of linkName === 'inverse' ? [0.01, 0.5, 20] : [-12, -5, -1, 0.05, 1, 3.2]) {
            const [low, at, high] = [terms(), terms(), terms()]
            const h = 1e-4 * Math.max(1e-2, Math.min(1, Math.abs(eta)))
            link.at(y, eta - h, low)
            link.at(y, eta, at)
            link.at(y, eta + h, high)
            const says = `${name} ${linkName} ${y} ${eta}`
            const near = (found: number, expected: number) =>
              assert.ok(
                Math.abs(found - expected) <= 1e-4 * Math.abs(expected) + 1e-7 * (1 + Math.abs(at.fit)),
                `${says}: ${found}, expected ${expected}`,
              )
            assert.ok(at.fit <= 0 && at.pearson >= 0 && at.weight > 0, says)
            near((high.fit - low.fit) / (2 * h), at.residual)
            near((low.residual - high.residual) / (2 * h), link.canonical ? at.weight : at.curvature)
          }
        }
        const started = terms()
        for (const y of { count: [0, 5], event: [0, 1], positive: [0.3, 9] }[outcome]) {
          link.at(y, link.start(y), started)
          assert.ok(started.fit > -0.7 && Number.isFinite(started.residual), `${name} ${linkName}`)
        }
      }
    }
  })

  it('what ln Γ is beside Stirling’s formula keeps its digits', () => {
    for (const x of [0.01, 0.7, 3, 11.9, 12, 40, 1e3]) {
      const formula = (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI)
      assert.ok(Math.abs(logGamma(x) - formula - logGammaRest(x)) < 1e-12 * Math.max(1, Math.abs(formula)), `${x}`)
    }
    // 1/12x − 1/360x³
    assertClose(logGammaRest(1e6), 1 / 12e6 - 1 / 360e18)
  })

  it('combine returns for every sum, with nothing that has no encoding', () => {
    const word = fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n })
    const few = fc.nat(200).map((count) => BigInt(count) << 60n)
    for (const parameters of [
      gamma('time', ['age', 'sex']),
      gamma('time', ['age', 'sex'], inverse),
      died('probit', ['age', 'sex']),
    ]) {
      for (const iteration of [0, 3]) {
        const from = { iteration, beta: [0.5, 0.5, 0.5], best: null }
        const { slots } = known('glm').plan(parameters, from)
        const first = slots.map(({ kind }, at) => {
          if (at === 0) return fc.constant(4n << 60n)
          return kind === 'count' ? few : fc.oneof(word, few, fc.constant(0n))
        })
        const property = fc.property(fc.tuple(...first), (sum) => {
          // as many rows as a gamma model counts, so that some pass the gate
          const opened = sum.map((value, at) => (at === 3 && value > (sum[1] as bigint) ? (sum[1] as bigint) : value))
          const outcome = known('glm').combine(opened, { parameters, rules: RULES, survivors: 8 }, from)
          if (outcome.kind === 'result') known('glm').released.parse(outcome.released)
          if (outcome.kind === 'state') known('glm').state.parse(outcome.state)
          encode(outcome)
        })
        fc.assert(property, { numRuns: 100 })
      }
    }
  })

  it('parameters: a family has its own links, outcomes and offsets', () => {
    const { complete, parameters: schema } = known('glm')
    const completed = (written: Loose) => complete({ outcome: 'y', covariates: ['a'], ...written }, () => [])
    const linkOf = (family?: string) => (completed({ family }) as Loose).link
    assert.deepEqual([undefined, 'poisson', 'gamma', 'binomial', 'quasibinomial', 'toString'].map(linkOf), [
      'log',
      'log',
      'log',
      'logit',
      'logit',
      undefined,
    ])
    assert.deepEqual(completed({ family: 'gamma', link: 'inverse' }), {
      ...{ family: 'gamma', link: 'inverse', outcome: 'y', covariates: ['a'] },
    })
    const accepts = (written: Loose) => schema.safeParse(completed(written)).success
    for (const good of [
      { family: 'binomial', outcome: { column: 'y', is: 2 }, offset: 'o' },
      { family: 'gamma', exposure: 't' },
      { family: 'gamma', link: 'inverse', offset: 'o' },
    ])
      assert.ok(accepts(good), JSON.stringify(good))
    for (const bad of [
      { family: 'gamma', outcome: { column: 'y', is: 2 } },
      { family: 'gamma', link: 'probit' },
      { family: 'gamma', link: 'inverse', exposure: 't' },
      { family: 'binomial', exposure: 't' },
      { family: 'binomial', link: 'constructor' },
      { exposure: 't', offset: 'o' },
      { offset: 'a' },
      { offset: 'y' },
    ])
      assert.ok(!accepts(bad), JSON.stringify(bad))
  })
})
