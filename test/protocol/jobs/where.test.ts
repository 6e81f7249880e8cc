import assert from 'node:assert/strict'
import type { Column, Rows } from '@flamesh/protocol/analyses/analysis.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import { conditionProblem, selectRows } from '@flamesh/protocol/jobs/where.js'
import fc from 'fast-check'
import { thrownCode } from './support.js'

const NUMBERS = Float64Array.of(18, 18.5, Number.NaN, -3, 0)
const rows: Rows = {
  count: 5,
  columns: new Map<string, Column>([
    ['row', Float64Array.of(0, 1, 2, 3, 4)],
    ['age', NUMBERS],
    ['sex', ['f', 'm', null, 'f', '1']],
  ]),
}

const kept = (...where: Condition[]): number[] => [...(selectRows(rows, where).columns.get('row') as Float64Array)]
const condition = (column: string, operator: Condition['operator'], ...values: (string | number)[]): Condition => ({
  column,
  operator,
  values,
})

describe('where', () => {
  it('compares numbers, decimals given as text', () => {
    assert.deepEqual(kept(condition('age', 'at-least', '18.5')), [1])
    assert.deepEqual(kept(condition('age', 'at-least', 18)), [0, 1])
    assert.deepEqual(kept(condition('age', 'above', 18)), [1])
    assert.deepEqual(kept(condition('age', 'at-most', 0)), [3, 4])
    assert.deepEqual(kept(condition('age', 'below', '-2.9')), [3])
    assert.deepEqual(kept(condition('age', 'is', '18.50')), [1])
    assert.deepEqual(kept(condition('age', 'in', 0, '-3')), [3, 4])
  })

  it('compares levels as text', () => {
    assert.deepEqual(kept(condition('sex', 'is', 'f')), [0, 3])
    assert.deepEqual(kept(condition('sex', 'is', 1)), [4])
    assert.deepEqual(kept(condition('sex', 'is', '1.0')), [])
    assert.deepEqual(kept(condition('sex', 'in', 'm', 1)), [1, 4])
  })

  it('never lets a missing value hold', () => {
    assert.deepEqual(kept(condition('age', 'is-not', 7)), [0, 1, 3, 4])
    assert.deepEqual(kept(condition('sex', 'is-not', 'f')), [1, 4])
    assert.deepEqual(kept(condition('age', 'present')), [0, 1, 3, 4])
    assert.deepEqual(kept(condition('sex', 'present')), [0, 1, 3, 4])
    assert.deepEqual(kept(condition('age', 'is', 'NaN')), [])
    assert.deepEqual(kept(condition('age', 'in', 'NaN', 'x')), [])
  })

  it('takes text on a numeric column as equal to nothing and different from everything', () => {
    assert.deepEqual(kept(condition('age', 'is', 'young')), [])
    assert.deepEqual(kept(condition('age', 'is-not', 'young')), [0, 1, 3, 4])
    assert.deepEqual(kept(condition('age', 'is', '')), [])
  })

  it('keeps every column of the rows that pass, and all rows without conditions', () => {
    const some = selectRows(rows, [condition('age', 'is', '18.5')])
    assert.equal(some.count, 1)
    assert.deepEqual(some.columns.get('sex'), ['m'])
    assert.deepEqual(some.columns.get('age'), Float64Array.of(18.5))
    assert.deepEqual(selectRows(rows, []), rows)
    assert.equal(selectRows(rows, [condition('age', 'is', 999)]).count, 0)
  })

  it('keeps no row where the site lacks a column: every value of it is missing', () => {
    for (const operator of ['present', 'is', 'is-not'] as const) {
      const values = operator === 'present' ? [] : [1]
      assert.equal(selectRows(rows, [{ column: 'weight', operator, values }]).count, 0)
    }
  })

  it('refuses to order levels, and conditions that say nothing definite', () => {
    assert.equal(
      thrownCode(() => selectRows(rows, [condition('sex', 'at-least', 1)])),
      'column-type',
    )
    for (const bad of [
      condition('age', 'is'),
      condition('age', 'is', 1, 2),
      condition('age', 'in'),
      condition('age', 'present', 1),
      condition('age', 'at-least', 'old'),
      condition('age', 'below', '1e3'),
      condition('age', 'below', ' 1'),
    ]) {
      assert.notEqual(conditionProblem(bad), undefined)
      assert.equal(
        thrownCode(() => selectRows(rows, [bad])),
        'job-invalid',
      )
    }
  })

  it('splits the present rows: a comparison and its opposite cover each exactly once', () => {
    const opposites: [Condition['operator'], Condition['operator']][] = [
      ['is', 'is-not'],
      ['at-least', 'below'],
      ['at-most', 'above'],
    ]
    const column = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NaN)))
    fc.assert(
      fc.property(
        column,
        fc.integer({ min: -3, max: 3 }),
        fc.constantFrom(...opposites),
        (values, constant, [one, other]) => {
          const data: Rows = { count: values.length, columns: new Map([['x', Float64Array.from(values)]]) }
          const count = (operator: Condition['operator']) =>
            selectRows(data, [condition('x', operator, constant)]).count
          assert.equal(count(one) + count(other), selectRows(data, [condition('x', 'present')]).count)
        },
      ),
    )
  })

  it('means every condition, in any order', () => {
    const one = fc.constantFrom<Condition>(
      condition('age', 'at-least', 0),
      condition('age', 'below', 18),
      condition('sex', 'is', 'f'),
      condition('sex', 'present'),
      condition('age', 'in', 0, 18),
    )
    fc.assert(
      fc.property(fc.array(one, { maxLength: 5 }), (where) => {
        const each = where.map((single) => new Set(kept(single)))
        const expected = [0, 1, 2, 3, 4].filter((row) => each.every((set) => set.has(row)))
        assert.deepEqual(kept(...where), expected)
        assert.deepEqual(kept(...[...where].reverse()), expected)
      }),
    )
  })
})
