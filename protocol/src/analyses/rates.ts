/**
 * `rates`: events over person-time by stratum and group; crude, directly standardised to public weights, and indirectly
 * standardised to public rates. Implements docs/spec/analyses/rates.md. A group whose strata cannot all be shown has a crude
 * rate only: the standardised ones would be equations for what was withheld.
 */
import { z } from 'zod'
import { checkCells, checkSites, subsetAllowed, withCover } from '../privacy/disclosure.js'
import { hasSmallValue } from '../privacy/few-values.js'
import type { Analysis, DisclosureRules, Rows } from './analysis.js'
import {
  codesOf,
  columnOf,
  columnSchema,
  completeEvent,
  completeFactor,
  completeFields,
  eventSchema,
  eventsOf,
  type Factor,
  factorSchema,
  levelsOfFactor,
  numbersOf,
} from './columns.js'
import { decimalSchema, numberOf, positiveSchema } from './decimals.js'
import { add, addProduct, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, SUM_BITS, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { type Counted, crudeRate, directRate, type Estimate, indirectRate, ratio } from './standardisation.js'

/** One number for each stratum, by its level. */
const byStratumSchema = z.record(z.string(), decimalSchema)
type ByStratum = z.infer<typeof byStratumSchema>

const parametersSchema = z
  .strictObject({
    event: eventSchema,
    /** person-time of a row */
    time: columnSchema,
    strata: factorSchema,
    by: factorSchema.optional(),
    /** weights, a standard population for example; only their proportions count */
    standard: byStratumSchema.optional(),
    /** of the reference population, per `per` */
    reference: z.strictObject({ rates: byStratumSchema, crude: positiveSchema.optional() }).optional(),
    /** rates are for so much person-time */
    per: z.int().min(1).max(1_000_000_000),
  })
  .refine(
    ({ event, time, strata, by }) => new Set([columnOf(event), time, strata.column, by?.column]).size === 4,
    'event, time, strata and by are different columns',
  )
  .refine(({ strata, standard }) => standard === undefined || names(standard, strata), {
    path: ['standard'],
    message: 'must have a weight for each stratum, and no other',
  })
  .refine(({ standard }) => standard === undefined || Object.values(standard).some((weight) => numberOf(weight) > 0), {
    path: ['standard'],
    message: 'must have a weight above 0',
  })
  .refine(({ strata, reference }) => reference === undefined || names(reference.rates, strata), {
    path: ['reference', 'rates'],
    message: 'must have a rate for each stratum, and no other',
  })
export type RatesParameters = z.infer<typeof parametersSchema>

function names(given: ByStratum, strata: Factor): boolean {
  const levels = levelsOfFactor(strata)
  return Object.keys(given).length === levels.length && levels.every((level) => Object.hasOwn(given, level))
}

const cellSchema = z.strictObject({ n: z.int().min(0), events: z.int().min(0), time: z.number() })
const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  groups: z.array(
    z.strictObject({
      /** null if withheld */
      total: z.union([z.null(), cellSchema]),
      strata: z.union([z.null(), z.array(cellSchema)]),
    }),
  ),
})
type Released = z.infer<typeof releasedSchema>
type Cell = z.infer<typeof cellSchema>

const groupsOf = ({ by }: RatesParameters): readonly string[] => (by === undefined ? ['all'] : levelsOfFactor(by))

function layoutOf(parameters: RatesParameters): Layout {
  const { strata, by } = parameters
  const groups = groupsOf(parameters).map((level) => (by === undefined ? '' : `${by.column}=${level}, `))
  const cells = groups.flatMap((group) => levelsOfFactor(strata).map((level) => `${group}${strata.column}=${level}`))
  return {
    counts: [
      'missing',
      ...groups.map((group) => `sites with any ${group}`.replace(/,? $/, '')),
      ...['n', 'events', 'sites with any'].flatMap((what) => cells.map((cell) => `${what}, ${cell}`)),
    ],
    sums: ['', '²'].flatMap((power) => cells.map((cell) => `Σ ${parameters.time}${power}, ${cell}`)),
  }
}

