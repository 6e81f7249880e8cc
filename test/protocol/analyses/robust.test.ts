/**
 * Every analysis in every round it has: whatever a lying site adds, `combine` gives a verdict with an encoding and `present` shows what was
 * released; and what members compute uses nothing in which engines differ.
 */
import assert from 'node:assert/strict'
import { type AnyAnalysis, listAnalyses } from '@flamesh/protocol/analyses/registry.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import fc from 'fast-check'
import { known, type Loose, lung, RULES, runFederated } from './federation.js'
import { event, RUNS, sex, sitesOf } from './runs.js'

const status = { column: 'status', levels: ['1', '2'] }
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'] }
const followed = { time: 'time', event, covariates: ['age', 'sex'] }
const grid = { width: 90, intervals: 12 }
const ages = [
  [50, 90],
  [70, 70],
]
const kMeans = { columns: ['age', 'ph.karno'], centres: ages, scale: 'none', iterations: 4 }
const fit = { outcome: event, covariates: ['age'] }
const poisson = { family: 'poisson', link: 'log', outcome: event, exposure: 'time', covariates: ['age', 'sex'] }

/** Beside RUNS: what has other rounds, or another result, than these. */
const MORE: readonly (readonly [string, Loose])[] = [
  ['glm', poisson],
  ['glm', { family: 'gamma', link: 'log', outcome: 'time', covariates: ['age', 'sex'] }],
  ['glm', { family: 'gamma', link: 'inverse', outcome: 'time', covariates: ['age', 'sex'] }],
  ['glm', { family: 'binomial', link: 'probit', outcome: event, covariates: ['age', 'sex'] }],
  ['ridge', { outcome: 'time', covariates: ['age', 'sex'], strata: 'site', penalty: '1' }],
  ['roc', { score: 'age', outcome: event, cuts: [55, 65, 75], probability: false }],
  ['roc', { score: 'risk', outcome: event, cuts: ['0.5', '0.7'], probability: true }],
  ['table1', { columns: ['age', 'wt.loss'], factors: [status], by: sex }],
  ['feasibility', { by: [sex, status] }],
  ['k-means', kMeans],
  [
    'k-means',
    { ...kMeans, scale: 'standard', centres: ages.map(([a = 0, k = 0]) => [a < 60 ? -1 : 1, k > 80 ? 1 : -1]) },
  ],
  [
    'meta-analysis',
    { model: 'linear', fit: { outcome: 'time', covariates: ['age'], strata: 'none' }, coefficients: ['age'] },
  ],
  ['meta-analysis', { model: 'logistic', fit, coefficients: ['(Intercept)', 'age'] }],
  ['cox', { ...followed, strata: 'site', zph: 'identity' }],
  ['cox-pooled', { ...followed, grid, zph: 'log' }],
  ['rates', { event, time: 'time', strata: ecog, by: sex, standard: { 0: 1, 1: 1, 2: 1 }, per: 365 }],
  ['mantel-haenszel', { exposure: sex, outcome: event, within: ecog, strata: 'site' }],
  ['survival', { time: 'time', event, grid, horizon: 365 }],
]

const SITES = 6
const sites = sitesOf(
  lung.map((row) => ({ ...row, risk: (row['age'] as number) / 100 })),
  SITES,
)

interface Round {
  readonly parameters: Loose
  readonly state: unknown
  readonly sum: readonly bigint[]
  readonly kind: string
}

/** The rounds of an honest run, with the state that each begins with. */
function roundsOf(name: string, parameters: Loose): readonly Round[] {
  const analysis = known(name)
  const { sums } = runFederated(name, sites, parameters)
  let state: unknown
  return sums.map((sum) => {
    const outcome = combined(analysis, sum, parameters, state)
    const round = { parameters, state, sum, kind: outcome.kind }
    state = outcome.kind === 'state' ? outcome.state : undefined
    return round
  })
}

const combined = (analysis: AnyAnalysis, sum: readonly bigint[], parameters: unknown, state: unknown) =>
  analysis.combine(sum, { parameters, rules: RULES, survivors: SITES, everyRow: true }, state)

