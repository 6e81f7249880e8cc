/**
 * Every built-in analysis over random splits of public data into 3 to 40 sites of any sizes: with sites that are empty, tiny, or lack
 * a column, levels that only some have, and columns of 10^-8 beside columns of 10^9. All rows give R's numbers; where sites are
 * left out, those of the rows that are not. Splits follow from their seed alone.
 */
import assert from 'node:assert/strict'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { listAnalyses } from '@flamesh/protocol/analyses/registry.js'
import { ENTRIES, type Entry } from './entries.js'
import {
  assertClose,
  assertSuppressed,
  known,
  type Loose,
  type Row,
  RULES,
  type Run,
  rowsOf,
  runFederated,
} from './federation.js'
import type { Scaled } from './like-r.js'
import { birthwt, colon, DATA_SETS, followed } from './public-data.js'

type Random = () => number

/** A uniform number in [0, 1) from a counter, mixed (Steele, Lea and Flood 2014, with 32 bits). */
function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32
  }
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const all = [...values]
  for (let at = all.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[all[at], all[other]] = [all[other] as T, all[at] as T]
  }
  return all
}

const MOST = 40

/** Every site has the complete rows that it needs, and any share of the others; a level goes to a third of the sites. */
function split({ analysis, parameters, rows, need, level, least = 3 }: Entry, random: Random, count?: number): Row[][] {
  const columns = known(analysis).columns(parameters).map(columnOf)
  const complete = (row: Row): boolean => columns.every((name) => row[name] !== null)
  const sparse = level !== undefined && random() < 0.5
  const isSparse = (row: Row): boolean => sparse && row[level[0]] === level[1]
  const sure = shuffled(
    rows.filter((row) => complete(row) && !isSparse(row)),
    random,
  )
  const most = Math.min(MOST, Math.floor(sure.length / need))
  const sites =
    count === undefined ? least + Math.floor(random() * (most - least + 1)) : Math.min(Math.max(count, least), most)
  const dealt = Array.from({ length: sites }, (_, at) => sure.slice(at * need, (at + 1) * need))
  const kept = new Set(dealt.flat())
  for (const row of rows) {
    if (kept.has(row)) continue
    const among = isSparse(row) ? Math.max(2, Math.ceil(sites / 3)) : sites
    dealt[Math.floor(among * random() ** 2)]?.push(row)
  }
  return dealt
}

/** Only what the record speaks of. */
function shaped(record: Loose, result: Loose): Loose {
  if (typeof record !== 'object' || record === null || Array.isArray(record) || result === null) return result
  return Object.fromEntries(Object.keys(record).map((name) => [name, shaped(record[name], result?.[name])]))
}

const asTables = (sites: readonly (readonly Row[])[]) => sites.map((rows) => rowsOf(rows))
const told = ({ likeR = (result: Loose) => result }: Entry, result: Loose): Loose => likeR(result)

/** All rows, and sites that have none. */
function whole(entry: Entry, sites: readonly Row[][], random: Random): void {
  const empty = Array.from({ length: Math.floor(random() * 3) }, () => rowsOf([]))
  const { result, outcome } = runFederated(entry.analysis, [...asTables(sites), ...empty], entry.parameters)
  assert.equal(outcome.kind, 'result', JSON.stringify(outcome))
  assertClose(told(entry, result), entry.oracle?.(sites) ?? entry.expected)
  assert.deepEqual([result.contributors, result.sites_left_out], [sites.length, empty.length])
}