function contribute(rows: Rows, parameters: RatesParameters): Float64Array {
  const { event, time, strata, by } = parameters
  const layout = layoutOf(parameters)
  const groups = groupsOf(parameters).length
  const width = levelsOfFactor(strata).length
  const events = eventsOf(rows, event)
  const times = numbersOf(rows, time)
  const stratum = codesOf(rows, strata)
  const group = by === undefined ? new Int32Array(rows.count) : codesOf(rows, by)
  const n = new Array<number>(groups * width).fill(0)
  const died = [...n]
  const sums = zeroSums(2 * groups * width)
  let used = 0
  for (let row = 0; row < rows.count; row++) {
    const value = times[row] as number
    const g = group[row] as number
    const s = stratum[row] as number
    if (g < 0 || s < 0 || Number.isNaN(events[row]) || !(value >= 0)) continue
    const cell = g * width + s
    used++
    n[cell] = (n[cell] as number) + 1
    died[cell] = (died[cell] as number) + (events[row] as number)
    add(sums, cell, value)
    addProduct(sums, groups * width + cell, value, value)
  }
  if (!subsetAllowed(used, by === undefined ? [width] : [width, groups])) return zeroVector(layout)
  const any = n.map((count) => (count > 0 ? 1 : 0))
  const groupAny = Array.from({ length: groups }, (_, g) => Math.max(...any.slice(g * width, (g + 1) * width)))
  return vectorOf(layout, [rows.count - used, ...groupAny, ...n, ...died, ...any], sums)
}

/** Rows of a group, a stratum, or several of these. */
interface Opened {
  readonly n: number
  readonly events: number
  readonly sites: number
  /** Σ of person-time and of its squares, in units of 2^-130 */
  readonly time: bigint
  readonly squares: bigint
}

/** As one; they are at least at as many sites as any of them. */
const together = (parts: readonly Opened[]): Opened =>
  parts.reduce(
    (a, b) => ({
      n: a.n + b.n,
      events: a.events + b.events,
      sites: Math.max(a.sites, b.sites),
      time: a.time + b.time,
      squares: a.squares + b.squares,
    }),
    { n: 0, events: 0, sites: 0, time: 0n, squares: 0n },
  )

/** Rows with an event, and rows without one, are its cells; those with one value of person-time may be. */
const isExposed = ({ n, events, sites, time, squares }: Opened, rules: DisclosureRules): boolean =>
  (checkCells([n, events, n - events], rules) ?? checkSites([{ rows: n, sites }], rules)) !== undefined ||
  hasSmallValue(n, time, squares, 1n << BigInt(SUM_BITS), rules)

const cellOf = ({ n, events, time }: Opened): Cell => ({ n, events, time: sumToNumber(time) })

/**
 * Which groups to withhold, each cut into as many parts: those with an exposed part, `already` withheld ones, and what covers them. The
 * parts of everyone are known, by a job without groups over the same rows: all are withheld if those of the withheld together are
 * exposed as well.
 */
function withheldOf(
  groups: readonly (readonly Opened[])[],
  already: readonly boolean[],
  rules: DisclosureRules,
): readonly boolean[] {
  const exposed = groups.map((parts, g) => already[g] === true || parts.some((part) => isExposed(part, rules)))
  const sizes = groups.map((parts) => together(parts).n)
  const hidden = exposed.every((is, g) => is === already[g]) ? already : withCover(exposed, sizes)
  const left = (groups[0] ?? []).map((_, part) =>
    together(groups.flatMap((parts, g) => (hidden[g] ? [parts[part] as Opened] : []))),
  )
  return left.some((part) => isExposed(part, rules)) ? groups.map(() => true) : hidden
}

