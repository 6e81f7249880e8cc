import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { withheldAcross } from '@flamesh/protocol/privacy/disclosure.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  known,
  type Loose,
  lung,
  lungSites,
  type Row,
  RULES,
  reference,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { sex } from './runs.js'

const R = reference('table1')
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'] }
const status = { column: 'status', levels: ['1', '2'] }
const bySex = { columns: ['age', 'wt.loss', 'meal.cal'], factors: [ecog, status], by: sex }
const run = (sites: Parameters<typeof runFederated>[1], parameters: Loose, rules = RULES) =>
  runFederated('table1', sites, parameters, rules)
const dealt = (rows: readonly Row[], count: number) =>
  [...splitBy(rows, (_, index) => index % count).values()].map((site) => rowsOf(site))

/** What R says, as the result says it; names of columns as R has them. */
function expected(found: Loose, columns: string[], factors: Record<string, string>): Loose {
  const pick = (names: string[], field: string) => Object.fromEntries(names.map((name) => [name, found[name][field]]))
  const of = (field: string) =>
    Object.fromEntries(Object.entries(factors).map(([ours, theirs]) => [ours, found[theirs][field]]))
  return {
    describe: pick(columns, 'describe'),
    factors: of('factors'),
    factors_by: of('factors_by'),
    factors_missing: of('missing'),
    comparison: { ...pick(columns, 'comparison'), ...of('comparison') },
  }
}

describe('table1 equals R', () => {
  it('two groups: numbers, percentages, p and standardised mean differences', () => {
    const { result, rounds } = run(lungSites, bySex)
    assertClose(result, expected(R.by_sex, bySex.columns, { 'ph.ecog': 'ecog', status: 'status' }))
    assert.deepEqual([rounds, result.rows, result.groups], [1, 228, { 1: 138, 2: 90 }])
    assert.equal(result.comparison.status.df2, null)
  })

  it('three groups: differences averaged over pairs', () => {
    const rows = lung.filter((row) => row['ph.ecog'] !== 3)
    const { result } = run(dealt(rows, 5), { columns: ['age', 'wt.loss'], factors: [sex, status], by: ecog })
    const of = expected(R.by_ecog, ['age', 'wt.loss'], { sex: 'sex', status: 'status' })
    // the patient left out has no group, and is missing to R
    for (const name of ['age', 'wt.loss']) of.describe[name].missing--
    for (const name of ['sex', 'status']) of.factors_missing[name]--
    assertClose(result, of)
    assert.equal(result.comparison.sex.p_fisher, null)
  })

  it('without groups: everyone, and no comparison', () => {
    const { result } = run(lungSites, { columns: ['age'], factors: [ecog] })
    assert.deepEqual([result.comparison, result.factors_by, result.groups], [undefined, undefined, undefined])
    assert.deepEqual(
      ['0', '1', '2'].map((level) => result.factors['ph.ecog'][level].n),
      [63, 113, 50],
    )
    assert.equal(run(lungSites, { columns: [], factors: [status] }).result.describe, undefined)
    assert.equal(run(lungSites, { columns: ['age'], factors: [] }).result.factors, undefined)
  })

  it('however the rows are split into 3 to 22 sites, with an empty one and one that lacks columns', () => {
    const of = expected(R.by_sex, bySex.columns, { 'ph.ecog': 'ecog', status: 'status' })
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 22 }), fc.infiniteStream(fc.nat()), (count, at) => {
        // ten rows each, for three levels; whoever is left goes anywhere
        const site = (index: number) => (index < 10 * count ? index : (at.next().value as number)) % count
        const sites = [...splitBy(lung, (_, index) => site(index)).values()].map((rows) => rowsOf(rows))
        const extra = [
          rowsOf([]),
          rowsOf(lung.slice(0, 9)),
          rowsOf(lung.slice(0, 30), ['age', 'wt.loss', 'sex', 'meal.cal']),
        ]
        const { result } = run([...sites, ...extra], bySex)
        const { describe, factors_missing: missing, ...rest } = of
        assertClose(result, rest)
        for (const name of bySex.columns) {
          const { n, mean, by } = describe[name]
          assertClose(result.describe[name], { n, mean, by, missing: describe[name].missing + 30 })
        }
        assert.equal(result.factors_missing.status, missing.status + 30)
      }),
      { numRuns: 15, endOnFailure: true },
    )
  })
})