const COUNT = 1n << 60n
const RUN_LIST = [...RUNS, ...MORE]

/** One site's words instead of its own: sums are those of honest sites and of whatever it likes. */
function lies(slots: readonly { readonly kind: string }[]): fc.Arbitrary<readonly bigint[]> {
  const word = fc.oneof(
    fc.constant(0n),
    fc.bigInt({ min: -(1n << 115n), max: 1n << 115n }),
    fc.bigInt({ min: -200n, max: 200n }).map((count) => count << 100n),
  )
  const count = fc.oneof(
    { weight: 6, arbitrary: fc.constant(0n) },
    { weight: 3, arbitrary: fc.integer({ min: -40, max: 200 }).map((n) => BigInt(n) * COUNT) },
    { weight: 1, arbitrary: fc.bigInt({ min: -(1n << 115n), max: 1n << 115n }) },
  )
  return fc.tuple(...slots.map(({ kind }, at) => (at === 0 ? fc.constant(0n) : kind === 'count' ? count : word)))
}

describe('a site that lies', () => {
  it('has every analysis among those that it is tried on', () => {
    const tried = new Set(RUN_LIST.map(([name]) => name))
    assert.deepEqual(
      listAnalyses().flatMap(({ name }) => (tried.has(name) ? [] : [name])),
      [],
    )
  })

  for (const [name, parameters] of RUN_LIST)
    it(`gets a verdict from ${name}, in every round, whatever it adds or claims in its place (${JSON.stringify(parameters).slice(0, 60)}…)`, () => {
      const analysis = known(name)
      const rounds = roundsOf(name, parameters)
      assert.equal(rounds.at(-1)?.kind, 'result')
      for (const { state, sum } of rounds) {
        const { slots } = analysis.plan(parameters, state)
        // counts alone, sums alone, both; anything in the place of all that is honest; and of some counts others that there may be
        const changed = fc
          .tuple(lies(slots), fc.constantFrom('count', 'sum', 'both', 'all', 'fresh'))
          .map(([added, what]) =>
            sum.map((word, at) => {
              const is = slots[at]?.kind
              const own = added[at] as bigint
              if (what === 'all') return at === 0 ? word : own
              if (what === 'fresh') return at > 0 && is === 'count' && own !== 0n ? (own < 0n ? -own : own) : word
              return what === 'both' || what === is ? word + own : word
            }),
          )
        fc.assert(
          fc.property(changed, (words) => {
            const outcome = combined(analysis, words, parameters, state)
            encode(outcome)
            if (outcome.kind === 'state') {
              analysis.state.parse(outcome.state)
              analysis.plan(parameters, outcome.state)
            }
            if (outcome.kind === 'result') analysis.present(analysis.released.parse(outcome.released), parameters)
          }),
          { numRuns: 120 },
        )
      }
    })
})

describe('what members compute', () => {
  it('asks for no function in whose last bit engines differ', () => {
    const allowed = new Set([
      'abs',
      'ceil',
      'floor',
      'imul',
      'max',
      'min',
      'round',
      'sign',
      'sqrt',
      'trunc',
      'clz32',
      'fround',
    ])
    const own = Math as unknown as Record<string, unknown>
    const trapped = Object.getOwnPropertyNames(Math).filter(
      (key) => typeof own[key] === 'function' && !allowed.has(key),
    )
    assert.ok(trapped.includes('exp') && trapped.includes('pow'))
    for (const [name, parameters] of RUN_LIST) {
      const analysis = known(name)
      const rounds = roundsOf(name, parameters)
      const before = trapped.map((key) => own[key])
      for (const key of trapped)
        own[key] = () => {
          throw new Error(`${name} uses Math.${key}`)
        }
      try {
        for (const { state, sum } of rounds) {
          analysis.plan(parameters, state)
          combined(analysis, sum, parameters, state)
        }
      } finally {
        for (const [at, key] of trapped.entries()) own[key] = before[at]
      }
    }
  })
})
