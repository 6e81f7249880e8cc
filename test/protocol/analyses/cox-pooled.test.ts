import assert from 'node:assert/strict'
import { logarithm } from '@flamesh/protocol/analyses/algebra.js'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { rowsNeeded } from '@flamesh/protocol/analyses/risk-sets.js'
import { gridPoint, intervalsOf } from '@flamesh/protocol/analyses/time-grid.js'
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
  type Run,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { event, sitesOf } from './runs.js'

const R = reference('hazards').pooled
const breast = [...rotterdam, ...gbsg]
const dealt = (rows: readonly Row[], sites: number) =>
  [...splitBy(rows, (_, index) => index % sites).values()].map((site) => rowsOf(site))
const three = [...lungByInstitution.values()].map((rows) =>
  rowsOf(rows.filter((row) => row['ph.ecog'] !== null && (row['ph.ecog'] as number) <= 2)),
)
const sex = { column: 'sex', levels: ['1', '2'], reference: '1' }
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'], reference: '0' }
const LUNG = { time: 'time', event, covariates: ['age', 'sex', 'ph.ecog'], grid: { width: 30, intervals: 36 } }
const BREAST = {
  time: 'time',
  event: 'event',
  covariates: ['age', 'hormon', 'nodes'],
  grid: { width: 180, intervals: 40 },
}
const run = (sites: readonly Rows[], parameters: object, rules = RULES): Run =>
  runFederated('cox-pooled', sites, parameters, rules)
const endsOf = ({ outcome }: Run): readonly number[] => (outcome as Loose).released.ends

function assertEqualsR(outcome: Run, { ends, ...numbers }: Loose): void {
  assert.deepEqual(outcome.outcome.kind, 'result', JSON.stringify(outcome.outcome))
  assert.deepEqual(endsOf(outcome), ends)
  assertClose(outcome.result, numbers)
}

/** The same model without a grid: one stratum, times rounded up by hand to the released ends, by `cox` at one site. */
function oneStratum(rows: readonly Row[], parameters: Loose, ends: readonly number[]): Loose {
  const { grid, covariates } = parameters
  const rounded = rows.map((row) => {
    const at = intervalsOf(grid)(row['time'] as number)
    const died = at < grid.intervals ? (row['event'] as number) : 0
    return { ...row, time: gridPoint(grid, ends.find((end) => end > at) ?? (ends.at(-1) as number)), event: died }
  })
  const written = { time: 'time', event: 'event', covariates, strata: 'site' }
  return runFederated('cox', [rowsOf(rounded)], written, { ...RULES, minimumContributors: 1 }).result
}

/** What was counted in one round, by the slots' names. */
function countsOf({ sums }: Run, parameters: object, round: number, state?: unknown): ReadonlyMap<string, number> {
  const { slots } = known('cox-pooled').plan(parameters, state)
  return new Map(
    slots.flatMap(({ name, kind }, at) =>
      kind === 'count' ? [[name, Number((sums[round]?.[at] as bigint) >> 60n)]] : [],
    ),
  )
}

