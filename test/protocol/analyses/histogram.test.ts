import assert from 'node:assert/strict'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import fc from 'fast-check'
import {
  assertSuppressed,
  breastSites,
  gbsg,
  known,
  type Loose,
  lung,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { event, sex, sitesOf } from './runs.js'

const R = reference('summaries').histogram
const histogram = (sites: Parameters<typeof runFederated>[1], parameters: Loose, rules = RULES): Loose =>
  runFederated('histogram', sites, parameters, rules).result

/** R's counts, with what lies outside at the ends. */
const counted = ({ below, counts, above }: Loose): readonly number[] => [below, ...counts, above]

/** Nothing is small, and no bin at too few sites. */
const ALL = { minimumCell: 1, minimumContributors: 1 }

describe('histogram equals R', () => {
  it('counts in bins, outside, missing', () => {
    const sites = sitesOf(lung, 3)
    const wide = histogram(sites, { column: 'age', breaks: R.age_wide.breaks }, ALL)
    assert.deepEqual([wide.counts, wide.n, wide.missing], [counted(R.age_wide), 228, 0])
    assert.deepEqual(wide.names, ['below 50', '[50, 60)', '[60, 70)', '[70, 80]', 'above 80'])
    for (const name of ['age', 'meal.cal']) {
      const { counts, n, missing } = histogram(sites, { column: name, breaks: R[name].breaks }, ALL)
      assert.deepEqual([counts, n, missing], [counted(R[name]), R[name].n, 228 - R[name].n], name)
    }
    const nodes = histogram(breastSites, { column: 'nodes', breaks: R.nodes.breaks }, ALL)
    assert.deepEqual(nodes.counts, counted(R.nodes))
  })

  it('by group', () => {
    const parameters = { column: 'age', breaks: R.age_1.breaks, by: sex }
    const { counts_by_row, row_totals, col_totals, withheld } = histogram(sitesOf(lung), parameters)
    const [first, second] = [counted(R.age_1), counted(R.age_2)]
    assert.deepEqual(
      counts_by_row,
      first.flatMap((count, at) => [count, second[at]]),
    )
    assert.deepEqual(
      row_totals,
      first.map((count, at) => count + (second[at] as number)),
    )
    assert.deepEqual([col_totals, withheld], [[R.age_1.n, R.age_2.n], false])
  })

  it('a value at a break is in the bin that begins there, at the last break in the one that ends', () => {
    const at = (values: readonly number[]) => rowsOf(values.map((x) => ({ x })))
    const breaks = ['0.1', '0.3', 1]
    const sites = [1, 2, 3].map(() => at([0.1, 0.2, 0.1, 0.2, 0.3, 0.99, 1, 1, 0.3, -1, 2, 2, 0.5, Number.NaN]))
    const { counts, breaks: shown, missing, names } = histogram(sites, { column: 'x', breaks }, ALL)
    assert.deepEqual([counts, shown, missing], [[3, 12, 18, 6], [0.1, 0.3, 1], 3])
    assert.deepEqual(names.slice(1, 3), ['[0.1, 0.3)', '[0.3, 1]'])
  })

  it('however the rows are split, an empty site, a tiny one and one without the column among them', () => {
    const all = [...rotterdam, ...gbsg]
    const draws = fc.array(fc.nat(), { minLength: 300, maxLength: 300 })
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), draws, (count, keys) => {
        // seven bins need 22 rows a site
        const site = (at: number): number => (at < 22 * count ? at : (keys[at % 300] as number)) % count
        const sites = [...splitBy(all, (_, at) => site(at)).values()].map((rows) => rowsOf(rows))
        const extra = [rowsOf([]), rowsOf(all.slice(0, 2)), rowsOf(all, ['nodes'])]
        const { counts, sites_left_out } = histogram(
          [...sites, ...extra],
          { column: 'nodes', breaks: R.nodes.breaks },
          { minimumCell: 5, minimumContributors: 3 },
        )
        assert.deepEqual([counts, sites_left_out], [counted(R.nodes), 3])
      }),
      { numRuns: 10 },
    )
  })
})

describe('histogram parameters', () => {
  it('are ascending breaks without floats, and columns that differ', () => {
    const analysis = known('histogram')
    const accepts = (parameters: unknown): boolean => analysis.parameters.safeParse(parameters).success
    const column = 'age'
    assert.ok(accepts({ column, breaks: [-5, '0.5', 7] }))
    for (const breaks of [[1], [2, 1], [1, 1], [1, '1.0'], [1, 2.5], ['1', 2], ['1e3', 2], [1, 'x.y']])
      assert.ok(!accepts({ column, breaks }), JSON.stringify(breaks))
    assert.ok(!accepts({ column, breaks: Array.from({ length: 40 }, (_, i) => i) }))
    assert.ok(!accepts({ column: 'sex', breaks: [1, 2], by: sex }))
    assert.deepEqual(
      analysis.complete({ column, breaks: [1, 2], by: 'sex' }, () => ['1', '2']),
      { column, breaks: [1, 2], by: sex },
    )
    assert.deepEqual(analysis.columns({ column, breaks: [1, 2], by: sex }).map(columnOf), ['age', 'sex'])
  })
})

