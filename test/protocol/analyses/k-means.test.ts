import assert from 'node:assert/strict'
import { SUM_BITS, WORD_BITS } from '@flamesh/protocol/analyses/layout.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
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
  sumOf,
} from './federation.js'

const R = reference('k-means')
const breast: readonly Row[] = [...rotterdam, ...gbsg].map(({ age, nodes, pgr }) => ({ age, nodes, pgr }) as Row)
const dealt = (rows: readonly Row[], count: number) =>
  [...splitBy(rows, (_, index) => index % count).values()].map((site) => rowsOf(site))
const run = (sites: Parameters<typeof runFederated>[1], parameters: Loose, rules = RULES) =>
  runFederated('k-means', sites, parameters, rules)

const plain = {
  columns: ['age', 'nodes'],
  scale: 'none',
  centres: [
    [40, 2],
    [65, 2],
    ['55.5', 10],
  ],
  iterations: 10,
}
const scaled = {
  columns: ['age', 'nodes', 'pgr'],
  scale: 'standard',
  centres: [
    [-1, 0, 0],
    [1, 0, 0],
    [0, '1.5', '-0.5'],
  ],
  iterations: 10,
}
const ofLung = {
  columns: ['age', 'ph.karno'],
  scale: 'none',
  centres: [
    [50, 90],
    [70, 70],
  ],
  iterations: 10,
}

describe('k-means equals R after as many of Lloyd’s iterations', () => {
  it('plain and scaled', () => {
    for (const [parameters, expected, first] of [
      [plain, R.plain, 0],
      [scaled, R.scaled, 1],
    ] as const) {
      for (const iterations of [1, 2, 3, 20]) {
        const { result, rounds } = run(dealt(breast, 7), { ...parameters, iterations })
        assert.ok(
          result.iterations >= Math.min(iterations, parameters === plain ? 6 : 3) && result.iterations <= iterations,
          `${result.iterations}`,
        )
        assertClose(result, expected[result.iterations])
        assert.ok(rounds <= first + result.iterations + 1)
        assert.equal(result.n, breast.length)
      }
    }
    assertClose(run(lungSites, ofLung).result, R.lung[run(lungSites, ofLung).result.iterations])
  })

  it('in the units of the columns beside, if they were scaled', () => {
    const { result } = run(dealt(breast, 7), scaled)
    const { age } = result.scaled
    assertClose(result.centers_unscaled['1'].age, age.centre + age.scale * result.centers['1'].age)
    const mean = breast.reduce((sum, row) => sum + (row['age'] as number), 0) / breast.length
    assertClose(age.centre, mean)
  })

  it('far from zero', () => {
    const far = lung.map((row) => ({ ...row, age: (row['age'] as number) + 1e6 }))
    const centres = [
      [1000050, 90],
      [1000070, 70],
    ]
    assertClose(run(dealt(far, 4), { ...ofLung, centres, iterations: 1 }).result, R.far['1'] ?? R.far)
  })

  it('however the rows are split, with empty and tiny sites and one that lacks a column', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 1, max: 1 << 30 }), (count, seed) => {
        const site = (index: number) => Math.floor((((index * 7919 + seed) * 104729) % 65537) ** 1.5) % count
        const sites = [...splitBy(breast, (_, index) => site(index)).values()].map((rows) => rowsOf(rows))
        const extra = [rowsOf([]), rowsOf(breast.slice(0, 9)), rowsOf(breast.slice(0, 50), ['nodes'])]
        const { result } = run([...sites, ...extra], { ...plain, iterations: 2 })
        assertClose(result, R.plain[2])
        assert.deepEqual([result.contributors, result.sites_left_out], [sites.length, 3])
      }),
      { numRuns: 6 },
    )
  })

  it('until nothing moves', () => {
    // two clouds, twenty rows each: the first round finds them
    const clouds = Array.from({ length: 40 }, (_, at): Row => ({ u: (at % 2) * 100 + at, v: at % 5 }))
    const centres = [
      [10, 2],
      [130, 2],
    ]
    const { result, rounds } = run(dealt(clouds, 4), { columns: ['u', 'v'], scale: 'none', centres, iterations: 20 })
    assert.deepEqual([result.converged, result.iterations, rounds, result.size], [true, 2, 2, [20, 20]])
  })
})

