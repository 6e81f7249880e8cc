import assert from 'node:assert/strict'
import {
  checkCells,
  checkContributors,
  checkSites,
  isSmallCell,
  parametersAllowed,
  subsetAllowed,
  withheldCells,
  withheldGroups,
} from '@flamesh/protocol/privacy/disclosure.js'
import fc from 'fast-check'

const RULES = { minimumCell: 3, minimumContributors: 2 }

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** Smallest and largest value of a withheld cell over all tables with the released cells and the margins, by trying them. */
function range(
  counts: readonly number[],
  columns: number,
  withheld: readonly boolean[],
  target: number,
): [number, number] {
  const rows = counts.length / columns
  const free = [target, ...counts.map((_, at) => at).filter((at) => withheld[at] && at !== target)]
  const rowLeft = Array.from({ length: rows }, (_, r) =>
    free.filter((at) => Math.floor(at / columns) === r).reduce((sum, at) => sum + (counts[at] as number), 0),
  )
  const columnLeft = Array.from({ length: columns }, (_, c) =>
    free.filter((at) => at % columns === c).reduce((sum, at) => sum + (counts[at] as number), 0),
  )
  const possible = (index: number): boolean => {
    if (index === free.length) return [...rowLeft, ...columnLeft].every((left) => left === 0)
    const at = free[index] as number
    const row = Math.floor(at / columns)
    const column = at % columns
    for (let value = Math.min(rowLeft[row] as number, columnLeft[column] as number); value >= 0; value--) {
      if (fits(index, at, value)) return true
    }
    return false
  }
  const fits = (index: number, at: number, value: number): boolean => {
    const row = Math.floor(at / columns)
    const column = at % columns
    rowLeft[row] = (rowLeft[row] as number) - value
    columnLeft[column] = (columnLeft[column] as number) - value
    const lastOfRow = free.slice(index + 1).every((other) => Math.floor(other / columns) !== row)
    const found = (!lastOfRow || rowLeft[row] === 0) && possible(index + 1)
    rowLeft[row] = (rowLeft[row] as number) + value
    columnLeft[column] = (columnLeft[column] as number) + value
    return found
  }
  const most = Math.min(rowLeft[Math.floor(target / columns)] as number, columnLeft[target % columns] as number)
  const values = Array.from({ length: most + 1 }, (_, value) => value).filter((value) => fits(0, target, value))
  return [values[0] as number, values.at(-1) as number]
}

const anyTable = fc.tuple(fc.integer({ min: 2, max: 3 }), fc.integer({ min: 2, max: 3 })).chain(([rows, columns]) =>
  fc.tuple(
    fc.array(fc.oneof({ weight: 1, arbitrary: fc.nat(2) }, { weight: 5, arbitrary: fc.nat(9) }), {
      minLength: rows * columns,
      maxLength: rows * columns,
    }),
    fc.constant(columns),
  ),
)

