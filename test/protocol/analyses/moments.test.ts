import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  breastSites,
  known,
  type Loose,
  lung,
  lungSites,
  RULES,
  reference,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { extended, sex, sitesOf } from './runs.js'

const R = reference('summaries').moments
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'] }
const described = (sites: Parameters<typeof runFederated>[1], parameters: Loose, rules = RULES): Loose =>
  runFederated('moments', sites, parameters, rules).result.describe
const BARE = { n: null, mean: null, variance: null, sd: null, skewness: null, kurtosis: null }

describe('moments equals R', () => {
  it('skewness and kurtosis of everyone, in two rounds', () => {
    const { result, rounds } = runFederated('moments', lungSites, { columns: ['age', 'meal.cal', 'wt.loss'] })
    for (const name of ['age', 'meal.cal', 'wt.loss']) assertClose(result.describe[name], R[name], name)
    assert.deepEqual([rounds, result.rows, result.describe['meal.cal'].missing], [2, 228, 47])
    const breast = described(breastSites, { columns: ['nodes', 'pgr'] })
    assertClose(breast.nodes, R.nodes)
    assertClose(breast.pgr, R.pgr)
  })

  it('by group', () => {
    assertClose(described(lungSites, { columns: ['age'], by: sex }).age.by, R.age_by_sex)
    const three = sitesOf(lung.filter((row) => row['ph.ecog'] !== 3))
    assertClose(described(three, { columns: ['wt.loss'], by: ecog })['wt.loss'].by, R['wt.loss_by_ecog'])
    const { pgr } = described(breastSites, { columns: ['pgr'], by: { column: 'hormon', is: '1' } })
    assertClose(pgr.by, R.pgr_by_hormon)
  })

  it('columns far from zero and far below one, and groups far from each other', () => {
    const sites = extended((row) => ({
      late: (row['time'] as number) + 1e6,
      tiny: (row['age'] as number) * 1e-9,
      // a power of two changes no age: what is far from the whole keeps the shape it has
      apart: (row['age'] as number) + (row['sex'] === 1 ? 0 : 2 ** 20),
    }))
    const { late, tiny, apart } = described(sites, { columns: ['late', 'tiny', 'apart'], by: sex })
    assertClose(late, R.late)
    assertClose(tiny, R.tiny)
    for (const level of sex.levels) {
      const { variance, skewness, kurtosis } = R.age_by_sex[level]
      assertClose(apart.by[level], { variance, skewness, kurtosis })
    }
  })

  it('however the rows are split, an empty site, a tiny one and one without a column among them', () => {
    const draws = fc.array(fc.nat(), { minLength: lung.length, maxLength: lung.length })
    const columns = ['age', 'meal.cal']
    const rules = { minimumCell: 5, minimumContributors: 3 }
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), draws, (count, keys) => {
        // three rows of both columns at each site, whoever is left anywhere
        const full = lung.filter((row) => row['meal.cal'] !== null)
        const rest = lung.filter((row) => row['meal.cal'] === null)
        const at = (index: number): number => (index < 3 * count ? index : (keys[index] as number)) % count
        const sites = [...splitBy([...full, ...rest], (_, index) => at(index)).values()].map((rows) => rowsOf(rows))
        const extra = [rowsOf([]), rowsOf(lung.slice(0, 2)), rowsOf(lung.slice(0, 5), columns)]
        const { age, 'meal.cal': calories } = described([...sites, ...extra], { columns }, rules)
        assertClose(age, R.age)
        assertClose(calories, R['meal.cal'])
      }),
      { numRuns: 20 },
    )
  })

  it('and has no shape where nothing varies', () => {
    const { one } = described(
      extended(() => ({ one: 0.1 })),
      { columns: ['one'] },
    )
    assertClose(one, { n: 228, mean: 0.1, variance: 0, skewness: null, kurtosis: null })
    // z of a group is rounded, and about a mean that is not its own
    for (const level of [3, 0.1, 1e-7, 1e6 + 0.1]) {
      const { mixed } = described(
        extended((_, index) => ({ group: index % 3, mixed: index % 3 === 0 ? level : level * (1 + Math.sin(index)) })),
        { columns: ['mixed'], by: { column: 'group', levels: ['0', '1', '2'] } },
      )
      assertClose(mixed.by['0'], { n: 76, mean: level, variance: 0, skewness: null, kurtosis: null })
    }
  })
})