/** One site or two lack a column, three have one or two rows or none: the numbers are those of the rows of the others. */
function partial(entry: Entry, sites: readonly Row[][], random: Random): void {
  const { analysis, parameters, oracle, hides } = entry
  const columns = known(analysis).columns(parameters).map(columnOf)
  const lacking = columns[Math.floor(random() * columns.length)] as string
  const without = (rows: readonly Row[]) => rows.map((row): Row => ({ ...row, [lacking]: null }))
  const few = sites.length > 7 ? 2 : 1
  const all = sites.map((rows, at) => {
    if (at < few) return without(rows)
    return at < few + 3 && few === 2 ? rows.slice(0, at - few) : rows
  })
  const tables = all.map((rows, at) => rowsOf(rows, at < few ? [lacking] : []))
  const used = all.filter(
    (_, at) => known(analysis).contribute(tables[at] as (typeof tables)[number], parameters, undefined)[0] === 1,
  )
  const run = runFederated(analysis, tables, parameters)
  const alone = (): Run =>
    hides
      ? runFederated(analysis, asTables(used), parameters)
      : runFederated(analysis, [rowsOf(used.flat())], parameters, { ...RULES, minimumContributors: 1 })
  const pooled = oracle === undefined ? alone() : undefined
  if (pooled?.outcome.kind === 'suppressed') return assertSuppressed(run, pooled.outcome.code)
  assert.equal(run.outcome.kind, 'result', JSON.stringify(run.outcome))
  const expected = oracle?.(used) ?? shaped(entry.expected, told(entry, pooled?.result))
  assertClose(told(entry, run.result), expected)
  assert.deepEqual([run.result.contributors, run.result.sites_left_out], [used.length, all.length - used.length])
}

/** Columns times powers of two, which are exact. */
function magnified(entry: Entry, sites: readonly Row[][], { columns, back }: Scaled): void {
  const of = (name: string): number => 2 ** (columns[name] ?? 0)
  const scaled = sites.map((rows) =>
    rows.map((row): Row => {
      const changed = Object.keys(columns).map((name) => [
        name,
        row[name] === null ? null : (row[name] as number) * of(name),
      ])
      return { ...row, ...Object.fromEntries(changed) }
    }),
  )
  const { result, outcome } = runFederated(entry.analysis, asTables(scaled), entry.parameters)
  assert.equal(outcome.kind, 'result', JSON.stringify(outcome))
  const found = back(told(entry, result), of)
  const record = entry.oracle?.(sites) ?? entry.expected
  assertClose(found, shaped(found, record))
}

/** The sites that R was told of. */
const parts = ({ rows, parts = 1 }: Entry): Row[][] =>
  Array.from({ length: parts }, (_, part) => rows.filter((_, at) => at % parts === part))

const SURVIVAL = { time: 'time', event: 'status' }
const YEARS = { width: 365, intervals: 7 }

/** What no data can answer, whatever the split: the rows with one more column, and the code of the refusal. */
const REFUSED: readonly (readonly [string, string, readonly Row[], Loose, string])[] = [
  ...(
    [
      ['linear', birthwt, { outcome: 'bwt', covariates: ['age', 'lwt', 'more'], strata: 'none' }],
      ['linear', birthwt, { outcome: 'bwt', covariates: ['age', 'lwt', 'more'], strata: 'site' }],
      ['logistic', birthwt, { outcome: 'low', covariates: ['age', 'lwt', 'more'] }],
      ['glm', birthwt, { family: 'poisson', link: 'log', outcome: 'ftv', covariates: ['age', 'lwt', 'more'] }],
      ['glm', birthwt, { family: 'gamma', link: 'log', outcome: 'bwt', covariates: ['age', 'lwt', 'more'] }],
      ['glm', birthwt, { family: 'gamma', link: 'inverse', outcome: 'bwt', covariates: ['age', 'lwt', 'more'] }],
      ['glm', birthwt, { family: 'binomial', link: 'probit', outcome: 'low', covariates: ['age', 'lwt', 'more'] }],
      ['cox', colon, { ...SURVIVAL, covariates: ['age', 'sex', 'more'], strata: 'site' }],
      ['cox-pooled', colon, { ...SURVIVAL, covariates: ['age', 'sex', 'more'], grid: YEARS }],
    ] as const
  ).map(
    ([analysis, rows, parameters]) =>
      [
        analysis,
        'columns that determine each other',
        rows.map((row): Row => ({ ...row, more: 3 - 2 * (row['age'] as number) })),
        parameters,
        'singular',
      ] as const,
  ),
  ...(
    [
      ['logistic', birthwt, 'low', { outcome: 'low', covariates: ['lwt', 'more'] }],
      ['glm', followed, 'death', { family: 'poisson', link: 'log', outcome: 'death', covariates: ['age', 'more'] }],
      ...['logit', 'probit', 'cloglog'].map(
        (link) =>
          ['glm', birthwt, 'low', { family: 'binomial', link, outcome: 'low', covariates: ['lwt', 'more'] }] as const,
      ),
      ['cox', colon, 'status', { ...SURVIVAL, covariates: ['age', 'more'], strata: 'site' }],
      ['cox-pooled', colon, 'status', { ...SURVIVAL, covariates: ['age', 'more'], grid: YEARS }],
    ] as const
  ).map(
    ([analysis, rows, outcome, parameters]) =>
      [
        analysis,
        'a column that separates the outcomes',
        rows.map((row): Row => ({ ...row, more: 100 * (row[outcome] as number) + (row['age'] as number) / 2 })),
        parameters,
        'separation',
      ] as const,
  ),
  ...(
    [
      ['pca', { columns: ['age', 'lwt', 'more'], matrix: 'correlation' }, 'singular'],
      [
        'k-means',
        {
          columns: ['age', 'more'],
          scale: 'standard',
          centres: [
            [0, 0],
            [1, 0],
          ],
          iterations: 3,
        },
        'singular',
      ],
      ['linear', { outcome: 'more', covariates: ['age', 'lwt'], strata: 'none' }, 'singular'],
      // no site has an estimate
      [
        'meta-analysis',
        { model: 'logistic', fit: { outcome: 'low', covariates: ['age', 'more'] }, coefficients: ['age'] },
        'too-few-contributors',
      ],
    ] as const
  ).map(
    ([analysis, parameters, code]) =>
      [analysis, 'a constant column', birthwt.map((row): Row => ({ ...row, more: 7 })), parameters, code] as const,
  ),
]