describe('withheld cells', () => {
  it('none without a small cell', () => {
    fc.assert(
      fc.property(anyTable, ([counts, columns]) => {
        const raised = counts.map((count) => (count > 0 && count < 3 ? 3 : count))
        assert.ok(withheldCells(raised, columns, RULES)?.every((is) => !is))
      }),
    )
  })

  it('every small cell may be zero, and may be no small cell, for whoever knows the rest and the margins', () => {
    let solved = 0
    fc.assert(
      fc.property(anyTable, ([counts, columns]) => {
        const withheld = withheldCells(counts, columns, RULES)
        if (withheld === undefined) return
        counts.forEach((count, at) => {
          if (!isSmallCell(count, RULES)) return
          assert.ok(withheld[at])
          const [least, most] = range(counts, columns, withheld, at)
          assert.ok(least === 0 && most >= RULES.minimumCell, `${counts} cell ${at}: ${least} to ${most}`)
          solved++
        })
      }),
      { numRuns: 300 },
    )
    assert.ok(solved > 20)
  })

  it('the roomiest rectangle, or the margins too if it has no room', () => {
    const rules = { minimumCell: 5, minimumContributors: 2 }
    assert.deepEqual(withheldCells([1, 50, 9, 60, 70, 80, 20, 30, 10], 3, rules), [
      true,
      true,
      false,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    assert.equal(withheldCells([4, 0, 9, 9], 2, rules), undefined)
    assert.equal(withheldCells([4, 4, 9, 9], 2, rules), undefined)
    assert.equal(withheldCells([1, 7, 9, 9], 2, rules), undefined)
    assert.deepEqual(withheldCells([0, 9, 9, 0], 2, rules), [false, false, false, false])
  })

  it('a small cell may hold any small number, for whoever knows the rule as well', () => {
    const height = 2
    let releases = 0
    for (const [columns, top] of [
      [2, 16],
      [3, 11],
    ] as const) {
      const size = height * columns
      const seen = new Map<string, number[][]>()
      const counts = new Array<number>(size).fill(0)
      const visit = (at: number): void => {
        if (at < size) {
          for (let value = 0; value <= top; value++) {
            counts[at] = value
            visit(at + 1)
          }
          return
        }
        const margins = [
          ...Array.from({ length: height }, (_, r) => sumOf(counts.slice(r * columns, (r + 1) * columns))),
          ...Array.from({ length: columns }, (_, c) => sumOf(counts.filter((_, cell) => cell % columns === c))),
        ]
        // so that every table with these margins is among those that are tried
        if (margins.some((margin) => margin > top)) return
        const withheld = withheldCells(counts, columns, RULES)
        if (withheld === undefined || !withheld.includes(true)) return
        const released = `${counts.map((count, cell) => (withheld[cell] ? 'x' : count))} of ${margins}`
        seen.set(released, [...(seen.get(released) ?? []), [...counts]])
      }
      visit(0)
      for (const [released, tables] of seen) {
        releases++
        for (const table of tables) {
          table.forEach((count, cell) => {
            if (!isSmallCell(count, RULES)) return
            const values = new Set(tables.map((other) => other[cell]))
            assert.ok(values.has(1) && values.has(2), `${released}: cell ${cell} is ${count}`)
          })
        }
      }
    }
    assert.ok(releases > 1000)
  }).timeout(60_000)
})

describe('withheld groups', () => {
  const group = (rows: number, sites = 8) => ({ rows, sites })
  const rules = { minimumCell: 5, minimumContributors: 5 }

  it('the small ones and the smallest other', () => {
    assert.deepEqual(withheldGroups([group(40), group(4), group(30), group(0)], rules), [false, true, true, false])
    assert.deepEqual(withheldGroups([group(4), group(3), group(30), group(9)], rules), [true, true, false, true])
    assert.deepEqual(withheldGroups([group(5), group(0)], rules), [false, false])
  })

  it('those at fewer than three sites', () => {
    assert.deepEqual(withheldGroups([group(40, 2), group(30, 3), group(50, 5)], rules), [true, true, false])
  })

  it('all of them if nothing covers', () => {
    assert.deepEqual(withheldGroups([group(4), group(0)], rules), [true, true])
    assert.deepEqual(withheldGroups([group(40, 1), group(30, 1), group(0)], rules), [true, true, true])
  })

  it('what the whole gives away is never a small number of rows nor of one exposed group', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.nat(6)), { minLength: 1, maxLength: 6 }), (given) => {
        const groups = given.map(([rows, sites]) => group(rows, Math.min(rows, sites)))
        const withheld = withheldGroups(groups, rules)
        const hidden = groups.filter((_, at) => withheld[at])
        if (hidden.length === 0 || hidden.length === groups.length) return
        assert.ok(hidden.length >= 2)
        assert.ok(hidden.some(({ rows, sites }) => rows >= 5 && sites >= 3))
        for (const { rows, sites } of groups.filter((_, at) => !withheld[at]))
          assert.ok(rows === 0 || (rows >= 5 && sites >= 3))
      }),
    )
  })
})

describe('rules', () => {
  it('of a site', () => {
    assert.deepEqual(
      [parametersAllowed(3, 10), parametersAllowed(3, 9), parametersAllowed(33, 100), parametersAllowed(34, 100)],
      [true, false, true, false],
    )
    assert.deepEqual(
      [
        subsetAllowed(3, []),
        subsetAllowed(2, []),
        subsetAllowed(7, [2]),
        subsetAllowed(6, [2]),
        subsetAllowed(9000, [41]),
      ],
      [true, false, true, false, false],
    )
  })

  it('of the gate', () => {
    const rules = { minimumCell: 5, minimumContributors: 5 }
    assert.deepEqual(
      [0, 1, 4, 5].map((count) => isSmallCell(count, rules)),
      [false, true, true, false],
    )
    assert.equal(checkContributors(5, rules), undefined)
    assert.equal(checkContributors(4, rules)?.code, 'too-few-contributors')
    assert.equal(checkCells([0, 5, 9], rules), undefined)
    assert.equal(checkCells([0, 5, 4], rules)?.code, 'small-cell')
    assert.equal(
      checkSites(
        [
          { rows: 9, sites: 3 },
          { rows: 0, sites: 0 },
        ],
        rules,
      ),
      undefined,
    )
    assert.equal(checkSites([{ rows: 9, sites: 2 }], rules)?.code, 'too-few-contributors')
  })
})