const rows = (counts: readonly (readonly [Row, number])[]): Row[] =>
  counts.flatMap(([row, count]) => Array.from({ length: count }, () => row))
const g = { column: 'g', levels: ['a', 'b', 'c'] }
const f = { column: 'f', levels: ['x', 'y'] }

describe('disclosure of table1', () => {
  it('one group covers a small one in all columns: two covers would be subtracted from each other', () => {
    // a has four patients; of b and c, the one that lacks values of a column is the smaller one for that column
    const patients = [
      ...rows([[{ g: 'a', u: 10, v: 20, f: 'x' }, 4]]),
      ...rows([
        [{ g: 'b', u: 10, v: 30, f: 'x' }, 10],
        [{ g: 'b', u: 20, v: 30, f: 'y' }, 10],
        [{ g: 'b', u: null, v: 40, f: 'y' }, 1],
      ]),
      ...rows([
        [{ g: 'c', u: 30, v: 40, f: 'x' }, 10],
        [{ g: 'c', u: 40, v: 50, f: 'y' }, 9],
        [{ g: 'c', u: 40, v: null, f: null }, 2],
      ]),
    ]
    const sites = dealt(patients, 4)
    for (const analysis of ['table1', 'describe', 'compare-means', 'moments']) {
      const parameters = { columns: ['u', 'v'], by: g, ...(analysis === 'table1' ? { factors: [f] } : {}) }
      const { describe } = runFederated(analysis, sites, parameters).result
      const shown = ['u', 'v'].map((name) =>
        Object.keys(g.levels).filter((_, at) => describe[name].by[g.levels[at] as string].n !== null),
      )
      assert.deepEqual(shown[0], shown[1], analysis)
      assert.equal(describe.u.by.a.n, null)
    }
    const { result } = run(sites, { columns: ['u', 'v'], factors: [f], by: g })
    const shown = Object.entries(result.groups).filter(([, n]) => n !== null)
    assert.equal(shown.length, 1)
    for (const by of Object.values<Loose>(result.factors_by.f))
      for (const name of g.levels) assert.equal(by[name].n === null, name !== shown[0]?.[0])
    assert.deepEqual(result.comparison, { u: null, v: null, f: null })
  })

  it('what is withheld of a group is never a small number, in any column', () => {
    const level = fc.tuple(fc.nat(12), fc.nat(6)).map(([n, sites]) => ({ rows: n, sites: Math.min(n, sites) }))
    const partitions = fc
      .integer({ min: 2, max: 4 })
      .chain((groups) =>
        fc.array(fc.array(level, { minLength: groups, maxLength: groups }), { minLength: 1, maxLength: 3 }),
      )
    const rules = { minimumCell: 5, minimumContributors: 5 }
    fc.assert(
      fc.property(partitions, (given) => {
        const covers = new Set<number>()
        for (const [which, withheld] of withheldAcross(given, rules).entries()) {
          const groups = given[which] as { rows: number; sites: number }[]
          const exposed = groups.map(({ rows, sites }) => rows > 0 && (rows < 5 || sites < 3))
          assert.ok(exposed.includes(true) || !withheld.includes(true))
          assert.ok(exposed.every((is, at) => !is || withheld[at]))
          if (!withheld.includes(true) || withheld.every((is) => is)) continue
          const cover = withheld.findIndex((is, at) => is && !exposed[at])
          assert.ok((groups[cover]?.rows as number) >= 5 && (groups[cover]?.sites as number) >= 3)
          covers.add(cover)
        }
        assert.ok(covers.size <= 1)
      }),
      { numRuns: 1000 },
    )
  })

  it('a small cell has no solution: all tables with the margins shown are tried', () => {
    const cell = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 12 }))
    let hidden = 0
    fc.assert(
      fc.property(fc.array(cell, { minLength: 4, maxLength: 4 }), (counts) => {
        const [a = 0, b = 0, c = 0, d = 0] = counts
        fc.pre(counts.reduce((sum, count) => sum + count, 0) >= 28)
        const two = { column: 'g', levels: ['a', 'b'] }
        const patients = rows([
          [{ g: 'a', f: 'x' }, a],
          [{ g: 'b', f: 'x' }, b],
          [{ g: 'a', f: 'y' }, c],
          [{ g: 'b', f: 'y' }, d],
        ])
        const { result } = run(dealt(patients, 4), { columns: [], factors: [f], by: two })
        const cells = ['x', 'y'].flatMap((level) => ['a', 'b'].map((name) => result.factors_by.f[level][name].n))
        const levels = ['x', 'y'].map((level) => result.factors.f[level].n)
        const groups = ['a', 'b'].map((name) => result.groups[name])
        const n = a + b + c + d
        counts.forEach((count, target) => {
          if (count === 0 || count > 4) return
          assert.equal(cells[target], null)
          const possible = new Set<number>()
          for (let w = 0; w <= n; w++)
            for (let x = 0; x <= n - w; x++)
              for (let y = 0; y <= n - w - x; y++) {
                const z = n - w - x - y
                const table = [w, x, y, z]
                const fits = (shown: (number | null)[], sums: number[]) =>
                  shown.every((one, at) => one === null || one === sums[at])
                if (fits(cells, table) && fits(levels, [w + x, y + z]) && fits(groups, [w + y, x + z]))
                  possible.add(table[target] as number)
              }
          hidden++
          assert.ok(Math.min(...possible) === 0 && Math.max(...possible) >= 5, `${counts}: ${[...possible]}`)
        })
      }),
      { numRuns: 60, endOnFailure: true },
    )
    assert.ok(hidden > 10, `${hidden}`)
  })

  it('no p and no difference of a factor or column of which anything is withheld', () => {
    const four = { column: 'ph.ecog', levels: ['0', '1', '2', '3'] }
    const { result } = run(dealt(lung, 4), { columns: ['age'], factors: [four, status], by: sex })
    assert.equal(result.comparison['ph.ecog'], null)
    assert.ok(result.comparison.status.p > 0)
    assert.equal(result.factors['ph.ecog']['3'].n, null)
    assert.ok(Object.values<Loose>(result.factors['ph.ecog']).filter(({ n }) => n === null).length >= 2)
  })

  it('at the site: three rows, and a third of them for each level', () => {
    const zeros = (count: number) =>
      known('table1')
        .contribute(rowsOf(lung.slice(0, count)), bySex, undefined)
        .every((value) => Object.is(value, 0))
    assert.deepEqual([zeros(9), zeros(10)], [true, false])
    assertSuppressed(run(lungSites, bySex, { minimumCell: 5, minimumContributors: 9 }), 'too-few-contributors')
  })
})