/** Every way to write `size` whole numbers of 60 to 80, none before its predecessor. */
function* multisets(size: number, from = 60): Generator<readonly number[]> {
  if (size === 0) yield []
  else for (let x = from; x <= 80; x++) for (const more of multisets(size - 1, x)) yield [x, ...more]
}

describe('moments withholds', () => {
  it('groups of twelve: four power sums of whole numbers leave one way to have written them', () => {
    // the attack, on five ages: their number is a cell that other analyses release
    const ages = [61, 66, 67, 74, 79]
    const sums = (values: readonly number[]) =>
      [1, 2, 3, 4].map((k) => values.reduce((sum, x) => sum + x ** k, 0)).join()
    assert.deepEqual(
      [...multisets(5)].filter((values) => sums(values) === sums(ages)),
      [ages],
    )
    const grouped = (size: number) =>
      described(
        extended((_, index) => ({ group: index < size ? 1 : index < 100 ? 2 : 3 })),
        { columns: ['age'], by: { column: 'group', levels: ['1', '2', '3'] } },
      ).age
    const [twelve, thirteen] = [grouped(12), grouped(13)]
    // with a second group, since the whole is known
    assert.deepEqual([twelve.by['1'], twelve.by['2']], [BARE, BARE])
    assert.equal(typeof twelve.by['3'].skewness, 'number')
    assert.deepEqual([thirteen.by['1'].n, typeof thirteen.by['1'].skewness], [13, 'number'])
    // the whole as well
    const few = sitesOf(lung.slice(0, 12))
    assert.deepEqual(described(few, { columns: ['age'] }).age, { ...BARE, n: 12, missing: 0, sites: 4 })
  })

  it('a column that too few sites have, from the state on', () => {
    const sites = lungSites.map(({ count, columns }, at) => ({
      count,
      columns: new Map([...columns].filter(([name]) => at < 2 || name !== 'meal.cal')),
    }))
    const parameters = { columns: ['age', 'meal.cal'] }
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const { result, sums } = runFederated('moments', sites, parameters, rules)
    const calories = result.describe['meal.cal']
    assert.deepEqual([calories.mean, calories.skewness, calories.sites], [null, null, 2])
    assert.equal(typeof result.describe.age.skewness, 'number')
    const context = { parameters, rules, survivors: sites.length }
    const outcome = known('moments').combine(sums[0] as bigint[], context, undefined) as Loose
    assert.equal(outcome.state.columns[1], null)
    // and no sum of it is in the second round
    const state = outcome.state
    const slots = known('moments').plan(parameters, state).slots
    const vector = known('moments').contribute(sites[0] as Loose, parameters, state)
    const ofCalories = slots.flatMap(({ name }, at) => (name.includes('z(meal.cal)') ? [vector[at]] : []))
    assert.deepEqual(ofCalories, new Array(8).fill(0))
  })

  it('everything, of too few contributors, before the state', () => {
    const run = runFederated('moments', lungSites, { columns: ['age'] }, { minimumCell: 5, minimumContributors: 9 })
    assertSuppressed(run, 'too-few-contributors')
    assert.equal(run.rounds, 1)
  })
})

describe('moments of sums that nobody has', () => {
  it('are numbers with an encoding, or null', () => {
    const parameters = { columns: ['age'], by: sex }
    const analysis = known('moments')
    const context = { parameters, rules: RULES, survivors: 8 }
    const word = fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n })
    const count = fc.nat(200).map((value) => BigInt(value) << 60n)
    const positive = fc.double({ min: 1e-300, max: 1e300, noNaN: true })
    for (const state of [undefined, { columns: [{ centre: 1, scale: 2 }] }]) {
      const slots = analysis.plan(parameters, state).slots
      const sum = fc.tuple(
        ...slots.map(({ kind }, at) => (at === 0 ? fc.constant(5n << 60n) : kind === 'count' ? count : word)),
      )
      fc.assert(
        fc.property(sum, positive, positive, (words, centre, scale) => {
          const from = state === undefined ? undefined : { columns: [{ centre, scale }] }
          const outcome = analysis.combine(words, context, from)
          if (outcome.kind === 'result') analysis.released.parse(outcome.released)
          if (outcome.kind === 'state') analysis.state.parse(outcome.state)
          encode(outcome)
        }),
        { numRuns: 100 },
      )
    }
  })
})
