import assert from 'node:assert/strict'
import { proportionality } from '@flamesh/protocol/analyses/hazards.js'
import {
  assertClose,
  breastSites,
  known,
  lung,
  lungByInstitution,
  type Row,
  reference,
  rowsOf,
  runFederated,
} from './federation.js'
import { cox, event, sitesOf } from './runs.js'

const R = reference('hazards')
const sex = { column: 'sex', levels: ['1', '2'], reference: '1' }
const ecog = (...levels: string[]) => ({ column: 'ph.ecog', levels, reference: '0' })
const upTo = (rows: readonly Row[], level: number) =>
  rows.filter((row) => row['ph.ecog'] !== null && (row['ph.ecog'] as number) <= level)
const three = [...lungByInstitution.values()].map((rows) => rowsOf(upTo(rows, 2)))
const ofThree = { ...cox, covariates: ['age', 'sex', ecog('0', '1', '2')] }

describe('cox tests proportional hazards', () => {
  it('as cox.zph does, of coefficients, of factors and of all together', () => {
    for (const zph of ['identity', 'log']) {
      const { result, rounds } = runFederated('cox', three, { ...ofThree, zph })
      assertClose(result, R[`lung_${zph}`])
      assert.deepEqual(Object.keys(result.zph), ['age', 'sex', 'ph.ecog', 'ph.ecog1', 'ph.ecog2', 'GLOBAL'])
      assert.equal(rounds, 1 + result.iterations)
    }
  })

  it('of interactions, and of skewed covariates whose effects do change', () => {
    const of = (first: string, second: string) => ({ interaction: [first, second] })
    const covariates = ['age', sex, ecog('0', '1'), of('age', 'sex'), of('sex', 'ph.ecog')]
    const crossed = runFederated('cox', sitesOf(upTo(lung, 1)), { ...cox, covariates, zph: 'log' })
    assertClose(crossed.result, R.interactions)
    const breast = { time: 'time', event: 'event', covariates: ['age', 'hormon', 'nodes'], strata: 'site' }
    const { result } = runFederated('cox', breastSites, { ...breast, zph: 'identity' })
    assertClose(result, R.breast)
    assert.ok(result.zph.GLOBAL.p < 1e-5)
  })

  it('with one round more than without, the only one whose sums are weighted by time', () => {
    const tested = runFederated('cox', three, { ...ofThree, zph: 'log' })
    const plain = runFederated('cox', three, ofThree)
    const size = (sums: typeof plain.sums) => sums.map((sum) => sum.length)
    assert.equal(tested.rounds, plain.rounds + 1)
    assert.deepEqual(size(tested.sums).slice(0, -1), size(plain.sums))
    // score, information and information again, in two words each
    assert.equal((size(tested.sums).at(-1) as number) - (size(plain.sums).at(-1) as number), 2 * (4 + 10 + 10))
    assertClose(tested.result.coef, plain.result.coef)
    assert.equal(plain.result.zph, undefined)
  })

  it('says null where there is no test: all events at one time, or information that is none', () => {
    const rows = lung.map((row, index) => ({ ...row, time: index % 3 === 0 ? 5 : 7, status: index % 3 === 0 ? 2 : 1 }))
    const { result } = runFederated('cox', sitesOf(rows), { ...cox, zph: 'identity' })
    assert.deepEqual(result.zph, {
      age: { chisq: null, df: 1, p: null },
      sex: { chisq: null, df: 1, p: null },
      GLOBAL: { chisq: null, df: 2, p: null },
    })
    for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const sums = { information: [[1]], score: [value], once: [[value]], twice: [[value]] }
      assert.ok(proportionality(sums, ['age']).coef.every((one) => one === null || one >= 0))
    }
  })

  it('a logarithm needs events after 0; the site is told which column', () => {
    const early = rowsOf(lung.map((row, index) => ({ ...row, time: index === 0 ? 0 : (row['time'] as number) })))
    assert.throws(() => known('cox').contribute(early, { ...cox, zph: 'log' }, undefined), {
      code: 'column-values',
      meta: { column: 'time' },
    })
    const censored = rowsOf(lung.map((row) => ({ ...row, time: row['status'] === 1 ? 0 : (row['time'] as number) })))
    for (const [rows, zph] of [
      [early, 'identity'],
      [censored, 'log'],
    ] as const)
      assert.equal(known('cox').contribute(rows, { ...cox, event, zph }, undefined)[0], 1)
  })
})
