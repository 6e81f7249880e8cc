import assert from 'node:assert/strict'
import type { DisclosureRules, Outcome, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { canonicalWhere } from '@flamesh/protocol/jobs/check.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import { selectRows } from '@flamesh/protocol/jobs/where.js'
import fc from 'fast-check'
import { known, type Loose, lung, type Row, reference, rowsOf, splitBy, sumOf } from './federation.js'
import { event, sex, sitesOf } from './runs.js'

const feasibility = known('feasibility')
const RULES: DisclosureRules = { minimumCell: 5, minimumContributors: 3 }
const R = reference('lung')

/** The job as sites and gate run it. */
function ask(
  sites: readonly Rows[],
  where: readonly Condition[],
  by: readonly Loose[] = [],
  rules = RULES,
): Outcome<unknown, unknown> {
  const parameters = feasibility.parameters.parse(feasibility.complete({ by }, () => undefined))
  const conditions = canonicalWhere(where)
  const vectors = sites.map((rows) =>
    feasibility.contribute(selectRows(rows, conditions, feasibility.others), parameters, undefined),
  )
  const { slots, fractionBits } = feasibility.plan(parameters, undefined)
  assert.equal(new Set(slots.map(({ name }) => name)).size, slots.length)
  const context = { parameters, rules, survivors: sites.length, everyRow: conditions.length === 0 }
  const outcome = feasibility.combine(sumOf(vectors, fractionBits), context, undefined)
  if (outcome.kind === 'result') feasibility.released.parse(outcome.released)
  return outcome
}

function answer(...given: Parameters<typeof ask>): Loose {
  const outcome = ask(...given)
  assert.equal(outcome.kind, 'result', JSON.stringify(outcome))
  const by = feasibility.complete({ by: given[2] ?? [] }, () => undefined)
  return feasibility.present((outcome as Loose).released, by)
}

const nothing = (outcome: Outcome<unknown, unknown>): void =>
  assert.deepEqual(outcome, {
    kind: 'suppressed',
    code: 'too-few-contributors',
    message: outcome.kind === 'suppressed' ? outcome.message : '',
  })

const over = (column: string, value: number): Condition => ({ column, operator: 'above', values: [value] })
const is = (column: string, ...values: (string | number)[]): Condition => ({ column, operator: 'in', values })
const isNot = (column: string, value: string | number): Condition => ({ column, operator: 'is-not', values: [value] })

describe('feasibility counts', () => {
  const { counts_by_row: cells } = R.table_sex_event as { counts_by_row: readonly number[] }

  it('the rows that where keeps, exactly, and who contributed', () => {
    const whole = answer(sitesOf(lung), [])
    assert.deepEqual(
      [whole.n, whole.withheld, whole.minimum, whole.contributors, whole.sites_left_out],
      [228, false, 5, 4, 0],
    )
    for (const age of [50, 60, 65, 70]) {
      const expected = lung.filter((row) => (row['age'] as number) > age).length
      assert.equal(answer(sitesOf(lung), [over('age', age)]).n, expected)
    }
  })

  it('by one factor and by two, as R tabulates them', () => {
    const [first, second] = [(cells[0] as number) + (cells[1] as number), (cells[2] as number) + (cells[3] as number)]
    // nobody is without a sex: the level that covers that is withheld with it
    const bySex = answer(sitesOf(lung), [], [sex])
    assert.deepEqual(
      [bySex.names, bySex.counts, bySex.n],
      [['1', '2', 'other or none'], [null, second, null], first + second],
    )
    const withoutSome = lung.map((row, at) => (at % 5 === 0 ? { ...row, sex: null } : row))
    const kept = (value: number | null): number => withoutSome.filter((row) => row['sex'] === value).length
    assert.deepEqual(answer(sitesOf(withoutSome), [], [sex]).counts, [kept(1), kept(2), kept(null)])
    const both = withoutSome.map((row, at) => (at % 3 === 0 ? { ...row, status: 3 } : row))
    const levels = { column: 'status', levels: ['1', '2'] }
    const result = answer(sitesOf(both), [], [levels, sex])
    const cell = (a: number | null, b: number): number =>
      both.filter((row) => row['sex'] === a && row['status'] === b).length
    assert.deepEqual(
      result.counts_by_row,
      [1, 2, null].flatMap((a) => [1, 2, 3].map((b) => cell(a, b))),
    )
    assert.deepEqual(result.row_totals, [kept(1), kept(2), kept(null)])
    assert.equal(result.n, 228)
  })

  it('the same however the rows are split, where the sites have enough of them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 12 }),
        fc.array(fc.nat(), { minLength: 228, maxLength: 228 }),
        (count, keys) => {
          const site = (at: number): number => (at < 24 * count ? at % count : (keys[at] as number) % count)
          const sites = [...splitBy(lung, (_, at) => site(at)).values()].map((rows) => rowsOf(rows))
          const tiny = [rowsOf([]), rowsOf(lung.slice(0, 2)), rowsOf(lung, ['age'])]
          const outcome = answer([...sites, ...tiny], [over('age', 20)], [], { minimumCell: 5, minimumContributors: 3 })
          assert.deepEqual([outcome.n, outcome.withheld, outcome.sites_left_out], [null, true, 3])
          const half = answer([...sites, ...tiny], [over('age', 55)])
          const expected = sites.reduce((sum, rows) => {
            const ages = rows.columns.get('age') as Float64Array
            const older = ages.filter((age) => age > 55).length
            return sum + (older >= 3 ? older : 0)
          }, 0)
          assert.equal(half.n, expected)
        },
      ),
      { numRuns: 10 },
    )
  })
})