describe('k-means tells nothing of few patients', () => {
  /** Two clouds and one patient between them, who moves when the first centre has. */
  const between: Row[] = [
    ...Array.from({ length: 40 }, (_, at): Row => ({ u: 20 + (at % 7), v: at % 5 })),
    ...Array.from({ length: 40 }, (_, at): Row => ({ u: 80 + (at % 7), v: at % 5 })),
    { u: 51, v: 3 },
  ]
  const parameters = {
    columns: ['u', 'v'],
    scale: 'none',
    centres: [
      [20, 2],
      [76, 2],
    ],
    iterations: 20,
  }

  it('two rounds differ by the patient who moved: the second is not released', () => {
    const sites = dealt(between, 4)
    const { result, rounds, sums } = run(sites, parameters)
    const { slots } = known('k-means').plan(parameters, undefined)
    const opened = (round: number, name: string): number => {
      // squares of whole columns come last, in the first round alone
      const at = slots.findIndex((slot) => slot.name === name) - slots.length + (round === 0 ? 0 : 4)
      const [first, second] = [at, at + 1].map((word) => sums[round]?.at(word) as bigint) as [bigint, bigint]
      return Number(((first << BigInt(WORD_BITS)) + second) >> BigInt(SUM_BITS))
    }
    // the attack: what a cluster had before less what it has now
    const own = ['Σ z(u), cluster 2', 'Σ z(v), cluster 2'].map((name) => Math.abs(opened(1, name) - opened(0, name)))
    assert.deepEqual(own, [51, 3])
    assert.deepEqual([rounds, result.iterations, result.converged, result.size], [2, 1, false, [40, 41]])
    // enough patients may move
    const many = [...between, ...Array.from({ length: 12 }, (_, at): Row => ({ u: 51, v: at % 5 }))]
    const moved = run(dealt(many, 4), parameters).result
    assert.ok(moved.converged && moved.iterations > 1)
  })

  it('nor do rounds that are not neighbours', () => {
    const analysis = known('k-means')
    const { outcome } = { outcome: run(dealt(between.slice(0, 80), 4), parameters).outcome as Loose }
    const { centres, sizes, within, total } = outcome.released
    const start = parameters.centres
    // a third round: since the second all is still, since the first one patient has moved
    const state = {
      shifts: [0, 0].map(() => ({ centre: 0, scale: 1 })),
      centres: [start, centres, centres],
      last: { centres, sizes, within, total },
    }
    const names = analysis.plan(parameters, state).slots.map(({ name }) => name)
    const plan = analysis.plan(parameters, state)
    const vectors = dealt(between, 4).map((rows) => analysis.contribute(rows, parameters, state))
    const sum = sumOf(vectors, plan)
    const count = (name: string) => Number((sum[names.indexOf(name)] as bigint) >> 60n)
    assert.deepEqual(
      [
        count('cluster 1 in round 1, 2 now') + count('cluster 2 in round 1, 1 now'),
        count('cluster 1 in round 2, 2 now'),
      ],
      [1, 0],
    )
    const next = analysis.combine(sum, { parameters, rules: RULES, survivors: 4 }, state) as Loose
    assert.deepEqual([next.kind, next.released.iterations, next.released.converged], ['result', 2, false])
    assert.deepEqual(next.released.sizes, sizes)
  })

  it('a cluster of few, of one site, or of nobody refuses at first', () => {
    const far = [...between, ...Array.from({ length: 9 }, (): Row => ({ u: 900, v: 1 }))]
    const three = { ...parameters, centres: [...parameters.centres, [900, 1]] }
    assertSuppressed(run(dealt(far, 4), three), 'small-cell')
    // ten would do, for two columns and a sum of squares
    assert.equal(run(dealt([...far, { u: 900, v: 1 }], 4), three).outcome.kind, 'result')
    assertSuppressed(run(dealt(between, 4), three), 'singular')
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const own = [...dealt(between, 3), rowsOf(far.slice(-9).concat(far.slice(-9)))]
    assertSuppressed(run(own, three, rules), 'too-few-contributors')
    assertSuppressed(run(dealt(between, 3), parameters, { ...rules, minimumContributors: 4 }), 'too-few-contributors')
    const same = between.map((row) => ({ ...row, v: 1 }))
    assertSuppressed(run(dealt(same, 4), { ...parameters, scale: 'standard' }), 'singular')
  })

  it('takes no column of few values: centre times size would be their number, in each cluster', () => {
    const flagged = between.map((row, at) => ({ ...row, v: at % 30 === 0 ? 1 : 0 }))
    const { plan } = known('k-means')
    for (const scale of ['none', 'standard']) {
      const { outcome, sums } = run(dealt(flagged, 4), { ...parameters, scale })
      assert.equal((outcome as Loose).code, 'small-cell')
      if (scale === 'standard') continue
      // the attack: what would be the centres
      const at = plan(parameters, undefined).slots.findIndex(({ name }) => name === 'Σ z(v), cluster 1')
      const [first = 0n, second = 0n] = (sums[0] as bigint[]).slice(at, at + 2)
      assert.equal(
        ((first << BigInt(WORD_BITS)) + second) >> BigInt(SUM_BITS),
        2n,
        'two of them are in the first cluster',
      )
    }
    const three = between.map((row, at) => ({ ...row, v: 4 + (at % 3) }))
    assertSuppressed(run(dealt(three, 4), parameters), 'small-cell')
    const four = between.map((row, at) => ({ ...row, v: (at % 4) * 2 }))
    assert.equal(run(dealt(four, 4), parameters).outcome.kind, 'result')
  })

  it('at the site: a third of the rows for a mean of each column and a sum of squares', () => {
    const zeros = (count: number) =>
      known('k-means')
        .contribute(rowsOf(between.slice(0, count)), parameters, undefined)
        .every((value) => Object.is(value, 0))
    assert.deepEqual([zeros(9), zeros(10)], [true, false])
  })
})

