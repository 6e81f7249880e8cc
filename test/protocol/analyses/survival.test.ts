import assert from 'node:assert/strict'
import type { DisclosureRules } from '@flamesh/protocol/analyses/analysis.js'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { intervalsOf } from '@flamesh/protocol/analyses/time-grid.js'
import { mergedIntervals } from '@flamesh/protocol/privacy/intervals.js'
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
  RULES,
  type Run,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'

const R = reference('survival')
const event = { column: 'status', is: '2' }
const by = { column: 'sex', levels: ['1', '2'] }
const hormon = { column: 'hormon', levels: ['0', '1'] }
const breast = [...rotterdam, ...gbsg]
const dealt = (rows: readonly Row[], sites: number) =>
  [...splitBy(rows, (_, index) => index % sites).values()].map((site) => rowsOf(site))
const run = (sites: Parameters<typeof runFederated>[1], parameters: object, rules: DisclosureRules = RULES): Run =>
  runFederated('survival', sites, parameters, rules)
const LUNG = { time: 'time', event, grid: { width: 30, intervals: 36 } }
const BREAST = { time: 'time', event: 'event' }

/** Fields of a result as the record of R has them: groups side by side, a single one bare. */
function likeR({ result }: Run): Loose {
  const groups: Loose[] = Object.values(result.groups)
  const side = (name: string) => (groups.length === 1 ? groups[0][name] : groups.map((group) => group[name]))
  const names = ['median', 'median_lower', 'median_upper', 'rmst', 'rmst_se']
  return { ...result, ...Object.fromEntries(names.map((name) => [name, side(name)])) }
}

function assertEqualsR(outcome: Run, expected: Loose): void {
  const { ends, ...numbers } = expected
  assert.deepEqual((outcome.outcome as Loose).released.ends, ends)
  assertClose(likeR(outcome), numbers)
}

