import assert from 'node:assert/strict'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  breastSites,
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
import { rankOracle } from './oracle.js'
import { event, extended, sex, sitesOf } from './runs.js'

const R = reference('hazards').ranks
const LUNG = { time: 'time', event, by: sex, strata: 'site' }
const hormon = { column: 'hormon', levels: ['0', '1'] }
const BREAST = { time: 'time', event: 'event', by: hormon, strata: 'site' }

describe('log-rank', () => {
  it('equals R stratified by site', () => {
    const { result, rounds } = runFederated('log-rank', lungSites, LUNG)
    assertClose(result, { ...R.lung, names: ['sex=1', 'sex=2'], n: 228, events: 165, missing: 0 })
    assert.deepEqual([rounds, result.contributors, result.sites_informative, result.sites_left_out], [1, 8, 8, 0])
    assertClose(runFederated('log-rank', breastSites, BREAST).result, R.breast)
  })

  it('of several groups, and within sites by a factor', () => {
    const levels = ['0', '1', '2']
    const three = [...lungByInstitution.values()].map((rows) =>
      rowsOf(rows.filter((row) => levels.includes(String(row['ph.ecog'])))),
    )
    assertClose(runFederated('log-rank', three, { ...LUNG, by: { column: 'ph.ecog', levels } }).result, R.lung_three)
    const nodes = { column: 'nodes', levels: ['0', '1', '2', '3', '4'] }
    const six = [...splitBy([...rotterdam, ...gbsg], (_, index) => index % 6).values()].map((rows) => rowsOf(rows))
    assertClose(runFederated('log-rank', six, { ...BREAST, by: nodes }).result, R.breast_nodes)
    const wards = [...lungByInstitution.values()].map((rows) =>
      rowsOf(rows.map((row) => ({ ...row, ward: lung.indexOf(row) % 2 }))),
    )
    const within = { column: 'ward', levels: ['0', '1'] }
    const { result } = runFederated('log-rank', wards, { ...LUNG, within })
    assertClose(result, { ...R.lung_within, within })
  })

  it('of one site is the test without strata', () => {
    const rules = { ...RULES, minimumContributors: 1 }
    assertClose(runFederated('log-rank', [rowsOf(lung)], LUNG, rules).result, R.lung_one)
  })

  it('is the definition, however the rows are split, with empty and tiny sites and one that lacks a column', () => {
    const breast = [...rotterdam, ...gbsg]
    const keys = fc.array(fc.nat(), { minLength: breast.length, maxLength: breast.length })
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), keys, (count, at) => {
        const sites = [...splitBy(breast, (_, i) => (i < 7 * count ? i : (at[i] as number)) % count).values()]
        const others = [rowsOf([]), rowsOf(breast.slice(0, 2)), rowsOf(breast.slice(0, 50), ['hormon'])]
        const { result } = runFederated('log-rank', [...sites.map((rows) => rowsOf(rows)), ...others], BREAST)
        assertClose(result, rankOracle(hormon)(sites))
        assert.deepEqual([result.observed, result.contributors, result.sites_left_out], [[1712, 300], count, 3])
      }),
      { numRuns: 5, endOnFailure: true },
    )
  })

  it('leaves out groups of which nothing is expected', () => {
    const by = { column: 'sex', levels: ['1', '2', '3'] }
    const { result } = runFederated('log-rank', lungSites, { ...LUNG, by })
    assertClose(result, { chisq: R.lung.chisq, df: 1, size: [138, 90, 0], expected: [...R.lung.expected, 0] })
    // with one group alone there is nothing to compare
    const men = sitesOf(lung.filter((row) => row['sex'] === 1))
    assertSuppressed(runFederated('log-rank', men, LUNG), 'too-few-contributors')
  })

  it('takes parameters as users write them', () => {
    const { complete, parameters, columns } = known('log-rank')
    const completed = complete({ time: 'time', event: { column: 'status', is: 2 }, by: 'sex' }, () => ['1', '2'])
    assert.deepEqual(parameters.parse(completed), LUNG)
    assert.deepEqual(columns({ ...LUNG, within: hormon }).map(columnOf), ['time', 'status', 'sex', 'hormon'])
    for (const bad of [
      { ...LUNG, strata: 'none' },
      { ...LUNG, by: { column: 'time', levels: ['1', '2'] } },
      { ...LUNG, within: sex },
      { ...LUNG, grid: { width: 1, intervals: 3 } },
    ])
      assert.ok(!parameters.safeParse(bad).success)
  })
})

