/** What is withheld of strata, against whoever knows the rule and all totals: by looking at every small table. */
import assert from 'node:assert/strict'
import { type SitedStratum, type Stratum, sumOfStrata, withheldByStrata } from '@flamesh/protocol/privacy/strata.js'

const RULES = { minimumCell: 2, minimumContributors: 3 }
const EVERY_ROW = Number.POSITIVE_INFINITY
const sited = (one: Stratum, sites = 3): SitedStratum => ({ ...one, keptSites: sites, othersSites: sites })
const every = (...kept: readonly number[]): Stratum[] => kept.map((count) => ({ kept: count, others: EVERY_ROW }))

const oneFactor = (strata: readonly Stratum[], rules = RULES) =>
  withheldByStrata(
    strata,
    strata.map((one) => sited(one)),
    [],
    rules,
  )

const rowsOf = (cells: readonly Stratum[], width: number): Stratum[] =>
  Array.from({ length: cells.length / width }, (_, row) => sumOfStrata(cells.slice(row * width, (row + 1) * width)))
const columnsOf = (cells: readonly Stratum[], width: number): Stratum[] =>
  Array.from({ length: width }, (_, column) => sumOfStrata(cells.filter((_, at) => at % width === column)))
const twoFactors = (cells: readonly Stratum[], width: number, rules = RULES) =>
  withheldByStrata(
    cells,
    rowsOf(cells, width).map((one) => sited(one)),
    columnsOf(cells, width).map((one) => sited(one)),
    rules,
  )

const shown = (strata: readonly Stratum[], hidden: readonly boolean[] | undefined): string =>
  hidden === undefined ? 'nothing' : strata.map(({ kept }, at) => (hidden[at] ? '?' : kept)).join(' ')

/** Every list of so many of these. */
function* lists<T>(values: readonly T[], length: number): Generator<readonly T[]> {
  if (length === 0) yield []
  else for (const head of lists(values, length - 1)) for (const value of values) yield [...head, value]
}

describe('withheld strata of one factor', () => {
  it('tell of a few rows only that they are few, also to whoever knows each total', () => {
    for (const minimumCell of [2, 3]) {
      const rules = { ...RULES, minimumCell }
      const most = minimumCell - 1
      const totals = Array.from({ length: minimumCell === 2 ? 6 : 8 }, (_, all) => all)
      const tellings = new Map<string, Stratum[][]>()
      const splits = totals.flatMap((all) =>
        Array.from({ length: all + 1 }, (_, kept) => ({ kept, others: all - kept })),
      )
      // two strata and a large one, which takes up whatever the two may have
      const large = Array.from({ length: 41 }, (_, at) => ({ kept: 80 + at, others: 120 - at }))
      for (const two of lists(splits, 2)) {
        for (const third of large) {
          const strata = [...two, third]
          const told = shown(strata, oneFactor(strata, rules)?.cells)
          const key = [told, sumOfStrata(strata).kept, ...strata.map(({ kept, others }) => kept + others)].join()
          const same = tellings.get(key)
          if (same === undefined) tellings.set(key, [strata])
          else same.push(strata)
        }
      }
      let looked = 0
      for (const [key, tables] of tellings) {
        if (key.startsWith('nothing') || !key.includes('?')) continue
        for (const table of tables) {
          if (table[2]?.kept !== 100) continue
          table.forEach(({ kept, others }, at) => {
            if (at === 2 || (kept > most && others > most)) return
            const possible = new Set(tables.map((other) => other[at]?.kept))
            const all = kept + others
            const [from, to] = all <= 2 * most ? [0, all] : kept <= most ? [0, most] : [all - most, all]
            for (let value = from; value <= to; value++)
              assert.ok(possible.has(value), `${key}: stratum ${at} of ${all} holds ${kept}, and never ${value}`)
            looked++
          })
        }
      }
      assert.ok(looked > 500, String(looked))
    }
  }).timeout(60_000)

  it('are those without anybody as well, with the first other one', () => {
    const rules = { minimumCell: 5, minimumContributors: 3 }
    assert.deepEqual(oneFactor(every(40, 30, 0), rules)?.cells, [true, false, true])
    assert.deepEqual(oneFactor(every(40, 30, 4), rules)?.cells, [true, false, true])
    assert.deepEqual(oneFactor(every(3, 40, 30, 0), rules)?.cells, [true, true, false, true])
    assert.deepEqual(oneFactor(every(40, 30, 20), rules)?.cells, [false, false, false])
    // the first other one might be small itself, if the few were four
    assert.equal(oneFactor(every(8, 30, 0), rules), undefined)
    assert.deepEqual(oneFactor(every(9, 30, 0), rules)?.cells, [true, false, true])
    assert.equal(oneFactor(every(4, 0), rules), undefined)
  })

  it('are those whose other rows are few: their totals are known', () => {
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const strata = [
      { kept: 50, others: 50 },
      { kept: 40, others: 1 },
      { kept: 30, others: 20 },
    ]
    assert.deepEqual(oneFactor(strata, rules)?.cells, [true, true, false])
  })

  it('are those of few sites, on either side', () => {
    const rules = { minimumCell: 5, minimumContributors: 5 }
    const of = (...levels: readonly SitedStratum[]) => withheldByStrata(levels, levels, [], rules)?.cells
    const many = sited({ kept: 50, others: 50 })
    assert.deepEqual(of(many, sited({ kept: 60, others: 60 }, 2), many), [true, true, false])
    assert.deepEqual(of(many, { kept: 60, others: 60, keptSites: 4, othersSites: 2 }, many), [true, true, false])
    assert.deepEqual(of(sited({ kept: 60, others: EVERY_ROW }, 3), sited({ kept: 9, others: EVERY_ROW }, 3)), [
      false,
      false,
    ])
  })
})