describe('k-means, parameters and sums', () => {
  it('centres are named, or drawn from a seed alike everywhere', () => {
    const { complete, parameters } = known('k-means')
    const written = { columns: ['age', 'nodes'], clusters: 2, seed: 7 }
    const completed = complete(written, () => [])
    assert.deepEqual(completed, {
      columns: ['age', 'nodes'],
      scale: 'standard',
      iterations: 10,
      centres: [
        ['-1.5', '1.263'],
        ['-0.632', '-0.869'],
      ],
    })
    assert.ok(parameters.safeParse(completed).success)
    assert.deepEqual(
      complete(
        {
          ...plain,
          centres: [
            [40, 2],
            [65, 2],
            [55.5, 10],
          ],
        },
        () => [],
      ),
      plain,
    )
    for (const bad of [
      { ...written, scale: 'none' },
      { ...written, clusters: 1 },
      { ...written, clusters: 9 },
      { ...written, seed: 0 },
      { ...written, centres: plain.centres },
      { ...plain, columns: ['age'] },
      { ...plain, centres: [plain.centres[0], plain.centres[0]] },
      {
        ...plain,
        centres: [
          [40, '2'],
          [40, 2],
        ],
      },
      { ...plain, centres: [plain.centres[0]] },
      { ...plain, iterations: 21 },
      { ...plain, scale: 'range' },
    ])
      assert.ok(!parameters.safeParse(complete(bad, () => [])).success, JSON.stringify(bad))
  })

  it('of any words give an outcome with an encoding', () => {
    const analysis = known('k-means')
    const word = fc.oneof(
      fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n }),
      fc.bigInt({ min: 0n, max: 1n << 90n }),
    )
    const count = fc.oneof(fc.nat(200), fc.constant(0)).map((value) => BigInt(value) << 60n)
    const first = {
      shifts: scaled.columns.map(() => ({ centre: 60, scale: 9 })),
      centres: [scaled.centres.map((one) => one.map(Number))],
      last: null,
    }
    const last = { centres: first.centres[0], sizes: [20, 20, 20], within: [1, 1, 1], total: 9 }
    const second = { ...first, centres: [...first.centres, ...first.centres], last }
    let results = 0
    for (const from of [undefined, first, second]) {
      const { slots } = analysis.plan(scaled, from)
      const sums = fc.tuple(
        ...slots.map(({ kind }, at) => (at === 0 ? fc.constant(5n << 60n) : kind === 'count' ? count : word)),
      )
      fc.assert(
        fc.property(sums, (sum) => {
          const outcome = analysis.combine(sum, { parameters: scaled, rules: RULES, survivors: 8 }, from)
          encode(outcome)
          if (outcome.kind === 'state') analysis.state.parse(outcome.state)
          if (outcome.kind === 'result') analysis.present(analysis.released.parse(outcome.released), scaled)
          if (outcome.kind !== 'suppressed') results++
        }),
        { numRuns: 100 },
      )
    }
    assert.ok(results > 20, `${results}`)
  })
})