describe('feasibility tells nothing below the minimum', () => {
  /** Four sites; `count` rows of interest at each of them. */
  const sitesWith = (...counts: readonly number[]): Rows[] =>
    counts.map((count) =>
      rowsOf(
        Array.from({ length: 40 }, (_, row): Row => ({ id: row, x: row < count ? 1 : 0, g: row % 2 ? 'a' : 'b' })),
      ),
    )

  it('a where that selects one patient ends as one that selects nobody', () => {
    const nobody = ask(sitesWith(0, 0, 0, 0), [is('x', 1)])
    nothing(nobody)
    for (const counts of [
      [1, 0, 0, 0],
      [4, 0, 0, 0],
      [2, 2, 2, 2],
      [39, 0, 2, 0],
      [9, 9, 2, 1],
    ])
      assert.deepEqual(ask(sitesWith(...counts), [is('x', 1)]), nobody, String(counts))
    assert.equal(answer(sitesWith(3, 3, 3, 0), [is('x', 1)]).n, 9)
  })

  it('also where a site makes rows up: the honest one with one patient sends zeros', () => {
    const honest = (count: number) => ask(sitesWith(count, 30, 30, 30), [is('x', 1)])
    assert.deepEqual(honest(1), honest(0))
    assert.deepEqual(honest(2), honest(0))
  })

  it('a minimum that the sites’ own rule does not reach ends the same way', () => {
    const rules = { minimumCell: 50, minimumContributors: 3 }
    assert.deepEqual(
      ask(sitesWith(12, 12, 12, 12), [is('x', 1)], [], rules),
      ask(sitesWith(0, 0, 0, 0), [is('x', 1)], [], rules),
    )
    assert.equal(answer(sitesWith(13, 13, 13, 13), [is('x', 1)], [], rules).n, 52)
  })

  it('a where that leaves out one patient, or nobody, tells neither from the other', () => {
    // everyone is counted by a question without conditions, so what is left out is the difference
    assert.equal(answer(sitesWith(0, 0, 0, 0), []).n, 160)
    const everyone = ask(sitesWith(0, 0, 0, 0), [isNot('x', 1)])
    assert.equal((everyone as Loose).released.n, null)
    assert.deepEqual(ask(sitesWith(1, 0, 0, 0), [isNot('x', 1)]), everyone)
    assert.deepEqual(ask(sitesWith(1, 1, 2, 0), [isNot('x', 1)]), everyone)
    assert.deepEqual(ask(sitesWith(2, 3, 2, 0), [isNot('x', 1)]).kind, 'result')
    assert.equal(answer(sitesWith(2, 3, 2, 0), [isNot('x', 1)]).n, 153)
  })

  it('a where that leaves out the rows of one hospital does not count them', () => {
    // twenty rows, at one site: what is left out would be its own number
    assert.equal(answer(sitesWith(20, 0, 0, 0), [isNot('x', 1)]).n, null)
    assert.equal(answer(sitesWith(10, 10, 0, 0), [isNot('x', 1)]).n, null)
    assert.equal(answer(sitesWith(10, 10, 1, 0), [isNot('x', 1)]).n, 139)
    nothing(ask(sitesWith(20, 20, 0, 0), [is('x', 1)]))
  })

  it('a level with one patient is withheld as one with none, with the level that covers it', () => {
    const sites = (rare: number): Rows[] =>
      [0, 1, 2, 3].map((site) =>
        rowsOf(
          Array.from({ length: 60 }, (_, row): Row => {
            const level = row % 10 === 0 ? null : site === 0 && row >= 60 - rare ? 'c' : row % 2 ? 'a' : 'b'
            return { x: row % 2, ward: level, age: row }
          }),
        ),
      )
    const ward = { column: 'ward', levels: ['a', 'b', 'c'] }
    const of = (rare: number, where: readonly Condition[] = []) => answer(sites(rare), where, [ward])
    assert.deepEqual(
      [0, 1, 4].map((rare) => of(rare).counts.map((count: unknown) => count === null)),
      [
        [true, false, true, false],
        [true, false, true, false],
        [true, false, true, false],
      ],
    )
    assert.equal(of(1).n, 240)
    // the last row that every level has, left out by age: each level keeps all but a few
    const counts = of(0, [{ column: 'age', operator: 'below', values: [59] }])
    assert.deepEqual([counts.n, counts.counts], [null, [null, null, null, null]])
  })

  it('what a where leaves of one level is no difference of two counts', () => {
    // of ward b one patient is 90 or older, of the others many: the totals by ward are a question of their own
    const sites = [0, 1, 2].map((site) =>
      rowsOf(
        Array.from({ length: 60 }, (_, row): Row => {
          const ward = ['a', 'b', 'c'][row % 3] as string
          const isOld = ward === 'b' ? site === 0 && row === 1 : row % 4 === 0
          return { ward: row > 50 ? null : ward, age: isOld ? 92 : 60 }
        }),
      ),
    )
    const ward = { column: 'ward', levels: ['a', 'b', 'c'] }
    const young = answer(sites, [{ column: 'age', operator: 'below', values: [90] }], [ward])
    assert.equal(young.counts[1], null)
    assert.ok(young.n > 0)
    assert.ok(young.counts.filter((count: unknown) => count === null).length >= 2, 'and one to cover it')
  })

  it('a site with too few rows for the levels counts them all among the rest', () => {
    const small = rowsOf(lung.slice(0, 6))
    const parameters = { by: [sex] }
    const vector = feasibility.contribute(small, parameters, undefined)
    const { slots } = feasibility.plan(parameters, undefined)
    const named = Object.fromEntries(slots.map(({ name }, at) => [name, vector[at]]))
    assert.deepEqual(
      [named['contributors'], named['rows with sex=1'], named['rows with sex=2'], named['rows with sex=other or none']],
      [1, 0, 0, 6],
    )
    assert.ok(feasibility.contribute(rowsOf(lung.slice(0, 2)), parameters, undefined).every((value) => value === 0))
  })

  it('a context that does not say whether there was a where is taken to have one', () => {
    const parameters = { by: [] }
    const vectors = sitesWith(0, 0, 0).map((rows) => feasibility.contribute(rows, parameters, undefined))
    const outcome = feasibility.combine(sumOf(vectors, 60), { parameters, rules: RULES, survivors: 3 }, undefined)
    assert.equal((outcome as Loose).released.n, null)
  })
})

