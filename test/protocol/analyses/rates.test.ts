import assert from 'node:assert/strict'
import type { DisclosureRules } from '@flamesh/protocol/analyses/analysis.js'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { gammaQuantile, lowerGamma, upperGamma } from '@flamesh/protocol/analyses/distributions.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  gbsg,
  known,
  type Loose,
  lung,
  lungSites,
  type Row,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'

const R = reference('rates')
const bands = ['0-39', '40-49', '50-59', '60-69', '70+']
const band = (age: number): string => bands[Math.min(4, Math.max(0, Math.floor(age / 10) - 3))] as string
const breast = [...rotterdam, ...gbsg].map((row): Row => ({ ...row, band: band(row['age'] as number) }))
const dealt = (rows: readonly Row[], sites: number) =>
  [...splitBy(rows, (_, index) => index % sites).values()].map((site) => rowsOf(site))
const byBand = (values: readonly (number | string)[]) =>
  Object.fromEntries(bands.map((level, at) => [level, values[at]]))
const BREAST = {
  event: 'event',
  time: 'time',
  strata: { column: 'band', levels: bands },
  standard: byBand([20000, 14000, 12500, 9000, '6500.5']),
  reference: { rates: byBand(['80.5', 75, 74, '82.25', 110]), crude: '79.5' },
  per: 365250,
}
const hormon = { column: 'hormon', levels: ['0', '1'] }
const LUNG = {
  event: { column: 'status', is: '2' },
  time: 'time',
  strata: { column: 'ph.ecog', levels: ['0', '1', '2'] },
  standard: { 0: 1, 1: 2, 2: 1 },
  reference: { rates: { 0: '0.5', 1: '0.7', 2: 1 }, crude: '0.65' },
  per: 365,
}
const run = (sites: Parameters<typeof runFederated>[1], parameters: object, rules: DisclosureRules = RULES) =>
  runFederated('rates', sites, parameters, rules)

/** One group of a result as the record of R has it. */
function likeR(result: Loose, level: string): Loose {
  const strata: Loose[] = Object.values(result.groups[level].strata)
  const ofStrata = (name: string) => strata.map((one) => one[name])
  const ofLines = (name: string) => result[name].filter((_: unknown, at: number) => result.level[at] === level)
  return Object.fromEntries([
    ...['n', 'events', 'time', 'rate'].map((name) => [name, ofStrata(name)]),
    ...['estimate', 'se', 'lower', 'upper', 'p', 'expected'].map((name) => [name, ofLines(name)]),
  ])
}