/** There is nobody to follow in it. */
const TIMELESS = 'birthwt'
const OF_TIMES = ['cox', 'cox-pooled', 'log-rank', 'rates', 'survival']

describe('every analysis on public data', () => {
  it('has an entry for each data set', () => {
    const entries = new Set(ENTRIES.map(({ analysis, data }) => `${analysis} on ${data}`))
    const wanted = listAnalyses().flatMap(({ name }) =>
      Object.keys(DATA_SETS)
        .filter((data) => data !== TIMELESS || !OF_TIMES.includes(name))
        .map((data) => `${name} on ${data}`),
    )
    assert.deepEqual(
      wanted.filter((one) => !entries.has(one)),
      [],
      'add it to entries.ts',
    )
  })

  for (const [at, entry] of ENTRIES.entries()) {
    const { scaled, oracle } = entry
    const analysis = entry.data === undefined ? entry.analysis : `${entry.analysis} on ${entry.data}`
    // as many sites as there can be, as few, and something between unless there are many rows
    const seeds = (entry.rows.length > 2000 ? [1, 2] : [1, 2, 3]).map((seed) => 1000 * (at + 1) + seed)
    const splits = (of: Entry, check: (sites: Row[][], random: Random) => void): void => {
      for (const [which, seed] of seeds.entries()) {
        const random = seeded(seed)
        const sites = split(of, random, [MOST, 3][which])
        try {
          check(sites, random)
        } catch (error) {
          throw new Error(`seed ${seed}, ${sites.length} sites: ${(error as Error).message}`, { cause: error })
        }
      }
    }
    if (entry.parts !== undefined) {
      it(`${analysis} (${at}): equals R on the sites that R was told of`, () =>
        whole({ ...entry, oracle: undefined }, parts(entry), seeded(at)))
    }
    if (entry.parts === undefined || oracle !== undefined) {
      it(`${analysis} (${at}): equals R however the rows are split`, () =>
        splits(entry, (sites, random) => whole(entry, sites, random)))
      it(`${analysis} (${at}): leaves out sites below the rules, and nothing else`, () =>
        splits({ ...entry, level: undefined }, (sites, random) => partial(entry, sites, random)))
    }
    if (scaled !== undefined) {
      it(`${analysis} (${at}): does not depend on units`, () =>
        magnified(entry, entry.parts === undefined ? split(entry, seeded(at)) : parts(entry), scaled))
    }
  }

  for (const [at, [analysis, what, rows, parameters, code]] of REFUSED.entries()) {
    it(`${analysis} refuses ${what} (${at}), however the rows are split`, () => {
      for (const seed of [1, 2]) {
        const entry = { analysis, rows, parameters, expected: {}, need: 13 }
        assertSuppressed(runFederated(analysis, asTables(split(entry, seeded(seed))), parameters), code)
      }
    })
  }
})
