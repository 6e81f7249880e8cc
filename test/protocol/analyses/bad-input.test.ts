import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import { known, type Loose, lung, lungSites, RULES, rowsOf, runFederated } from './federation.js'
import { event, linear, logistic, RUNS, sitesOf } from './runs.js'

const thrownBy = (action: () => unknown): FlameshError => {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof FlameshError, String(error))
    return error
  }
  assert.fail('nothing was thrown')
}

describe('columns that do not fit', () => {
  it('are named to the site, with a hint', () => {
    const textual = rowsOf(lung.map((row) => ({ ...row, text: 'a' })))
    const wrong = thrownBy(() => known('linear').contribute(textual, { ...linear, covariates: ['text'] }, undefined))
    assert.deepEqual([wrong.code, wrong.meta['column'], typeof wrong.hint], ['column-type', 'text', 'string'])
    const coded = thrownBy(() => known('logistic').contribute(textual, { ...logistic, outcome: 'status' }, undefined))
    assert.deepEqual([coded.code, coded.meta['column'], typeof coded.hint], ['column-values', 'status', 'string'])
    const huge = rowsOf(lung.map((row) => ({ ...row, huge: (row['age'] as number) * 1e14 })))
    const large = thrownBy(() => known('describe').contribute(huge, { columns: ['huge'] }, undefined))
    assert.deepEqual([large.code, typeof large.hint], ['out-of-bound', 'string'])
  })

  it('values that are not finite, and levels nobody agreed on, are missing', () => {
    const sites = lungSites.map(({ count, columns }) => {
      const age = (columns.get('age') as Float64Array).slice()
      age[0] = Number.POSITIVE_INFINITY
      return { count, columns: new Map([...columns, ['age', age] as const]) }
    })
    const { result } = runFederated('describe', sites, { columns: ['age'] })
    assert.deepEqual([result.describe.age.n, result.describe.age.missing], [220, 8])
    const table = runFederated('table', sitesOf(lung), {
      rows: { column: 'ph.ecog', levels: ['0', '1'] },
      columns: event,
    }).result
    assert.deepEqual([table.n, table.missing, table.counts_by_row], [176, 52, [26, 37, 31, 82]])
  })

  it('a column of text levels works as a factor', () => {
    const named = lung.map((row) => ({ ...row, gender: row['sex'] === 1 ? 'male' : 'female' }))
    const { result } = runFederated('linear', sitesOf(named), {
      ...linear,
      covariates: ['age', { column: 'gender', levels: ['male', 'female'], reference: 'male' }],
    })
    assert.deepEqual(result.names, ['(Intercept)', 'age', 'genderfemale'])
    assert.ok(Math.abs(result.coef[2] + 164.62) < 0.01)
  })
})

describe('a sum that no honest sites can have', () => {
  it('is refused, not computed with', () => {
    for (const [name, parameters] of RUNS) {
      const analysis = known(name)
      const context = { parameters, rules: RULES, survivors: 8 }
      const honest = runFederated(name, lungSites, parameters).sums[0] as bigint[]
      const counts = analysis
        .plan(parameters, undefined)
        .slots.flatMap((slot, at) => (slot.kind === 'count' ? [at] : []))
      for (const at of counts) {
        for (const forged of [-1n << 60n, 1n, 1n << 120n]) {
          const outcome = analysis.combine(honest.with(at, forged), context, undefined)
          assert.equal(
            outcome.kind === 'suppressed' ? outcome.code : outcome.kind,
            'implausible-sum',
            `${name} slot ${at}`,
          )
        }
      }
      const nine = analysis.combine(honest.with(0, 9n << 60n), context, undefined)
      assert.equal(nine.kind === 'suppressed' && nine.code, 'implausible-sum')
      assert.equal(analysis.combine(honest.slice(1), context, undefined).kind, 'suppressed')
    }
  })

  it('never makes combine throw, nor release what has no encoding', () => {
    const word = fc.oneof(
      fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n }),
      fc.bigInt({ min: 0n, max: 200n }).map((count) => count << 60n),
    )
    const runs = RUNS.flatMap(([name, parameters]): [string, Loose, Loose][] => {
      const shift = { centre: 60, scale: 9 }
      const columns = known(name).columns(parameters).length
      const beta = new Array(name === 'logistic' ? 3 : Math.max(0, columns - 2)).fill(0.5)
      const others: Loose = {
        moments: { columns: [shift, shift] },
        quantiles: { intervals: [{ low: 9, high: 99 }, null] },
      }
      const state = others[name] ?? { iteration: 3, beta, best: null }
      return known(name).iterative
        ? [
            [name, parameters, undefined],
            [name, parameters, state],
          ]
        : [[name, parameters, undefined]]
    })
    for (const [name, parameters, state] of runs) {
      const analysis = known(name)
      const { slots } = analysis.plan(parameters, state)
      const counts = fc.nat(200).map((count) => BigInt(count) << 60n)
      const sum = fc.tuple(
        ...slots.map((slot, at) => (at === 0 ? fc.constant(5n << 60n) : slot.kind === 'count' ? counts : word)),
      )
      fc.assert(
        fc.property(sum, (words) => {
          const outcome = analysis.combine(words, { parameters, rules: RULES, survivors: 8 }, state)
          if (outcome.kind === 'result') analysis.released.parse(outcome.released)
          if (outcome.kind === 'state') analysis.state.parse(outcome.state)
          encode(outcome)
        }),
        { numRuns: 60 },
      )
    }
  })
})