describe('cox-pooled equals R on times rounded up to the released grid', () => {
  const breastSix = dealt(breast, 6)
  const cases: Record<string, () => Run> = {
    lung_identity: () => run(lungSites, { ...LUNG, zph: 'identity' }),
    lung_log: () => run(lungSites, { ...LUNG, zph: 'log' }),
    lung_km: () => run(lungSites, { ...LUNG, zph: 'km' }),
    factor: () => run(three, { ...LUNG, covariates: ['age', sex, ecog], grid: { width: 90, intervals: 5 }, zph: 'km' }),
    interaction: () => {
      const covariates = ['age', 'sex', 'ph.ecog', { interaction: ['age', 'sex'] }]
      return run(three, { ...LUNG, covariates, grid: { width: 90, intervals: 12 }, zph: 'log' })
    },
    breast: () => run(breastSix, { ...BREAST, zph: 'km' }),
    months: () => run(breastSix, { ...BREAST, grid: { width: '30.4375', intervals: 120 }, zph: 'log' }),
    skewed: () => run(breastSix, { ...BREAST, covariates: ['age', 'nodes', 'pgr', 'er'], zph: 'identity' }),
  }
  for (const [name, outcome] of Object.entries(cases)) {
    // the factor's own two columns are names in R's table of terms too
    const { names, zph, ...expected } = R[name]
    it(name.replaceAll('_', ' '), () => {
      const equal = outcome()
      const sexes = name === 'factor' ? ['age', 'sex2', 'ph.ecog1', 'ph.ecog2'] : names
      const tests = name === 'factor' ? { ...zph, sex: undefined, sex2: zph.sex } : zph
      assertEqualsR(equal, { ...expected, names: sexes, zph: JSON.parse(JSON.stringify(tests)) })
      assert.ok(equal.rounds <= 9 && equal.rounds === 1 + equal.result.iterations)
    })
  }

  it('one covariate', () => {
    const { coef, se, loglik, zph, ends } = R.one
    const outcome = run(lungSites, { ...LUNG, covariates: ['age'], zph: 'km' })
    assertEqualsR(outcome, { ends, coef: [coef], se: [se], loglik, zph })
  })

  it('however the rows are split, with empty and tiny sites and one that lacks a column', () => {
    const keys = fc.array(fc.nat(), { minLength: breast.length, maxLength: breast.length })
    const { loglik, loglik_null, coef, se, zph, n, events } = R.breast
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), keys, (count, at) => {
        const sites = [...splitBy(breast, (_, i) => (i < 10 * count ? i : (at[i] as number)) % count).values()]
        const others = [rowsOf([]), rowsOf(breast.slice(0, 2)), rowsOf(breast.slice(0, 50), ['nodes'])]
        const outcome = run([...sites.map((rows) => rowsOf(rows)), ...others], { ...BREAST, zph: 'km' })
        assertClose(outcome.result, { loglik, loglik_null, coef, se, zph, n, events, strata: 'none', ties: 'breslow' })
        assert.deepEqual([outcome.result.contributors, outcome.result.sites_left_out], [count, 3])
      }),
      { numRuns: 5, endOnFailure: true },
    )
  })

  it('in units of every size, and far from zero', () => {
    const odd = sitesOf(
      lung.map((row) => ({
        ...row,
        tiny: (row['age'] as number) * 1e-8,
        far: 1e9 + (row['sex'] as number),
        large: row['ph.ecog'] === null ? null : (row['ph.ecog'] as number) * 1e9,
      })),
      8,
    )
    const { result } = run(odd, { ...LUNG, covariates: ['tiny', 'far', 'large'], zph: 'log' })
    const { coef, se, loglik, zph } = R.lung_log
    const units = [1e8, 1, 1e-9]
    assertClose(
      result.coef,
      coef.map((value: number, j: number) => value * (units[j] as number)),
    )
    assertClose(
      result.se,
      se.map((value: number, j: number) => value * (units[j] as number)),
    )
    assertClose(result.loglik, loglik)
    assertClose(Object.values(result.zph), Object.values(zph))
  })

  it('with covariates so skewed that a step goes too far, once out of reach', () => {
    const first = breast.findIndex(({ time, event }) => event === 1 && (time as number) <= 180)
    const skewed = breast.map((row, index) => ({
      ...row,
      burden: (row['nodes'] as number) ** 4,
      // what predicts the time of everyone but one, who leaves at once
      fading: index === first ? 200 : -(row['time'] as number) / 1000,
    }))
    for (const [covariate, back] of [
      ['burden', 0],
      ['fading', 1],
    ] as const) {
      const parameters = { ...BREAST, covariates: ['age', covariate] }
      const outcome = run(dealt(skewed, 5), parameters)
      const { coef, se, loglik } = oneStratum(skewed, parameters, endsOf(outcome))
      assertClose(outcome.result, { coef, se, loglik })
      const beyond = outcome.sums.slice(1).filter((sum) => sum[4] !== 0n)
      assert.equal(Math.min(1, beyond.length), back, covariate)
    }
  })
})