describe('survival', () => {
  const breastSix = dealt(breast, 6)
  const nodes = { column: 'nodes', levels: ['0', '1', '2', '3', '4'] }
  const cases: Record<string, () => Run> = {
    lung: () => run(lungSites, { ...LUNG, horizon: 500 }),
    lung_by_sex: () => run(lungSites, { ...LUNG, by, horizon: 720 }),
    lung_days: () => run(lungSites, { ...LUNG, grid: { width: 1, intervals: 1000 } }),
    lung_months_by_sex: () => run(lungSites, { ...LUNG, by, grid: { width: '30.4375', intervals: 24 } }),
    breast: () => run(breastSix, { ...BREAST, grid: { width: 365, intervals: 10 } }),
    breast_by_hormon: () =>
      run(breastSix, { ...BREAST, by: hormon, grid: { width: 365, intervals: 6 }, horizon: '1800.5' }),
    breast_by_nodes: () => run(breastSix, { ...BREAST, by: nodes, grid: { width: 365, intervals: 15 }, horizon: 2000 }),
    exact: () =>
      run(
        dealt(
          Array.from({ length: 40 }, (_, i): Row => ({ time: 1 + Math.floor(i / 10), event: i < 30 ? 1 : 0 })),
          4,
        ),
        {
          ...BREAST,
          grid: { width: 1, intervals: 4 },
        },
      ),
  }
  for (const [name, outcome] of Object.entries(cases)) {
    it(`equals R: ${name.replaceAll('_', ' ')}`, () => assertEqualsR(outcome(), R[name]))
  }

  it('says who was counted, and what was merged', () => {
    const { result, rounds } = run(lungSites, { ...LUNG, by })
    assert.deepEqual([rounds, result.n, result.events, result.missing], [1, 228, 165, 0])
    assert.deepEqual([result.contributors, result.sites_left_out, result.merged], [8, 0, true])
    assert.deepEqual([result.released_grid, result.horizon], [[90, 210, 300, 1080], 1080])
    assert.deepEqual(result.names[4], 'sex=2, to 90')
    assert.deepEqual([result.groups['1'].n, result.groups['2'].events, result.level[4]], [138, 53, '2'])
    const [difference] = result.rmst_differences
    const [one, two] = [result.groups['1'], result.groups['2']]
    assertClose(difference.difference, two.rmst - one.rmst)
    assertClose(difference.se, Math.hypot(one.rmst_se, two.rmst_se))
    assertClose(cases['breast_by_hormon']?.().result.merged, false)
  })

  it('is the same however the rows are split, with empty and tiny sites and one that lacks a column', () => {
    const parameters = { ...BREAST, by: hormon, grid: { width: 365, intervals: 6 }, horizon: '1800.5' }
    const keys = fc.array(fc.nat(), { minLength: breast.length, maxLength: breast.length })
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), keys, (count, at) => {
        // seven rows at each site, so that it may speak of two groups
        const sites = [...splitBy(breast, (_, i) => (i < 7 * count ? i : (at[i] as number)) % count).values()]
        const others = [rowsOf([]), rowsOf(breast.slice(0, 2)), rowsOf(breast.slice(0, 50), ['hormon'])]
        const outcome = run([...sites.map((rows) => rowsOf(rows)), ...others], parameters)
        assertEqualsR(outcome, R.breast_by_hormon)
        assert.deepEqual([outcome.result.contributors, outcome.result.sites_left_out], [count, 3])
      }),
      { numRuns: 10, endOnFailure: true },
    )
  })

  it('rounds up to the grid, and not beyond a time that lies on it', () => {
    const times = [0, 0.05, 0.1, 0.3, 0.30000001, 0.7, 1.1, 1.2, 1.3, 99, -1, Number.NaN]
    const rows = times.map((time): Row => ({ time, event: 1 }))
    const parameters = { ...BREAST, grid: { width: '0.1', intervals: 12 } }
    const { slots } = known('survival').plan(parameters, undefined)
    const vector = known('survival').contribute(rowsOf(rows), parameters, undefined)
    const filled = slots.flatMap(({ name }, at) =>
      name.startsWith('sites') || vector[at] === 0 ? [] : [[name, vector[at]]],
    )
    assert.deepEqual(filled, [
      ['contributors', 1],
      ['missing', 2],
      ['events, all, to 0.1', 3],
      ['events, all, to 0.3', 1],
      ['events, all, to 0.4', 1],
      ['events, all, to 0.7', 1],
      ['events, all, to 1.1', 1],
      ['events, all, to 1.2', 1],
      ['censored, all, to 1.2', 2],
    ])
    // 2.1 / 0.3 is a little above 7
    for (const [time, at] of [
      [2.1, 6],
      [2.1000001, 7],
      [4.2, 13],
      [0.9, 2],
    ] as const)
      assert.equal(intervalsOf({ width: '0.3', intervals: 20 })(time), at)
    const atRisk = slots.flatMap(({ name }, at) => (name.startsWith('sites') ? [vector[at]] : []))
    assert.deepEqual(atRisk, new Array(12).fill(1))
  })

  it('says null where a number does not exist', () => {
    // nobody of group 1 is followed beyond the first interval, and nobody of group 2 has an event
    const rows = Array.from(
      { length: 60 },
      (_, i): Row => ({ time: i < 30 ? 1 : 3, event: i % 2 && i < 30 ? 1 : 0, g: i < 30 ? 1 : 2 }),
    )
    const g = { column: 'g', levels: ['1', '2', '3'] }
    const { result } = run(dealt(rows, 4), { ...BREAST, by: g, grid: { width: 1, intervals: 3 } })
    assert.deepEqual([result.groups['1'].rmst, result.groups['2'].rmst, result.groups['3'].n], [null, 3, 0])
    assert.deepEqual(
      [result.groups['2'].median, result.groups['3'].median, result.groups['3'].rmst],
      [null, null, null],
    )
    assert.deepEqual([result.rmst_differences[0].difference, result.logrank.df], [null, 1])
    assert.deepEqual(result.lower.slice(1), [null, null])
    const none = run(
      dealt(
        rows.map((row) => ({ ...row, event: 0 })),
        4,
      ),
      { ...BREAST, by: g, grid: { width: 1, intervals: 3 } },
    )
    assert.deepEqual([none.result.logrank.chisq, none.result.logrank.p, none.result.events], [null, null, 0])
    // everyone dies: the curve ends at 0, with nothing to say about its error there
    const all = run(
      dealt(
        rows.map((row) => ({ ...row, event: 1 })),
        4,
      ),
      { ...BREAST, grid: { width: 1, intervals: 9 } },
    ).result
    assert.deepEqual([all.surv, all.std_err.at(-1), all.groups.all.rmst, all.horizon], [[0.5, 0], null, 2, 3])
  })

  it('takes parameters as users write them', () => {
    const { complete, parameters, columns, intervals } = known('survival')
    const levels = () => ['1', '2']
    const written = {
      time: 'time',
      event: { column: 'status', is: 2 },
      by: 'sex',
      grid: { width: '30.5', intervals: 24 },
    }
    const completed = complete(written, levels)
    assert.deepEqual(parameters.parse(completed), { ...written, event, by })
    assert.deepEqual([columns(completed).map(columnOf), intervals?.(completed)], [['time', 'status', 'sex'], 24])
    assert.ok(parameters.safeParse({ ...LUNG, horizon: 1080 }).success)
    for (const bad of [
      { ...LUNG, horizon: '1080.1' },
      { ...LUNG, horizon: 0 },
      { ...LUNG, by: { column: 'time', levels: ['1', '2'] } },
      { ...LUNG, grid: { width: 0, intervals: 3 } },
      { ...LUNG, grid: { width: 0.5, intervals: 3 } },
      { ...LUNG, grid: { width: '-1', intervals: 3 } },
      { ...LUNG, grid: { width: '1e3', intervals: 3 } },
      { ...LUNG, grid: { width: '1.0000000000000001', intervals: 3 } },
      { ...LUNG, grid: { width: '123456789012345', intervals: 1000 } },
      { ...LUNG, grid: { width: 1, intervals: 1001 } },
    ]) {
      assert.ok(!parameters.safeParse(bad).success, JSON.stringify(bad))
    }
  })
})