describe('rates', () => {
  it('equal base R', () => {
    const all = run(dealt(breast, 5), BREAST).result
    assertClose(likeR(all, 'all'), R.breast)
    assert.deepEqual(all.names, ['crude', 'direct', 'smr', 'indirect'])
    assert.deepEqual([all.n, all.missing, all.per, all.contributors, all.sites_left_out], [3668, 0, 365250, 5, 0])
    const one = run(lungSites, LUNG).result
    assertClose(likeR(one, 'all'), R.lung)
    assert.deepEqual([one.n, one.missing], [226, 2])
  })

  it('by group, and with a stratum that has no weight', () => {
    const by = run(dealt(breast, 5), { ...BREAST, by: hormon }).result
    assertClose(likeR(by, '0'), R.breast_hormon_0)
    const standard = byBand([1, 1, 1, 1, 0])
    assertClose(likeR(run(dealt(breast, 5), { ...BREAST, by: hormon, standard }).result, '1'), R.breast_hormon_1)
    assert.equal(by.names[5], 'hormon=1, direct')
  })

  it('are the same however the rows are split, with empty and tiny sites and one that lacks a column', () => {
    const keys = fc.array(fc.nat(), { minLength: breast.length, maxLength: breast.length })
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), keys, (count, at) => {
        const sites = [...splitBy(breast, (_, i) => (i < 16 * count ? i : (at[i] as number)) % count).values()]
        const others = [rowsOf([]), rowsOf(breast.slice(0, 2)), rowsOf(breast.slice(0, 50), ['time'])]
        const { result } = run([...sites.map((rows) => rowsOf(rows)), ...others], { ...BREAST, by: hormon })
        assertClose(likeR(result, '0'), R.breast_hormon_0)
        assert.deepEqual([result.contributors, result.sites_left_out], [count, 3])
      }),
      { numRuns: 10, endOnFailure: true },
    )
  })

  it('hold for person-time of any magnitude', () => {
    for (const scale of [1e-6, 1e9]) {
      const scaled = breast.map((row) => ({ ...row, time: (row['time'] as number) * scale }))
      const { result } = run(dealt(scaled, 5), BREAST)
      const crude = R.breast.estimate[0] / scale
      assertClose([result.estimate[0], result.estimate[1]], [crude, R.breast.estimate[1] / scale])
    }
  })

  it('leave out negative person-time, and say null where a rate does not exist', () => {
    const rows = breast.map((row, i) => ({ ...row, time: i < 10 ? -1 : 0 }))
    const { result } = run(dealt(rows, 5), BREAST)
    assert.deepEqual(
      [result.missing, result.n, result.estimate, result.upper],
      [10, 3658, [null, null, null, null], [null, null, null, null]],
    )
    const none = run(
      dealt(
        breast.map((row) => ({ ...row, event: 0 })),
        5,
      ),
      BREAST,
    ).result
    assert.deepEqual(
      [none.estimate.slice(0, 3), none.lower.slice(0, 3), none.p[2]],
      [[0, 0, 0], [0, 0, 0], 2 * Math.exp(-none.expected[2])],
    )
    assert.ok(none.upper[1] > 0 && none.upper[0] > 0)
    const bare = run(dealt(breast, 5), { event: 'event', time: 'time', strata: BREAST.strata, per: 1 }).result
    assert.deepEqual(bare.names, ['crude'])
  })

  it('take parameters as users write them', () => {
    const { complete, parameters, columns } = known('rates')
    const levels = (column: string) => (column === 'band' ? bands : ['0', '1'])
    const written = { ...BREAST, strata: 'band', by: 'hormon', per: undefined }
    const completed = complete(written, levels)
    assert.deepEqual(parameters.parse(completed), { ...BREAST, by: hormon, per: 1 })
    assert.deepEqual(columns(completed).map(columnOf), ['event', 'time', 'band', 'hormon'])
    for (const bad of [
      { ...BREAST, standard: byBand([0, 0, 0, 0, 0]) },
      { ...BREAST, standard: { '0-39': 1 } },
      { ...BREAST, standard: { ...BREAST.standard, '80+': 1 } },
      { ...BREAST, standard: byBand([1, 1, 1, 1, 0.5]) },
      { ...BREAST, reference: { rates: { '0-39': 1 } } },
      { ...BREAST, by: { column: 'band', levels: ['0-39', '70+'] } },
      { ...BREAST, per: 0 },
    ]) {
      assert.ok(!parameters.safeParse(bad).success, JSON.stringify(bad))
    }
  })

  it('have limits and tails as R has them', () => {
    const { limits, tails, quantiles } = R
    assertClose(
      limits.o.map((o: number) => (o === 0 ? 0 : gammaQuantile(0.975, o))),
      limits.lower,
      'lower',
      1e-10,
    )
    assertClose(
      limits.o.map((o: number) => gammaQuantile(0.025, o + 1)),
      limits.upper,
      'upper',
      1e-10,
    )
    assertClose(
      tails.o.map((o: number, i: number) => upperGamma(o + 1, tails.e[i])),
      tails.at_most,
      'at most',
      1e-10,
    )
    assertClose(
      tails.o.map((o: number, i: number) => lowerGamma(o, tails.e[i])),
      tails.at_least,
      'at least',
      1e-10,
    )
    for (const [name, tail] of [
      ['q025', 0.975],
      ['q50', 0.5],
      ['q1e6', 1e-6],
    ] as const)
      assertClose(
        quantiles.shape.map((shape: number) => gammaQuantile(tail, shape)),
        quantiles[name],
        name,
        1e-10,
      )
    assert.deepEqual([lowerGamma(3, 0), upperGamma(3, 0)], [0, 1])
  })
})