describe('withheld strata of two factors', () => {
  it('tell of a few rows only that they are few, also to whoever knows the margins that are told', () => {
    // three levels by two, each cell up to six rows; the largest are looked at only as what smaller ones may be
    const counts = [0, 1, 2, 3, 4, 5, 6]
    const tellings = new Map<string, Stratum[][]>()
    for (const kept of lists(counts, 6)) {
      const cells = every(...kept)
      const withheld = twoFactors(cells, 2)
      if (withheld === undefined) continue
      const parts = [
        shown(cells, withheld.cells),
        shown(rowsOf(cells, 2), withheld.rows),
        shown(columnsOf(cells, 2), withheld.columns),
        sumOfStrata(cells).kept,
      ]
      const key = parts.join('; ')
      const same = tellings.get(key)
      if (same === undefined) tellings.set(key, [cells])
      else same.push(cells)
    }
    let looked = 0
    for (const [key, tables] of tellings) {
      if (!key.includes('?')) continue
      const margins = (cells: readonly Stratum[]) => [...cells, ...rowsOf(cells, 2), ...columnsOf(cells, 2)]
      const all = tables.map(margins)
      for (const counted of all) {
        if (counted.slice(0, 6).some(({ kept }) => kept > 5)) continue
        counted.forEach(({ kept }, at) => {
          if (kept > 1) return
          const possible = new Set(all.map((other) => other[at]?.kept))
          assert.ok(possible.has(0) && possible.has(1), `${key}: entry ${at} is ${kept}`)
          looked++
        })
      }
    }
    assert.ok(looked > 500, String(looked))
  }).timeout(120_000)

  it('nor to whoever knows each total, where a question keeps some of the rows', () => {
    const splits = (all: number, from = 0, to = all): Stratum[] =>
      Array.from({ length: to - from + 1 }, (_, at) => ({ kept: from + at, others: all - from - at }))
    const tiny = [...splits(0), ...splits(1), ...splits(2)]
    const large = splits(40, 16, 24)
    const tellings = new Map<string, Stratum[][]>()
    for (const few of lists(tiny, 2)) {
      for (const a of splits(9)) {
        for (const b of splits(11)) {
          for (const [c, d] of lists(large, 2) as Generator<readonly [Stratum, Stratum]>) {
            const cells = [...few, a, c, b, d]
            const withheld = twoFactors(cells, 2)
            if (withheld === undefined) continue
            const parts = [
              shown(cells, withheld.cells),
              shown(rowsOf(cells, 2), withheld.rows),
              shown(columnsOf(cells, 2), withheld.columns),
              sumOfStrata(cells).kept,
              ...few.map(({ kept, others }) => kept + others),
            ]
            const key = parts.join('; ')
            const same = tellings.get(key)
            if (same === undefined) tellings.set(key, [cells])
            else same.push(cells)
          }
        }
      }
    }
    let looked = 0
    for (const [key, tables] of tellings) {
      for (const cells of tables) {
        if ([cells[3], cells[5]].some((one) => one === undefined || Math.abs(one.kept - 20) > 1)) continue
        cells.forEach(({ kept, others }, at) => {
          if (kept > 1 && others > 1) return
          const possible = new Set(tables.map((other) => other[at]?.kept))
          // on which side a level is few may be told; on that side, none and one are as possible
          const all = kept + others
          const asFewKept = kept <= 1 && [0, Math.min(1, all)].every((value) => possible.has(value))
          const asFewOthers = others <= 1 && [all, Math.max(all - 1, 0)].every((value) => possible.has(value))
          assert.ok(asFewKept || asFewOthers, `${key}: cell ${at} of ${all} holds ${kept}`)
          looked++
        })
      }
    }
    assert.ok(looked > 500, String(looked))
  }).timeout(120_000)

  it('are covered by rectangles that have room on both sides', () => {
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const cells = [
      ...[2, 30, 40].map((kept) => ({ kept, others: 60 })),
      ...[50, 30, 40].map((kept) => ({ kept, others: 60 })),
    ]
    assert.deepEqual(twoFactors(cells, 3, rules)?.cells, [true, false, true, true, false, true])
    const tight = cells.map((one, at) => (at === 3 ? { kept: 50, others: 5 } : one))
    // the corner beside would have to take back up to two rows that are not kept
    assert.equal(twoFactors(tight, 3, rules), undefined)
  })
})