describe('disclosure of survival', () => {
  const days = { ...LUNG, by, grid: { width: 1, intervals: 1000 } }

  it('no difference of numbers at risk is a small count, where each of a one-day grid would be', () => {
    const { outcome, sums, result } = run(lungSites, days)
    assert.equal(outcome.kind, 'result')
    const { slots } = known('survival').plan(days, undefined)
    const opened = (sums[0] as bigint[]).map((sum) => Number(sum >> 60n))
    const cells = opened.filter(
      (count, at) =>
        count > 0 && /^(events|censored)/.test(slots[at]?.name ?? '') && !/to 1000$/.test(slots[at]?.name ?? ''),
    )
    assert.ok(cells.length > 200 && cells.every((count) => count < 5))
    for (const level of by.levels) {
      const own = (name: string): number[] => result[name].filter((_: number, at: number) => result.level[at] === level)
      const risk = [...own('n_risk'), 0]
      const events = own('n_event')
      for (let from = 0; from < events.length; from++) {
        for (let to = from + 1; to <= events.length; to++) {
          const died = events.slice(from, to).reduce((a, b) => a + b, 0)
          const left = (risk[from] as number) - (risk[to] as number) - died
          for (const count of [died, left, risk[to] as number]) assert.ok(count === 0 || count >= 5, `${from}-${to}`)
        }
      }
    }
  })

  it('an attacker who knows the rule cannot tell that a count of the grid is small', () => {
    // every table with so few rows, of one group without censoring, and of one with it: which have the same release?
    for (const [length, series, most] of [
      [2, 1, 20],
      [4, 1, 14],
      [2, 2, 11],
      [3, 2, 8],
    ] as const) {
      const rows = (left: number, cells: number): number[][] =>
        cells === 0
          ? [[]]
          : Array.from({ length: left + 1 }, (_, count) =>
              rows(left - count, cells - 1).map((rest) => [count, ...rest]),
            ).flat()
      const one = rows(most, length)
      const all =
        series === 1 ? one.map((cells) => [cells]) : one.flatMap((first) => one.map((second) => [first, second]))
      const classes = new Map<string, number[][]>()
      for (const counts of all) {
        const ends = mergedIntervals(counts, length, () => true, RULES)
        if (ends === undefined) continue
        const shown = counts.map((cells) => ends.map((end, at) => sum(cells.slice(ends[at - 1] ?? 0, end))))
        const key = JSON.stringify([ends, shown])
        classes.set(key, [...(classes.get(key) ?? []), counts.flat()])
      }
      const digits = length * series
      for (const [key, tables] of classes) {
        for (let cell = 0; cell < digits; cell++) {
          const values = new Set(tables.map((cells) => cells[cell] as number))
          if ([...values].some((value) => value > 0 && value < 5)) {
            assert.ok(
              [...values].some((value) => value === 0 || value >= 5),
              `${key} tells of cell ${cell}`,
            )
          }
        }
      }
    }
  })

  it('a time of follow-up that few sites have is not shown by itself', () => {
    // rotterdam goes on for years after gbsg has ended
    const parameters = { ...BREAST, grid: { width: 365, intervals: 15 } }
    const ends = (rules: DisclosureRules) => (run(breastSites, parameters, rules).outcome as Loose).released.ends
    const last = Math.max(...gbsg.map(({ time }) => time as number))
    assert.deepEqual(ends(RULES), [1, 2, 3, 4, 5, 6, 7, 15])
    assert.ok(7 * 365 < last && last < 8 * 365)
    assert.ok(ends({ minimumCell: 5, minimumContributors: 1 }).length > 10)
  })

  it('a group at few sites, and one with few rows, events or censored, refuse', () => {
    const sites = (group: (row: Row, index: number) => number) =>
      dealt(
        lung.map((row, index) => ({ ...row, g: group(row, index) })),
        6,
      )
    const g = { column: 'g', levels: ['0', '1'] }
    const rules = { minimumCell: 5, minimumContributors: 3 }
    assertSuppressed(
      run(
        sites((_, i) => (i % 6 < 2 ? 1 : 0)),
        { ...LUNG, by: g },
        rules,
      ),
      'too-few-contributors',
    )
    assert.equal(
      run(
        sites((_, i) => (i % 6 < 3 ? 1 : 0)),
        { ...LUNG, by: g },
        rules,
      ).outcome.kind,
      'result',
    )
    assertSuppressed(
      run(
        sites((_, i) => (i < 3 ? 1 : 0)),
        { ...LUNG, by: g },
      ),
      'small-cell',
    )
    const dead = lung.filter(({ status }) => status === 2)
    assertSuppressed(
      run(dealt([...dead, ...lung.filter(({ status }) => status === 1).slice(0, 4)], 6), LUNG),
      'small-cell',
    )
    assert.equal(
      run(dealt([...dead, ...lung.filter(({ status }) => status === 1).slice(0, 5)], 6), LUNG).outcome.kind,
      'result',
    )
  })

  it('a larger minimum cell merges more', () => {
    const ends = (minimumCell: number) =>
      (run(lungSites, LUNG, { ...RULES, minimumCell }).outcome as Loose).released.ends.length
    assert.ok(ends(5) > ends(10) && ends(10) > ends(20))
  })
})

function sum(counts: readonly number[]): number {
  return counts.reduce((a, b) => a + b, 0)
}