describe('disclosure of log-rank', () => {
  const rules = { minimumCell: 5, minimumContributors: 3 }

  it('refuses few events, few censored and few of a group or level', () => {
    const of = (rows: readonly Row[], parameters: Loose = LUNG) => runFederated('log-rank', sitesOf(rows), parameters)
    const dead = lung.filter(({ status }) => status === 2)
    const alive = (sexes: number, count: number) =>
      lung.filter(({ status, sex }) => status === 1 && sex === sexes).slice(0, count)
    assertSuppressed(of([...dead, ...alive(1, 20), ...alive(2, 4)]), 'small-cell')
    assert.equal(of([...dead, ...alive(1, 20), ...alive(2, 5)]).outcome.kind, 'result')
    const others = lung.filter(({ status, sex }) => status === 1 || sex === 2)
    const men = lung.filter(({ status, sex }) => status === 2 && sex === 1)
    assertSuppressed(of([...others, ...men.slice(0, 4)]), 'small-cell')
    assert.equal(of([...others, ...men.slice(0, 5)]).outcome.kind, 'result')
    const within = { column: 'ward', levels: ['0', '1'] }
    const warded = (few: number) =>
      runFederated(
        'log-rank',
        extended((_, index) => ({ ward: index < few ? 1 : 0 })),
        { ...LUNG, within },
      )
    assertSuppressed(warded(4), 'small-cell')
    assert.equal(warded(12).outcome.kind, 'result')
  })

  it('refuses sums that are those of few sites, whose groups alone are at risk together', () => {
    // others have men or women alone: all they add is zero, and O − E would be that of two sites
    const [first, second, ...others] = [...splitBy(lung, (_, index) => index % 8).values()] as [
      Row[],
      Row[],
      ...Row[][],
    ]
    const mixed = [first, second]
    const alone = others.map((rows, site) => rows.filter(({ sex }) => sex === 1 + (site % 2)))
    const sites = [...mixed, ...alone].map((rows) => rowsOf(rows))
    const both = mixed.map((rows) => rowsOf(rows))
    const none = { minimumCell: 1, minimumContributors: 2 }
    const { result } = runFederated('log-rank', sites, LUNG, none)
    const few = runFederated('log-rank', both, LUNG, none).result
    assertClose(result.observed[0] - result.expected[0], few.observed[0] - few.expected[0])
    assertSuppressed(runFederated('log-rank', sites, LUNG, rules), 'too-few-contributors')
    // a group that is at two sites, of many
    const g = { column: 'g', levels: ['0', '1'] }
    const at = (last: number) => extended((_, index) => ({ g: index % 4 <= last && index % 3 === 0 ? 1 : 0 }))
    assertSuppressed(runFederated('log-rank', at(1), { ...LUNG, by: g }, rules), 'too-few-contributors')
    assert.equal(runFederated('log-rank', at(2), { ...LUNG, by: g }, rules).outcome.kind, 'result')
  })

  it('refuses levels that do not add up', () => {
    const within = { column: 'ward', levels: ['0', '1'] }
    const parameters = { ...LUNG, within }
    const [sum = []] = runFederated(
      'log-rank',
      extended((_, index) => ({ ward: index % 2 })),
      parameters,
    ).sums
    const { combine, plan } = known('log-rank')
    const at = plan(parameters, undefined).slots.findIndex(({ name }) => name === 'ward=1')
    const forged = combine(
      sum.with(at, (sum[at] as bigint) + (1n << 60n)),
      { parameters, rules, survivors: 4 },
      undefined,
    )
    assert.equal((forged as Loose).code, 'implausible-sum')
  })
})