describe('feasibility parameters', () => {
  it('are two different factors at most, in one order', () => {
    const accepts = (by: unknown): boolean => feasibility.parameters.safeParse({ by }).success
    const other = { column: 'age', levels: ['1', '2'] }
    assert.ok(accepts([]) && accepts([sex]) && accepts([other, sex]) && accepts([event]))
    assert.ok(!accepts([sex, other]) && !accepts([sex, event, other]) && !accepts([sex, { column: 'sex', is: '1' }]))
    assert.ok(!feasibility.parameters.safeParse({}).success)
    const complete = (written: unknown) => feasibility.complete(written, () => ['1', '2'])
    assert.deepEqual(complete({}), { by: [] })
    assert.deepEqual(complete({ by: 'sex' }), { by: [sex] })
    assert.deepEqual(complete({ by: ['sex', 'age'] }), { by: [other, sex] })
    assert.deepEqual(feasibility.columns({ by: [other, sex] }), [other, sex])
    assert.throws(() => feasibility.complete({ by: 'sex' }, () => []), { code: 'levels-unknown' })
  })

  it('name their slots for people', () => {
    assert.deepEqual(
      feasibility.plan({ by: [] }, undefined).slots.map(({ name }) => name),
      ['contributors', 'sites with other rows', 'rows', 'other rows'],
    )
    assert.ok(
      feasibility
        .plan({ by: [sex, event] }, undefined)
        .slots.some(({ name }) => name === 'other rows with sex=2, (status=2)=1'),
    )
  })
})
