/** A federation in a few lines: sites' rows from the reference data, and an analysis run over them by adding integers up. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type {
  AnalysisContext,
  Column,
  DisclosureRules,
  Outcome,
  RoundPlan,
  Rows,
} from '@flamesh/protocol/analyses/analysis.js'
import { SUM_BITS, WORD_BITS } from '@flamesh/protocol/analyses/layout.js'
import { type AnyAnalysis, findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'

export type Row = Readonly<Record<string, number | string | null>>

// biome-ignore lint/suspicious/noExplicitAny: reference files are read by name
export type Loose = any

const folder = new URL('../../reference/', import.meta.url)

export function reference(name: string): Loose {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))
}

export function readCsv(name: string): Row[] {
  const [header = '', ...lines] = readFileSync(new URL(`${name}.csv`, folder), 'utf8')
    .trim()
    .split('\n')
  const names = header.replaceAll('"', '').split(',')
  return lines.map((line) => {
    const cells = line
      .split(',')
      .map((cell) => (cell === 'NA' ? null : cell.startsWith('"') ? cell.replaceAll('"', '') : Number(cell)))
    return Object.fromEntries(names.map((column, at) => [column, cells[at] ?? null]))
  })
}

export const lung: readonly Row[] = readCsv('lung')

/** A site's rows as columns; `without` are columns it does not have. */
export function rowsOf(rows: readonly Row[], without: readonly string[] = []): Rows {
  const names = Object.keys(rows[0] ?? {}).filter((name) => !without.includes(name))
  const columns = names.map((name): [string, Column] => {
    const values = rows.map((row) => row[name] ?? null)
    const text = values.some((value) => typeof value === 'string')
    return [
      name,
      text
        ? values.map((value) => (value === null ? null : String(value)))
        : Float64Array.from(values, (value) => (value === null ? Number.NaN : Number(value))),
    ]
  })
  return { count: rows.length, columns: new Map(columns) }
}

export function splitBy(
  rows: readonly Row[],
  site: (row: Row, index: number) => string | number,
): Map<string | number, Row[]> {
  const sites = new Map<string | number, Row[]>()
  rows.forEach((row, index) => {
    const key = site(row, index)
    sites.set(key, [...(sites.get(key) ?? []), row])
  })
  return sites
}

const LARGEST = [1, 12, 13, 3, 11, 22, 16]
export const lungByInstitution: ReadonlyMap<string | number, readonly Row[]> = splitBy(lung, ({ inst }) =>
  LARGEST.includes(inst as number) ? (inst as number) : 'others',
)
export const lungSites: readonly Rows[] = [...lungByInstitution.values()].map((rows) => rowsOf(rows))

const pick = (row: Row, names: readonly string[]): Row =>
  Object.fromEntries(names.map((name) => [name, row[name] ?? null]))
const shared = ['age', 'nodes', 'pgr', 'er', 'hormon']
export const rotterdam: readonly Row[] = readCsv('rotterdam').map((row) => ({
  ...pick(row, [...shared, 'year']),
  time: Math.min(row['rtime'] as number, row['dtime'] as number),
  event: Math.max(row['recur'] as number, row['death'] as number),
}))
export const gbsg: readonly Row[] = readCsv('gbsg').map((row) => ({
  ...pick(row, shared),
  time: row['rfstime'] as number,
  event: row['status'] as number,
}))
export const breastSites: readonly Rows[] = [rowsOf(rotterdam), rowsOf(gbsg)]

export interface Run {
  readonly outcome: Outcome<unknown, unknown>
  readonly rounds: number
  /** of each round, the sum that was opened */
  readonly sums: readonly (readonly bigint[])[]
  readonly result: Loose
}

export const RULES: DisclosureRules = { minimumCell: 5, minimumContributors: 2 }

export function known(name: string): AnyAnalysis {
  const analysis = findAnalysis(name)
  assert.ok(analysis, name)
  return analysis
}

/** The vectors of all sites in the ring, added up: a sum's two slots are one number, which two words hold. */
export function sumOf(vectors: readonly Float64Array[], { slots, fractionBits }: RoundPlan): bigint[] {
  const counts = slots.filter(({ kind }) => kind === 'count').length
  const sum = slots.map(() => 0n)
  const put = (at: number, word: bigint): void => {
    sum[at] = (sum[at] as bigint) + word
  }
  for (const vector of vectors) {
    assert.equal(vector.length, sum.length)
    vector.subarray(0, counts).forEach((value, at) => {
      put(at, BigInt(Math.round(value * 2 ** fractionBits)))
    })
    for (let at = counts; at < slots.length; at += 2) {
      const [high = 0, low = 0] = vector.subarray(at, at + 2)
      const whole = BigInt(Math.round(high * 2 ** SUM_BITS)) + BigInt(Math.round(low * 2 ** SUM_BITS))
      put(at, whole >> BigInt(WORD_BITS))
      put(at + 1, whole & ((1n << BigInt(WORD_BITS)) - 1n))
    }
  }
  return sum
}

/** Through its canonical bytes and its schema, as between members: whatever cannot be sent fails here. */
const sent = (schema: { parse(value: unknown): unknown }, value: unknown): unknown =>
  schema.parse(decode(encode(value)))

export function runFederated(
  name: string,
  sites: readonly Rows[],
  parameters: unknown,
  rules: DisclosureRules = RULES,
): Run {
  const analysis = known(name)
  const canonical = sent(analysis.parameters, parameters)
  const context: AnalysisContext<unknown> = { parameters: canonical, rules, survivors: sites.length }
  const sums: (readonly bigint[])[] = []
  let state: unknown
  for (;;) {
    const plan = analysis.plan(canonical, state)
    assert.equal(plan.slots[0]?.name, 'contributors')
    assert.equal(new Set(plan.slots.map((slot) => slot.name)).size, plan.slots.length, 'slot names differ')
    const vectors = sites.map((rows) => analysis.contribute(rows, canonical, state))
    for (const vector of vectors) {
      assert.equal(vector.length, plan.slots.length)
      assert.ok(vector.every(Number.isFinite))
    }
    sums.push(sumOf(vectors, plan))
    const outcome = analysis.combine(sums.at(-1) as bigint[], context, state)
    if (outcome.kind === 'state') {
      state = sent(analysis.state, outcome.state)
      assert.ok(sums.length < 64, 'a state follows another for ever')
      continue
    }
    const result =
      outcome.kind === 'result' ? analysis.present(sent(analysis.released, outcome.released), canonical) : undefined
    return { outcome, rounds: sums.length, sums, result }
  }
}

/** Every number of `expected` is found in `actual` within 1e-9 relative (exactly if it is 0); strings and nulls as they are. */
export function assertClose(actual: Loose, expected: Loose, path = '', tolerance = 1e-9): void {
  if (typeof expected === 'number') {
    assert.equal(typeof actual, 'number', `${path}: ${actual} is not a number`)
    assert.ok(Math.abs(actual - expected) <= tolerance * Math.abs(expected), `${path}: ${actual}, expected ${expected}`)
  } else if (typeof expected === 'object' && expected !== null) {
    assert.ok(typeof actual === 'object' && actual !== null, `${path} is missing`)
    if (Array.isArray(expected)) assert.equal(actual.length, expected.length, `${path} has another length`)
    for (const [key, value] of Object.entries(expected)) assertClose(actual[key], value, `${path}.${key}`, tolerance)
  } else assert.equal(actual, expected, path)
}

export function assertSuppressed(run: Run, code: string): void {
  assert.equal(run.outcome.kind, 'suppressed', JSON.stringify(run.result))
  assert.equal((run.outcome as { code: string }).code, code)
}