describe('table1, parameters and sums', () => {
  it('are filled in; something is described, once', () => {
    const { complete, parameters, columns } = known('table1')
    const levels = (column: string) => (column === 'sex' ? ['1', '2'] : ['0', '1', '2'])
    const written = { columns: ['age'], factors: ['ph.ecog', { column: 'status', is: 2 }], by: 'sex' }
    const canonical = { columns: ['age'], factors: [ecog, { column: 'status', is: '2' }], by: sex }
    assert.deepEqual(parameters.parse(complete(written, levels)), canonical)
    assert.deepEqual(columns(canonical), ['age', ...canonical.factors, sex])
    for (const bad of [
      { columns: [], factors: [] },
      { columns: ['age', 'age'], factors: [] },
      { columns: ['sex'], factors: [], by: sex },
      { columns: [], factors: [sex], by: sex },
      { columns: ['age'], factors: [], min: true },
    ])
      assert.ok(!parameters.safeParse(bad).success, JSON.stringify(bad))
  })

  it('of any words give an outcome with an encoding', () => {
    const analysis = known('table1')
    const { slots } = analysis.plan(bySex, undefined)
    const word = fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n })
    const count = fc.nat(200).map((value) => BigInt(value) << 60n)
    const sums = fc.tuple(
      ...slots.map(({ kind }, at) => (at === 0 ? fc.constant(5n << 60n) : kind === 'count' ? count : word)),
    )
    let results = 0
    fc.assert(
      fc.property(sums, (sum) => {
        const outcome = analysis.combine(sum, { parameters: bySex, rules: RULES, survivors: 8 }, undefined)
        encode(outcome)
        if (outcome.kind !== 'result') return
        analysis.present(analysis.released.parse(outcome.released), bySex)
        results++
      }),
      { numRuns: 100 },
    )
    assert.ok(results > 0)
    const forged = analysis.combine(
      (run(lungSites, bySex).sums[0] as bigint[]).with(3, -1n << 60n),
      { parameters: bySex, rules: RULES, survivors: 8 },
      undefined,
    )
    assert.equal(forged.kind === 'suppressed' && forged.code, 'implausible-sum')
  })
})