export const rates: Analysis<RatesParameters, never, Released> = {
  name: 'rates',
  version: 1,
  method: 'event rates by stratum with direct and indirect standardisation',
  iterative: false,
  definition: [
    'parameters: event (0/1 column, or column is value), time (person-time), strata (a factor), by (a factor, optional), standard and reference (numbers by stratum, optional), per',
    'round: contributors, missing, sites with any of each group; for each group and stratum: n, events, sites with any, Σ person-time, Σ of its squares',
    'released: n, missing; for each group n, events, person-time, groups that are small, at few sites, with few events or few rows without, or with few rows of one person-time withheld with a complement; the same by stratum where no stratum of the group is any of these, withheld with another group as well',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ event, time, strata, by }) => [event, time, strata, ...(by === undefined ? [] : [by])],
  complete: (written, levelsOf) =>
    completeFields(written, {
      event: completeEvent,
      strata: (strata) => completeFactor(strata, levelsOf),
      by: (by) => (by === undefined ? undefined : completeFactor(by, levelsOf)),
      per: (per) => per ?? 1,
    }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors, counts, sums } = opened
    const groups = groupsOf(parameters).length
    const width = levelsOfFactor(parameters.strata).length
    const size = groups * width
    const cells = sums.slice(0, size).map((time, cell): Opened => {
      const [n = 0, events = 0, sites = 0] = [0, 1, 2].map((what) => counts[1 + groups + what * size + cell])
      return { n, events, sites, time, squares: sums[size + cell] as bigint }
    })
    const strata = Array.from({ length: groups }, (_, g) => cells.slice(g * width, (g + 1) * width))
    const totals = strata.map((own, g): Opened => ({ ...together(own), sites: counts[1 + g] as number }))
    const hidden = withheldOf(
      totals.map((one) => [one]),
      totals.map(() => false),
      rules,
    )
    // all strata of a group or none: a single one that is missing would be the total without the others
    const hiddenStrata = withheldOf(strata, hidden, rules)
    return {
      kind: 'result',
      released: {
        contributors,
        leftOut: survivors - contributors,
        n: together(totals).n,
        missing: counts[0] as number,
        groups: strata.map((own, g) => ({
          total: hidden[g] ? null : cellOf(totals[g] as Opened),
          strata: hiddenStrata[g] ? null : own.map(cellOf),
        })),
      },
    }
  },
  present,
}

interface Line extends Estimate {
  readonly measure: string
}

/** What is said of one group. */
function measures({ total, strata }: Released['groups'][number], parameters: RatesParameters): readonly Line[] {
  const { standard, reference, per } = parameters
  const levels = levelsOfFactor(parameters.strata)
  const each = (given: ByStratum): number[] => levels.map((level) => numberOf(given[level] as ByStratum[string]))
  const lines: Line[] = [{ measure: 'crude', ...crudeRate(total ?? undefined, per) }]
  if (standard !== undefined) lines.push({ measure: 'direct', ...directRate(strata ?? undefined, each(standard), per) })
  if (reference !== undefined) {
    const smr = ratio(strata ?? undefined, each(reference.rates), per)
    lines.push({ measure: 'smr', ...smr })
    if (reference.crude !== undefined)
      lines.push({ measure: 'indirect', ...indirectRate(smr, numberOf(reference.crude)) })
  }
  return lines
}

function shown(counted: Counted | null, per: number): object {
  if (counted === null) return { n: null, events: null, time: null, rate: null }
  return { ...counted, rate: counted.time > 0 ? (counted.events / counted.time) * per : null }
}

function present(released: Released, parameters: RatesParameters): Readonly<Record<string, unknown>> {
  const { contributors, leftOut, n, missing, groups } = released
  const { event, time, strata, by, standard, reference, per } = parameters
  const levels = groupsOf(parameters)
  const lines = groups.flatMap((group, g) =>
    measures(group, parameters).map((line) => ({ level: levels[g] as string, ...line })),
  )
  const strataLevels = levelsOfFactor(strata)
  return {
    names: lines.map(({ level, measure }) => (by === undefined ? measure : `${by.column}=${level}, ${measure}`)),
    estimate: lines.map((line) => line.estimate),
    se: lines.map((line) => line.se),
    lower: lines.map((line) => line.lower),
    upper: lines.map((line) => line.upper),
    p: lines.map((line) => line.p),
    expected: lines.map((line) => line.expected),
    level: lines.map(({ level }) => level),
    measure: lines.map(({ measure }) => measure),
    groups: Object.fromEntries(
      groups.map((group, g): [string, object] => [
        levels[g] as string,
        {
          ...shown(group.total, per),
          strata: Object.fromEntries(strataLevels.map((level, s) => [level, shown(group.strata?.[s] ?? null, per)])),
        },
      ]),
    ),
    n,
    missing,
    per,
    event,
    time,
    strata,
    ...(by === undefined ? {} : { by }),
    ...(standard === undefined ? {} : { standard }),
    ...(reference === undefined ? {} : { reference }),
    contributors,
    sites_left_out: leftOut,
  }
}