describe('disclosure of rates', () => {
  /** lung with `few` events (or rows without one) in the second of three strata. */
  const stratified = (few: number, kind: 1 | 2) => {
    const ofKind = lung.filter(({ status }) => status === kind)
    const others = lung.filter(({ status }) => status !== kind)
    const mark = (rows: readonly Row[], in1: number) =>
      rows.map((row, i) => ({ ...row, s: i < in1 ? 1 : i % 2 ? 0 : 2 }))
    return dealt([...mark(ofKind, few), ...mark(others, 20)], 6)
  }
  const parameters = { ...LUNG, strata: { column: 's', levels: ['0', '1', '2'] } }

  it('no stratum is the total without the others, nor follows from a standardised rate', () => {
    for (const kind of [1, 2] as const) {
      const { result } = run(stratified(4, kind), parameters)
      assert.equal(typeof result.estimate[0], 'number')
      assert.deepEqual(result.estimate.slice(1), [null, null, null])
      assert.deepEqual(result.expected, [null, null, null, null])
      for (const stratum of Object.values(result.groups.all.strata))
        assert.deepEqual(stratum, { n: null, events: null, time: null, rate: null })
      assert.equal(typeof run(stratified(5, kind), parameters).result.estimate[1], 'number')
    }
  })

  it('no group is everyone without the others', () => {
    const grouped = (few: number) =>
      dealt(
        lung.map((row, i) => ({ ...row, g: i < few ? 2 : i % 2 })),
        4,
      )
    const by = { column: 'g', levels: ['0', '1', '2'] }
    const shown = (few: number, rules = RULES): (number | null)[] =>
      Object.values(run(grouped(few), { ...LUNG, by }, rules).result.groups).map((group: Loose) => group.n)
    const [zero, one, two] = shown(4)
    assert.equal([zero, one].filter((n) => n === null).length, 1)
    assert.equal(two, null)
    // few events in a group: neither its rate, nor its person-time
    const rare = lung.map((row, i) => ({ ...row, g: i < 20 ? 1 : 0, e: i < 20 ? (i < 3 ? 1 : 0) : i % 2 }))
    const { result } = run(dealt(rare, 4), { ...LUNG, event: 'e', by: { column: 'g', levels: ['0', '1'] } })
    assert.deepEqual([result.groups['1'].n, result.groups['1'].events, result.groups['1'].time], [null, null, null])
  })

  it('nor is one everyone of another job without the groups', () => {
    // the attack: events of all, by stratum, less those of the groups that are shown
    const rows = lung.map((row, i) => ({ ...row, g: i % 8 < 2 ? 1 : i % 2 === 0 ? 0 : 2, s: i % 3 === 0 ? 1 : 0 }))
    const plain = { time: 'time', strata: { column: 's', levels: ['0', '1'] }, per: 1 }
    const by = { column: 'g', levels: ['0', '1', '2'] }
    let hidden = 0
    for (const [few, inOneStratum] of [
      [3, false],
      [3, true],
    ] as const) {
      const marked = rows.map((row, i) => {
        const apart = row.g === 1 && (row.s === 1 || !inOneStratum)
        return { ...row, e: apart ? (i < 24 * few && i % 8 === 0 && row.s === 1 ? 1 : 0) : i % 2 }
      })
      const sites = dealt(marked, 4)
      const all = run(sites, { ...plain, event: 'e' }).result.groups.all
      const { groups } = run(sites, { ...plain, event: 'e', by }).result
      const rest = (of: (group: Loose) => Loose) => {
        const shown = Object.values<Loose>(groups).map(of)
        if (!shown.some(({ n }) => n === null)) return
        hidden++
        const left = (what: string) => shown.reduce((sum, one) => sum - (one[what] ?? 0), of(all)[what])
        for (const count of [left('n'), left('events'), left('n') - left('events')])
          assert.ok(count === 0 || count >= 5, `${count} of ${JSON.stringify(shown)}`)
      }
      rest((group) => group)
      for (const stratum of ['0', '1']) rest((group) => group.strata[stratum])
    }
    assert.ok(hidden >= 3, `${hidden}`)
  })

  it('nor of any job: what is withheld all together is none, or enough, in all and in every stratum', () => {
    const count = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 30 }))
    const cell = fc.tuple(count, count)
    const plain = { event: 'e', time: 't', strata: { column: 's', levels: ['0', '1'] }, per: 1 }
    const by = { column: 'g', levels: ['0', '1', '2'] }
    let [hidden, shown] = [0, 0]
    fc.assert(
      fc.property(fc.array(cell, { minLength: 6, maxLength: 6 }), (cells) => {
        const rows = cells.flatMap(([died, others], at) =>
          Array.from(
            { length: died + others },
            (_, i): Row => ({ g: at >> 1, s: at % 2, e: i < died ? 1 : 0, t: i * 7.5 }),
          ),
        )
        fc.pre(rows.length >= 40)
        const { result } = run(dealt(rows, 4), { ...plain, by })
        const cellsOf = (stratum?: number) =>
          by.levels.map((level, g) => {
            const own =
              stratum === undefined ? cells.slice(2 * g, 2 * g + 2) : [cells[2 * g + stratum] as [number, number]]
            const group = result.groups[level]
            return { told: (stratum === undefined ? group : group.strata[stratum]).n !== null, own }
          })
        for (const groups of [cellsOf(), cellsOf(0), cellsOf(1)]) {
          const left = groups.filter(({ told }) => !told).flatMap(({ own }) => own)
          if (left.length > 0) hidden++
          else shown++
          for (const which of [0, 1]) {
            const sum = left.reduce((total, one) => total + (one[which] as number), 0)
            // where no group is told, everyone is held to the rules for everyone
            assert.ok(sum === 0 || sum >= 5 || groups.every(({ told }) => !told), `${sum} of ${JSON.stringify(cells)}`)
          }
        }
      }),
      { numRuns: 80 },
    )
    assert.ok(hidden > 20 && shown > 5, `${hidden}, ${shown}`)
  })

  it('person-time of zeros and ones is no count of the ones', () => {
    const flagged = (count: number) =>
      dealt(
        lung.map((row, i) => ({ ...row, flag: i < count ? 1 : 0 })),
        4,
      )
    const parameters = { event: LUNG.event, time: 'flag', strata: { column: 'sex', levels: ['1', '2'] }, per: 1 }
    const { all } = run(flagged(3), parameters).result.groups
    assert.deepEqual([all.n, all.time, all.strata['1'].time], [null, null, null])
    assert.equal(run(flagged(40), parameters).result.groups.all.time, 40)
  })

  it('a group, and a stratum, that few sites have is withheld', () => {
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const at = (sites: number) =>
      dealt(
        lung.map((row, i) => ({ ...row, g: i % 6 < sites ? 1 : 0 })),
        6,
      )
    const by = { column: 'g', levels: ['0', '1'] }
    const n = (sites: number) => run(at(sites), { ...LUNG, by }, rules).result.groups['1'].n
    assert.deepEqual([n(2), typeof n(3)], [null, 'number'])
    const strata = { column: 'g', levels: ['0', '1'] }
    const bare = { event: LUNG.event, time: 'time', strata, per: 1, standard: { 0: 1, 1: 1 } }
    assert.deepEqual(run(at(2), bare, rules).result.estimate[1], null)
    assert.equal(typeof run(at(3), bare, rules).result.estimate[1], 'number')
  })

  it('too few contributors refuse', () => {
    assertSuppressed(run(lungSites, LUNG, { ...RULES, minimumContributors: 9 }), 'too-few-contributors')
  })
})