describe('cox-pooled', () => {
  const parameters = { ...BREAST, covariates: ['age'], grid: { width: '0.5', intervals: 4 } }
  const rows = [0, 0.2, 0.5, 0.6, 1.9, 2, 2.1, 99, -1, Number.NaN].map((time): Row => ({ time, event: 1, age: time }))

  it('rounds up to the grid, censors at its end, and counts what cannot be used as missing', () => {
    const { plan, contribute } = known('cox-pooled')
    const vector = contribute(rowsOf(rows), parameters, undefined)
    const filled = plan(parameters, undefined).slots.flatMap(({ name }, at) => (vector[at] ? [[name, vector[at]]] : []))
    assert.deepEqual(filled, [
      ['contributors', 1],
      ['rows', 8],
      ['missing', 2],
      ['events', 6],
      ['sites with events', 1],
      ['sites with rows without event', 1],
      ['events, to 0.5', 3],
      ['events, to 1', 1],
      ['events, to 2', 2],
      ['censored, to 2', 2],
      ['sites with anyone leaving, to 0.5', 1],
      ['sites with anyone leaving, to 1', 1],
      ['sites with anyone leaving, to 2', 1],
    ])
  })

  it('sums over whoever leaves in a merged interval, and tells when that is out of reach', () => {
    const { plan, contribute } = known('cox-pooled')
    const at = { iteration: 0, beta: [0], best: null, ends: [1, 4], centre: [0], scale: [1] }
    const values = (state: Loose): readonly (readonly [string, number])[] => {
      const vector = contribute(rowsOf(rows), parameters, state)
      const { slots } = plan(parameters, state)
      return slots.flatMap(({ name }, slot) =>
        name.endsWith('(second word)') ? [] : [[name, vector[slot] as number] as const],
      )
    }
    const ages = [0.6, 1.9, 2, 2.1, 99]
    assertClose(Object.fromEntries(values(at)), {
      events: 6,
      'sites out of reach': 0,
      'events, to 0.5': 3,
      'events, to 2': 3,
      'censored, to 0.5': 0,
      'censored, to 2': 2,
      'Σ age over events': 0.7 + 0.6 + 1.9 + 2,
      'risk, to 0.5': 3,
      'risk · age, to 0.5': 0.7,
      'risk, to 2': 5,
      'risk · age, to 2': ages.reduce((a, b) => a + b, 0),
      'risk · age × age, to 2': ages.reduce((a, b) => a + b * b, 0),
    })
    const moved = { ...at, iteration: 1, beta: [0.25], best: { beta: [0], logLikelihood: -9 }, centre: [2], scale: [4] }
    assertClose(
      Object.fromEntries(values(moved))['risk · age, to 2'],
      ages.reduce((sum, age) => sum + Math.exp((age - 2) / 4) * ((age - 2) / 4), 0),
    )
    for (const beta of [1, 1000]) {
      const beyond = values({ ...moved, beta: [beta] })
      assert.deepEqual(Object.fromEntries(beyond)['sites out of reach'], 1)
      assert.ok(beyond.slice(9).every(([, value]) => value === 0))
      assert.throws(() => contribute(rowsOf(rows), parameters, { ...moved, beta: [beta], best: null }), {
        code: 'out-of-bound',
      })
    }
  })

  it('goes half way back from a point out of reach', () => {
    const { combine, plan } = known('cox-pooled')
    const wide = { ...parameters, grid: { width: 1, intervals: 4 } }
    const state = {
      ...{ iteration: 1, beta: [8], best: { beta: [2], logLikelihood: -9 } },
      ...{ ends: [2, 4], centre: [0], scale: [1] },
    }
    const counts = new Map([
      ['contributors', 3],
      ['rows', 60],
      ['events', 20],
      ['sites out of reach', 1],
      ['events, to 2', 8],
      ['events, to 4', 12],
      ['censored, to 2', 18],
      ['censored, to 4', 22],
    ])
    const sum = plan(wide, state).slots.map(({ name }) => BigInt(counts.get(name) ?? 0) << 60n)
    const outcome = combine(sum, { parameters: wide, rules: RULES, survivors: 3 }, state)
    assert.deepEqual(outcome, { kind: 'state', state: { ...state, iteration: 2, beta: [5] } })
    // at the start there is nothing to go back to
    const first = combine(sum, { parameters: wide, rules: RULES, survivors: 3 }, { ...state, iteration: 0, best: null })
    assert.equal((first as Loose).code, 'singular')
  })

  it('refuses what has no estimate', () => {
    const extended = dealt(
      breast.map((row, index) => ({
        ...row,
        one: 1,
        twice: 2 * (row['age'] as number),
        mark: row['event'] === 0 && index % 2 ? 1 : 0,
      })),
      5,
    )
    for (const [covariates, code] of [
      [['age', 'one'], 'singular'],
      [['age', 'twice'], 'singular'],
      [['age', 'mark'], 'separation'],
    ] as const)
      assertSuppressed(run(extended, { ...BREAST, covariates }), code)
  })

  it('takes parameters as users write them', () => {
    const { complete, parameters: schema, columns, intervals } = known('cox-pooled')
    const completed = complete(
      { ...LUNG, event: { column: 'status', is: 2 }, covariates: ['age', { column: 'sex' }] },
      () => ['1', '2'],
    )
    assert.deepEqual(schema.parse(completed), { ...LUNG, covariates: ['age', sex] })
    assert.deepEqual([columns(completed).map(columnOf), intervals?.(completed)], [['time', 'status', 'age', 'sex'], 36])
    const many = Array.from({ length: 60 }, (_, at) => `x${at}`)
    assert.ok(schema.safeParse({ ...LUNG, covariates: many }).success)
    for (const bad of [
      { ...LUNG, grid: undefined },
      { ...LUNG, strata: 'site' },
      { ...LUNG, zph: 'rank' },
      { ...LUNG, covariates: ['age', 'time'] },
      { ...LUNG, covariates: many, grid: { width: 1, intervals: 1000 } },
    ])
      assert.ok(!schema.safeParse(bad).success)
  })

  it('never throws on a sum, nor makes what has no encoding', () => {
    const { combine, plan, released, state: schema } = known('cox-pooled')
    const tested = { ...LUNG, covariates: ['age', 'sex'], zph: 'km' }
    const start = { iteration: 0, beta: [0, 0], best: null, ends: [4, 20], centre: [0, 0], scale: [1, 1], g: [0, 0.25] }
    const later = { ...start, iteration: 3, beta: [1, -2], best: { beta: [1, -1], logLikelihood: -7 } }
    const honest = new Map([
      ['contributors', 5],
      ['rows', 90],
      ['events', 40],
      ['events, to 120', 17],
      ['events, to 600', 23],
      ['censored, to 120', 23],
      ['censored, to 600', 27],
    ])
    const word = fc.oneof(
      fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n }),
      fc.bigInt({ min: -200n, max: 2000n }).map((count) => count << 60n),
    )
    for (const state of [start, later]) {
      const { slots } = plan(tested, state)
      const sum = fc.tuple(
        ...slots.map(({ name, kind }) => (kind === 'sum' ? word : fc.constant(BigInt(honest.get(name) ?? 0) << 60n))),
      )
      fc.assert(
        fc.property(sum, (words) => {
          const outcome = combine(words, { parameters: tested, rules: RULES, survivors: 8 }, state)
          if (outcome.kind === 'result') released.parse(outcome.released)
          if (outcome.kind === 'state') schema.parse(outcome.state)
          assert.notEqual((outcome as Loose).code, 'implausible-sum')
          encode(outcome)
        }),
        { numRuns: 100 },
      )
    }
  })

  it('has a logarithm made of nothing but products and sums', () => {
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true }), (x) =>
        assertClose(logarithm(x), Math.log(x), '', 1e-15),
      ),
    )
    for (const x of [1, Math.SQRT2, Math.SQRT1_2, 1 + 2 ** -52, 1 - 2 ** -53, 2, 0.5]) {
      assertClose(logarithm(x), Math.log(x), `${x}`, 1e-15)
    }
    assert.ok([0, -1, Number.NaN, Number.POSITIVE_INFINITY].every((x) => Number.isNaN(logarithm(x))))
  })
})

