import assert from 'node:assert/strict'
import type { DisclosureRules } from '@flamesh/protocol/analyses/analysis.js'
import { fisherOfTable, fourfoldTests } from '@flamesh/protocol/analyses/table-tests.js'
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

const R = reference('crosstab')
const exposure = { column: 'sex', levels: ['1', '2'] }
const outcome = { column: 'status', levels: ['1', '2'] }
const event = { column: 'status', is: '2' }
const dealt = (rows: readonly Row[], sites: number) =>
  [...splitBy(rows, (_, index) => index % sites).values()].map((site) => rowsOf(site))

/** Rows of the factors `r` and `c` that make a table. */
const rowsFor = (counts: readonly number[], width = 2): Row[] =>
  counts.flatMap((count, at) =>
    Array.from({ length: count }, (): Row => ({ r: Math.floor(at / width), c: at % width })),
  )
const r = { column: 'r', levels: ['0', '1'] }
const c = { column: 'c', levels: ['0', '1'] }

describe('tests of a table', () => {
  it('equal R, for tables of two by two of any size', () => {
    for (const [name, { table, result }] of Object.entries<Loose>(R.tables)) {
      assertClose(fourfoldTests(table), { ...result, chisq: undefined, p: undefined }, name)
      for (const ratio of ['odds_ratio', 'risk_ratio']) {
        if (!(ratio in result)) assert.equal(fourfoldTests(table)[ratio], null, `${name} ${ratio}`)
      }
      // over sites: of tables that can be shown, and have seven rows for each site
      const rows = table.reduce((sum: number, count: number) => sum + count, 0)
      const shown = table.every((count: number) => count === 0 || count >= 5)
      if (shown && rows >= 28 && rows < 10_000)
        assertClose(runFederated('table', dealt(rowsFor(table), 4), { rows: r, columns: c }).result, result, name)
    }
  })

  it('by Fisher equal R for larger ones, with empty rows and columns left out', () => {
    for (const { table, columns, p } of Object.values<Loose>(R.larger))
      assertClose(fisherOfTable(table, columns), p, String(table))
    const [first] = Object.values<Loose>(R.larger)
    const padded = [...first.table.slice(0, 3), 0, ...first.table.slice(3), 0, 0, 0, 0, 0]
    assertClose(fisherOfTable(padded, 4), first.p)
    assert.equal(fisherOfTable([5, 0, 9, 0], 2), null)
    assert.equal(fisherOfTable(new Array(25).fill(40), 5), null, 'too many tables')
  })

  it('of lung, however the rows are split', () => {
    const { table, result } = R.tables['26-112-37-53']
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 22 }), fc.infiniteStream(fc.nat()), (count, at) => {
        const sites = [...splitBy(lung, (_, i) => (i < 7 * count ? i : (at.next().value as number)) % count).values()]
        const run = runFederated('table', [...sites.map((rows) => rowsOf(rows)), rowsOf([])], {
          rows: exposure,
          columns: event,
        })
        assert.deepEqual(run.result.counts_by_row, table)
        assertClose(run.result, result)
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  it('are not given where a cell is withheld, a margin is empty, or the table is larger', () => {
    const none = {
      chisq_yates: null,
      p_yates: null,
      p_fisher: null,
      odds_ratio: null,
      risk_ratio: null,
      risk_difference: null,
    }
    const run = (counts: number[]) => runFederated('table', dealt(rowsFor(counts), 4), { rows: r, columns: c }).result
    assertClose(run([4, 20, 20, 20]), { ...none, withheld: true })
    assertClose(run([0, 20, 0, 20]), { ...none, withheld: false })
    const three = { column: 'c', levels: ['0', '1', '2'] }
    const wide = runFederated('table', dealt(rowsFor([10, 20, 30, 20, 20, 10], 3), 4), {
      rows: r,
      columns: three,
    }).result
    assert.ok(wide.chisq > 0 && !('odds_ratio' in wide))
    assertClose(wide.p_fisher, R.larger['10-20-30-20-20-10'].p)
    // two levels by two is four cells; so is one by four, which no factor makes
    assert.deepEqual(fourfoldTests(undefined), none)
    assert.equal(fourfoldTests([2e6, 2e6, 2e6, 2e6])['p_fisher'], null)
  })
})

const MH = { exposure, outcome, strata: 'site' }
const run = (sites: Parameters<typeof runFederated>[1], parameters: object = MH, rules: DisclosureRules = RULES) =>
  runFederated('mantel-haenszel', sites, parameters, rules)

describe('mantel-haenszel', () => {
  it('equals R', () => {
    const { result, rounds } = run(lungSites)
    assertClose(result, R.mh_lung)
    assert.deepEqual(
      [rounds, result.n, result.missing, result.contributors, result.sites_informative],
      [1, 228, 0, 8, 8],
    )
    const within = { column: 'ph.ecog', levels: ['0', '1', '2'] }
    const ecog = run(lungSites, { ...MH, within }).result
    assertClose(ecog, R.mh_lung_ecog)
    assert.deepEqual([ecog.n, ecog.missing], [226, 2])
    const breast = dealt([...rotterdam, ...gbsg], 7)
    const hormon = { column: 'hormon', levels: ['0', '1'] }
    assertClose(
      run(breast, { exposure: hormon, outcome: { column: 'event', is: '1' }, strata: 'site' }).result,
      R.mh_breast,
    )
  })

  it('sums over sites whatever they are, with empty and tiny ones and one that lacks a column', () => {
    const terms = (sites: readonly (readonly Row[])[]) =>
      sites.map((rows) => {
        const count = (sex: number, status: number) =>
          rows.filter((row) => row['sex'] === sex && row['status'] === status).length
        return { a: count(1, 1), b: count(1, 2), c: count(2, 1), d: count(2, 2), n: rows.length }
      })
    fc.assert(
      fc.property(fc.integer({ min: 6, max: 22 }), fc.infiniteStream(fc.nat()), (count, at) => {
        const sites = [...splitBy(lung, (_, i) => (i < 7 * count ? i : (at.next().value as number)) % count).values()]
        const others = [rowsOf([]), rowsOf(lung.slice(0, 2)), rowsOf(lung.slice(0, 30), ['sex'])]
        const { result } = run([...sites.map((rows) => rowsOf(rows)), ...others])
        const all = terms(sites)
        const sum = (of: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + of(one), 0)
        assertClose(result.odds_ratio.estimate, sum(({ a, d, n }) => (a * d) / n) / sum(({ b, c, n }) => (b * c) / n))
        assert.deepEqual([result.contributors, result.sites_left_out], [count, 3])
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  it('takes parameters as users write them', () => {
    const { complete, parameters, columns } = known('mantel-haenszel')
    const levels = () => ['1', '2']
    const completed = complete({ exposure: 'sex', outcome: { column: 'status', is: 2 } }, levels)
    assert.deepEqual(parameters.parse(completed), { exposure, outcome: event, strata: 'site' })
    const within = { column: 'g', is: '1' }
    assert.deepEqual(columns({ ...MH, within }), [exposure, outcome, within])
    for (const bad of [
      { ...MH, exposure: { column: 'sex', levels: ['1', '2', '3'] } },
      { ...MH, outcome: { column: 'sex', levels: ['1', '2'] } },
      { ...MH, within: exposure },
      { ...MH, strata: 'none' },
    ]) {
      assert.ok(!parameters.safeParse(bad).success, JSON.stringify(bad))
    }
  })

  it('says null where a ratio does not exist', () => {
    const { result } = run(dealt(rowsFor([20, 20, 0, 20]), 5), { exposure: r, outcome: c, strata: 'site' })
    assert.deepEqual([result.odds_ratio, typeof result.p], [null, 'number'])
    assert.ok(result.risk_ratio.estimate > 1)
    assertSuppressed(
      run(dealt(rowsFor([20, 20, 0, 0]), 4), { exposure: r, outcome: c, strata: 'site' }),
      'too-few-contributors',
    )
  })
})

describe('disclosure of mantel-haenszel', () => {
  const rules = { minimumCell: 5, minimumContributors: 3 }

  it('the sums are not those of the one site that has both levels', () => {
    // every site has women, three have men; but where there are men, only `informative` have women and both outcomes
    const sites = (informative: number) =>
      [...lungByInstitution.values()].map((rows, at) =>
        rowsOf(rows.map((row) => (at < informative ? row : { ...row, sex: at < 3 ? 1 : 2 }))),
      )
    assertSuppressed(run(sites(1), MH, rules), 'too-few-contributors')
    assertSuppressed(run(sites(4), MH, rules), 'too-few-contributors')
    assert.equal(run(sites(5), MH, rules).outcome.kind, 'result')
    // what would have been said: the table of one site, to all digits
    const alone = known('mantel-haenszel')
    const vector = (at: number) => alone.contribute(sites(1)[at] as never, MH, undefined)
    const sums = alone.plan(MH, undefined).slots.flatMap(({ kind }, at) => (kind === 'sum' ? [at] : []))
    assert.ok(sums.every((at) => [1, 2, 3, 4, 5, 6, 7].every((site) => vector(site)[at] === 0)))
    assert.ok(sums.some((at) => vector(0)[at] !== 0))
  })

  it('small cells, and small levels within, refuse; small cells of a site do not', () => {
    const parameters = { exposure: r, outcome: c, strata: 'site' }
    assertSuppressed(run(dealt(rowsFor([4, 20, 20, 20]), 4), parameters), 'small-cell')
    const five = run(dealt(rowsFor([5, 20, 20, 20]), 5), parameters)
    assert.equal(five.outcome.kind, 'result')
    const within = { column: 'ph.ecog', levels: ['0', '1', '2', '3'] }
    const sites = dealt(lung, 6)
    assertSuppressed(run(sites, { ...MH, within }), 'small-cell')
    assertSuppressed(run(lungSites, MH, { ...RULES, minimumContributors: 9 }), 'too-few-contributors')
  })

  it('with three sites one of them would solve for the tables of both others', () => {
    const groups = [...splitBy(lung, ({ inst }) => (inst as number) % 3).values()]
    const tables = groups.map((rows) =>
      [1, 2].flatMap((sex) =>
        [1, 2].map((status) => rows.filter((row) => row['sex'] === sex && row['status'] === status).length),
      ),
    )
    const sites = groups.map((rows) => rowsOf(rows))
    // the attack: own table, the pooled one of another job, and two numbers that would be released: every table is tried
    const pooled: number[] = runFederated('table', sites, { rows: exposure, columns: outcome }, rules).result
      .counts_by_row
    const terms = (list: readonly (readonly number[])[]) => {
      let [ad, bc, excess, variance] = [0, 0, 0, 0]
      for (const [a = 0, b = 0, c = 0, d = 0] of list) {
        const n = a + b + c + d
        if (n < 2) continue
        ad += (a * d) / n
        bc += (b * c) / n
        excess += (a * d - b * c) / n
        variance += ((a + b) * (c + d) * (a + c) * (b + d)) / (n * n * (n - 1))
      }
      return [ad / bc, (excess * excess) / variance] as const
    }
    const [own = [], other = [], third = []] = tables
    const rest = pooled.map((count, at) => count - (own[at] as number))
    const told = terms(tables)
    const found: number[][] = []
    const tried = new Array<number>(4).fill(0)
    const next = (at: number): void => {
      if (at < 4)
        for (tried[at] = 0; (tried[at] as number) <= (rest[at] as number); (tried[at] as number)++) next(at + 1)
      else {
        const both = [own, tried, rest.map((count, cell) => count - (tried[cell] as number))]
        if (terms(both).every((value, which) => Math.abs(value / (told[which] as number) - 1) < 1e-10))
          found.push([...tried])
      }
    }
    next(0)
    assert.deepEqual(
      found,
      [other, third].sort((a, b) => (a[0] as number) - (b[0] as number)),
    )
    assertSuppressed(run(sites, MH, rules), 'too-few-contributors')
  })

  it('no cell of a site, nor of the pooled table, is released', () => {
    const { outcome: released } = run(lungSites)
    assert.deepEqual(Object.keys((released as Loose).released).sort(), [
      'contributors',
      'excess',
      'informative',
      'leftOut',
      'missing',
      'n',
      'oddsRatio',
      'riskDifference',
      'riskRatio',
      'variance',
    ])
  })
})