/** The analysis on counts by bin and group that three sites have all of. */
function released(cells: readonly number[], groups: number, minimumCell: number): Loose {
  const levels = Array.from({ length: groups }, (_, at) => `${at}`)
  const by = groups === 1 ? {} : { by: { column: 'g', levels } }
  const parameters = { column: 'x', breaks: Array.from({ length: cells.length / groups - 1 }, (_, at) => at), ...by }
  const sites = cells.length / groups + (groups === 1 ? 0 : groups)
  const counts = [3, 0, ...new Array<number>(sites).fill(3), ...cells]
  const context = { parameters, rules: { minimumCell, minimumContributors: 3 }, survivors: 3 }
  const outcome = known('histogram').combine(
    counts.map((count) => BigInt(count) << 60n),
    context,
    undefined,
  )
  assert.equal(outcome.kind, 'result')
  return (outcome as Loose).released
}

/** Every table that has these released numbers. */
function* consistent(known: Loose, groups: number, cells: readonly number[] = []): Generator<readonly number[]> {
  const bins = known.bins.length
  const left = known.n - cells.reduce((a, b) => a + b, 0)
  const at = cells.length
  if (at > 0 && at % groups === 0) {
    const row = cells.slice(-groups).reduce((a, b) => a + b, 0)
    const total = known.bins[at / groups - 1]
    if (total !== null && total !== row) return
  }
  if (at === bins * groups) {
    const columns = Array.from({ length: groups }, (_, g) =>
      cells.filter((_, i) => i % groups === g).reduce((a, b) => a + b, 0),
    )
    if (left === 0 && columns.every((sum, g) => (known.groups[g] ?? sum) === sum)) yield cells
    return
  }
  const given = known.cells[at] ?? null
  const total = known.bins[Math.floor(at / groups)]
  const most = Math.min(left, total ?? left)
  for (let value = given ?? 0; value <= Math.min(most, given ?? most); value++)
    yield* consistent(known, groups, [...cells, value])
}

describe('histogram withholds', () => {
  it('a small bin and the smallest other: n and the rest are known', () => {
    const { counts, withheld } = histogram(sitesOf(lung), { column: 'age', breaks: R.age_wide.breaks })
    // above 80 are two patients, below 50 are twenty
    assert.deepEqual([counts, withheld], [[null, 63, 89, 54, null], true])
    assert.deepEqual(released([7, 3, 0, 9], 1, 5).bins, [null, null, 0, 9])
    assert.deepEqual(released([4, 3, 0, 1], 1, 5).bins, [null, null, null, null])
  })

  it('a bin that one site has: it would be that site’s', () => {
    const sites = splitBy(lung, (_, index) => index % 4)
    const at = [...sites].map(([site, rows]) =>
      rowsOf(rows.map((row, index) => ({ ...row, x: site === 0 && index < 20 ? 9 : index % 2 }))),
    )
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const { counts } = histogram(at, { column: 'x', breaks: [0, 1, 2] }, rules)
    assert.deepEqual(counts, [0, counts[1], counts[2], null])
    assert.ok(counts.filter((count: unknown) => count === null).length === 2)
  })

  it('nothing that can be solved for: every small count may be none, and may be no small one', () => {
    let looked = 0
    const cell = fc.oneof({ weight: 2, arbitrary: fc.nat(2) }, { weight: 3, arbitrary: fc.integer({ min: 3, max: 5 }) })
    fc.assert(
      fc.property(fc.array(cell, { minLength: 6, maxLength: 6 }), (cells) => {
        const found = released(cells, 2, 3)
        if (found.bins.every((count: unknown) => count === null)) return
        const tables = [...consistent(found, 2)]
        // what is small: cells, bins and groups, as sums of cells
        const sets = [
          ...cells.map((_, at) => [at]),
          ...[0, 2, 4].map((at) => [at, at + 1]),
          ...[0, 1].map((at) => [at, at + 2, at + 4]),
        ]
        for (const set of sets) {
          const sumOf = (table: readonly number[]): number => set.reduce((sum, at) => sum + (table[at] as number), 0)
          if (sumOf(cells) === 0 || sumOf(cells) >= 3) continue
          const possible = tables.map(sumOf)
          looked++
          assert.ok(Math.min(...possible) === 0 && Math.max(...possible) >= 3, `${cells}: ${set} is ${possible}`)
        }
      }),
      { numRuns: 150 },
    )
    assert.ok(looked > 50)
  })

  it('cells by group where two withheld bins of a group would hold a few patients together', () => {
    // bins 0 and 3 are withheld; of group 1 they hold 1 and 1, which n of the group and its other bins would tell
    const { bins, cells } = released([2, 1, 20, 20, 20, 20, 9, 1], 2, 5)
    assert.deepEqual(bins, [null, 40, 40, null])
    assert.deepEqual(cells, [null, null, null, null, 20, 20, null, null])
  })

  it('everything of too few contributors; a site with few rows for the bins sends zeros', () => {
    const parameters = { column: 'age', breaks: R.age_wide.breaks, by: event }
    const vector = (rows: number) => known('histogram').contribute(rowsOf(lung.slice(0, rows)), parameters, undefined)
    assert.deepEqual([vector(16)[0], vector(15).every((value) => value === 0)], [1, true])
    assertSuppressed(
      runFederated('histogram', [...sitesOf(lung.slice(0, 120), 3), rowsOf(lung.slice(0, 15))], parameters, {
        minimumCell: 5,
        minimumContributors: 4,
      }),
      'too-few-contributors',
    )
  })
})