describe('disclosure of cox-pooled', () => {
  const days = { ...LUNG, covariates: ['age', 'sex', 'ph.ecog'], grid: { width: 1, intervals: 1000 } }
  const firstStateOf = (sum: readonly bigint[], parameters: Loose, rules = RULES): Loose =>
    known('cox-pooled').combine(sum, { parameters, rules, survivors: 8 }, undefined)

  it('sums over few who leave would be their values: none are opened', () => {
    // were every day opened, the sums of a day would be one patient's row
    const day = { iteration: 0, beta: [0, 0, 0], best: null, ends: [10, 11, 1000], centre: [0, 0, 0], scale: [1, 1, 1] }
    const { slots } = known('cox-pooled').plan(days, day)
    const opened = lungSites.map((rows) => known('cox-pooled').contribute(rows, days, day))
    const of = (name: string) =>
      opened.reduce((sum, vector) => sum + (vector[slots.findIndex((slot) => slot.name === name)] as number), 0)
    const eleventh = lung.filter((row) => row['time'] === 11)
    assert.ok(eleventh.length < 5)
    assert.deepEqual(
      [of('risk, to 11'), of('risk · age, to 11')],
      [eleventh.length, eleventh.reduce((sum, row) => sum + (row['age'] as number), 0)],
    )
    // but the first round opens counts alone, and then no interval has fewer than 27 who leave, in any round
    const outcome = run(lungSites, days)
    assert.ok(
      known('cox-pooled')
        .plan(days, undefined)
        .slots.every(({ kind }) => kind === 'count'),
    )
    const { state } = firstStateOf(outcome.sums[0] as bigint[], days)
    for (let round = 1; round < outcome.rounds; round++) {
      const counts = [...countsOf(outcome, days, round, state)]
      const of = (what: string) => counts.flatMap(([name, count]) => (name.startsWith(`${what}, to`) ? [count] : []))
      const [events, censored] = [of('events'), of('censored')]
      const leaving = events.map((count, at) => count + (censored[at] as number))
      assert.ok(events.length > 3 && Math.min(...events) >= 5 && Math.min(...leaving) >= rowsNeeded(3))
      assert.ok(censored.every((count) => count === 0 || count >= 5))
    }
  })

  it('sums of eight evaluations are fewer than the values they are of', () => {
    for (const size of [1, 2, 3, 10, 50, 199]) {
      const sums = 1 + size + (size * (size + 1)) / 2
      assert.ok(rowsNeeded(size) * size >= 8 * sums && (rowsNeeded(size) - 1) * size < 8 * sums)
    }
    assert.deepEqual([1, 2, 3, 10].map(rowsNeeded), [24, 24, 27, 53])
  })

  it('a level of which few leave in an interval merges it', () => {
    // three of the rare level leave at once, the others late
    const early = lung.filter((row) => (row['time'] as number) <= 60).slice(0, 3)
    const rare = lung.map((row, index) => ({
      ...row,
      ward: early.includes(row) || ((row['time'] as number) > 300 && index % 2 === 0) ? 1 : 0,
    }))
    const ward = { column: 'ward', levels: ['0', '1'], reference: '0' }
    const parameters = { ...LUNG, covariates: ['age', ward] }
    const outcome = run(sitesOf(rare, 8), parameters)
    const ends = endsOf(outcome)
    const left = ends.map((end, at) => {
      const from = 30 * (ends[at - 1] ?? 0)
      const inside = rare.filter(({ time, ward }: Loose) => ward === 1 && time > from && time <= 30 * end)
      return inside.length
    })
    assert.ok(
      left.every((count) => count === 0 || count >= 5),
      String(left),
    )
    const numeric = endsOf(run(sitesOf(rare, 8), { ...LUNG, covariates: ['age', 'ward'] }))
    assert.ok(numeric.length > ends.length && numeric[0] !== ends[0])
  })

  it('an interval in which patients of few sites leave is merged', () => {
    // whoever leaves in the first year does so at two sites
    const early = breast.filter((row) => (row['time'] as number) <= 360)
    const both = [...splitBy(breast, (row, index) => (early.includes(row) ? index % 2 : 2 + (index % 4))).values()]
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const first = (rows: readonly Rows[], minimumContributors: number) =>
      endsOf(run(rows, BREAST, { ...rules, minimumContributors }))[0]
    assert.deepEqual(
      [
        first(
          both.map((rows) => rowsOf(rows)),
          2,
        ),
        first(
          both.map((rows) => rowsOf(rows)),
          3,
        ),
      ],
      [1, 3],
    )
  })

  it('a time without events opens nothing: it is part of what comes next', () => {
    // nobody has an event in the third year, and dozens leave in it
    const quiet = breast.map((row) => {
      const years = (row['time'] as number) / 360
      return years > 2 && years <= 3 ? { ...row, event: 0 } : row
    })
    const outcome = run(dealt(quiet, 6), BREAST)
    const ends = endsOf(outcome)
    assert.deepEqual(ends.slice(0, 5), [1, 2, 3, 4, 7])
    const { coef, se } = oneStratum(quiet, BREAST, ends)
    assertClose(outcome.result, { coef, se })
  })

  it('a cohort that allows no interval gives no sum at all', () => {
    const few = run(sitesOf(lung.slice(0, 26), 2), LUNG)
    assertSuppressed(few, 'small-cell')
    assert.equal(few.rounds, 1)
    const level = { column: 'ward', levels: ['0', '1'], reference: '0' }
    const rare = run(sitesOf(lung.map((row, index) => ({ ...row, ward: index < 4 ? 1 : 0 }))), {
      ...LUNG,
      covariates: ['age', level],
    })
    assertSuppressed(rare, 'small-cell')
    assert.equal(rare.rounds, 1)
  })

  it('a numeric column of few values, of which few rows have one, is refused before sites are told its mean', () => {
    const rare = sitesOf(
      lung.map((row, index) => ({ ...row, rare: index % 60 === 0 ? 1 : 0 })),
      8,
    )
    const outcome = run(rare, { ...LUNG, covariates: ['age', 'rare'] })
    assertSuppressed(outcome, 'small-cell')
    // mean and standard deviation would count it: p = mean, and p − p² the variance
    assert.equal(outcome.rounds, 2)
    assert.equal(run(sitesOf(lung, 8), { ...LUNG, covariates: ['age', 'sex'] }).outcome.kind, 'result')
  })

  it('counts that do not add up are refused, and so is an interval that has become small', () => {
    const outcome = run(lungSites, LUNG)
    const { combine, plan } = known('cox-pooled')
    const { state } = firstStateOf(outcome.sums[0] as bigint[], LUNG)
    const context = { parameters: LUNG, rules: RULES, survivors: 8 }
    const change = (round: number, by: Readonly<Record<string, bigint>>): string => {
      const { slots } = plan(LUNG, round === 0 ? undefined : state)
      const sum = (outcome.sums[round] as bigint[]).map((word, at) => word + ((by[slots[at]?.name ?? ''] ?? 0n) << 60n))
      const outcomeOf = combine(sum, context, round === 0 ? undefined : state)
      return outcomeOf.kind === 'suppressed' ? outcomeOf.code : outcomeOf.kind
    }
    assert.equal(change(0, { 'censored, to 30': 1n }), 'implausible-sum')
    assert.equal(change(0, { 'events, to 30': 1n }), 'implausible-sum')
    assert.equal(change(1, { 'censored, to 180': 1n }), 'implausible-sum')
    assert.equal(change(1, { 'events, to 180': -1n }), 'implausible-sum')
    assert.equal(change(1, {}), 'state')
    assert.equal(change(1, { 'events, to 240': -1n, 'events, to 180': 1n }), 'state')
    assert.equal(change(1, { 'events, to 240': -15n, 'events, to 180': 15n }), 'small-cell')
    // few events, though enough who leave
    const few = { 'events, to 300': -10n, 'events, to 180': 10n, 'censored, to 300': 5n, 'censored, to 180': -5n }
    assert.equal(change(1, { ...few, 'censored, to 240': -5n, 'censored, to 300': 10n }), 'small-cell')
  })

  it('a state tells sites the ends, and mean and standard deviation of everyone', () => {
    const outcome = run(lungSites, LUNG)
    const first = firstStateOf(outcome.sums[0] as bigint[], LUNG)
    const ends = endsOf(outcome)
    assert.deepEqual(first.state, {
      iteration: 0,
      beta: [0, 0, 0],
      best: null,
      ends,
      centre: [0, 0, 0],
      scale: [1, 1, 1],
    })
    const second: Loose = known('cox-pooled').combine(
      outcome.sums[1] as bigint[],
      { parameters: LUNG, rules: RULES, survivors: 8 },
      first.state,
    )
    assert.deepEqual(Object.keys(second.state).sort(), ['best', 'beta', 'centre', 'ends', 'iteration', 'scale'])
    const ages = lung.filter((row) => row['ph.ecog'] !== null).map((row) => row['age'] as number)
    assertClose(second.state.centre[0], ages.reduce((a, b) => a + b, 0) / ages.length)
  })
})
