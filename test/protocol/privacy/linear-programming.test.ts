/**
 * A solver against complementary suppression: of what `table` published it makes a linear program, cells that were withheld
 * as unknowns, and asks for the least and the most that each can be. Tables of any size have whole-numbered corners here, since
 * the margins form a transportation polytope, so what the solver finds is exact.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import highsModule from 'highs'
import { type Loose, type Row, rowsOf, runFederated, splitBy } from '../analyses/federation.js'

/** Its types say that the module has a default export; Node.js gives the module itself. */
const loadHighs = highsModule as unknown as typeof highsModule.default
type Solver = Awaited<ReturnType<typeof loadHighs>>

interface Published {
  /** null: withheld */
  readonly cells: readonly (number | null)[]
  readonly rowTotals: readonly number[]
  readonly columnTotals: readonly number[]
}

const factor = (column: string, levels: number) => ({
  column,
  levels: Array.from({ length: levels }, (_, at) => `${at}`),
})

/** What four sites publish of the table of these counts; undefined if it is refused whole or without its margins. */
function published(counts: readonly number[], columns: number): Published | undefined {
  const rows = counts.flatMap((count, at) =>
    Array.from({ length: count }, (): Row => ({ r: `${Math.floor(at / columns)}`, c: `${at % columns}` })),
  )
  const sites = [...splitBy(rows, (_, index) => index % 4).values()].map((one) => rowsOf(one))
  const parameters = { rows: factor('r', counts.length / columns), columns: factor('c', columns) }
  const result: Loose = runFederated('table', sites, parameters).result
  if (result === undefined || result.row_totals.includes(null)) return undefined
  return { cells: result.counts_by_row, rowTotals: result.row_totals, columnTotals: result.col_totals }
}

/** The least and the most that a withheld cell can be for whoever solves for it. */
function range(highs: Solver, { cells, rowTotals, columnTotals }: Published, target: number): [number, number] {
  const columns = columnTotals.length
  const unknown = cells.flatMap((cell, at) => (cell === null ? [at] : []))
  const line = (name: string, total: number, isIn: (at: number) => boolean): string[] => {
    const left = cells.reduce<number>((sum, cell, at) => sum - (isIn(at) ? (cell ?? 0) : 0), total)
    const terms = unknown.filter(isIn).map((at) => `x${at}`)
    return terms.length === 0 ? [] : [`${name}: ${terms.join(' + ')} = ${left}`]
  }
  const constraints = [
    ...rowTotals.flatMap((total, row) => line(`r${row}`, total, (at) => Math.floor(at / columns) === row)),
    ...columnTotals.flatMap((total, column) => line(`c${column}`, total, (at) => at % columns === column)),
  ]
  const solve = (goal: string): number => {
    const solution = highs.solve(`${goal}\n obj: x${target}\nSubject To\n ${constraints.join('\n ')}\nEnd`)
    assert.equal(solution.Status, 'Optimal')
    return Math.round(solution.ObjectiveValue)
  }
  return [solve('Minimize'), solve('Maximize')]
}

const anyTable = fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 2, max: 7 })).chain(([rows, columns]) =>
  fc.tuple(
    fc.array(fc.oneof({ weight: 1, arbitrary: fc.nat(6) }, { weight: 8, arbitrary: fc.integer({ min: 5, max: 60 }) }), {
      minLength: rows * columns,
      maxLength: rows * columns,
    }),
    fc.constant(columns),
  ),
)

describe('a linear program over what a table publishes', () => {
  it('can tell no small cell from none, nor from one that would have been published', async () => {
    const highs = await loadHighs()
    let attacked = 0
    fc.assert(
      fc.property(anyTable, ([counts, columns]) => {
        const table = published(counts, columns)
        if (table === undefined) return
        counts.forEach((count, at) => {
          if (count === 0 || count >= 5) return
          assert.equal(table.cells[at], null, 'a small cell is withheld')
          const [least, most] = range(highs, table, at)
          assert.ok(least === 0 && most >= 5, `${counts} by ${columns}: cell ${at} is ${least} to ${most}`)
          attacked++
        })
      }),
      { numRuns: 150 },
    )
    assert.ok(attacked > 20, `${attacked} cells attacked`)
  }).timeout(60_000)

  it('would solve tables in which small cells alone are withheld', async () => {
    const highs = await loadHighs()
    const alone = { cells: [null, 20, 30, 40], rowTotals: [23, 70], columnTotals: [33, 60] }
    assert.deepEqual(range(highs, alone, 0), [3, 3])
    const inOneRow = { cells: [null, null, 20, 30, 40, 50], rowTotals: [27, 120], columnTotals: [33, 44, 70] }
    assert.deepEqual(range(highs, inOneRow, 0), [3, 3])
  })
})
