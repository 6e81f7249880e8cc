/** Forest plots: coefficients, ratios with their reference levels, and measures that stand by themselves. */

import { fixed, withInterval } from '../text.js'
import { type Fields, isMeasure } from '../values.js'
import { labelOf, sentence } from '../words.js'
import { type Axis, intervals, isDrawable, type Row } from './intervals.js'
import { coefficientText, levelsByName } from './levels.js'
import {
  columnOf,
  groupName,
  listed,
  named,
  numberOf,
  numbersOf,
  type Picture,
  type Shape,
  textsOf,
} from './picture.js'

interface Forest {
  readonly id: string
  readonly title: string
  readonly rows: readonly Row[]
  readonly axis: Axis
  readonly numbers: string
  /** all in one unit */
  readonly alike?: boolean
  readonly legend: string
  /** unless all that differ from no effect are to be told */
  readonly finding?: string
}

/** Nothing if there is nothing to draw. */
export function forest({ id, title, rows, axis, numbers, alike, legend, finding }: Forest): readonly Picture[] {
  const drawn = rows.filter((row) => row.said === undefined && isDrawable(row, axis))
  if (drawn.length === 0) return []
  return [
    {
      id,
      title,
      finding: finding ?? findingOf(title, drawn, axis),
      legend,
      draw: (width) => intervals(rows, axis, { numbers, alike: alike === true }, width, 0),
    },
  ]
}

function findingOf(title: string, rows: readonly Row[], { none }: Axis): string {
  const says = ({ label, full, estimate, low, high }: Row): string =>
    `${named(full ?? label)} ${withInterval(estimate, low, high)}`
  if (none === undefined || rows.length === 1) return `${title}: ${listed(rows.map(says))}.`
  const bounded = rows.filter(({ low, high }) => low !== null && high !== null)
  if (bounded.length === 0) return `${title}: ${listed(rows.map(says))}.`
  const apart = bounded.filter(({ low, high }) => (low as number) > none || (high as number) < none)
  const count = `Of ${bounded.length} intervals, ${apart.length === 0 ? 'none' : apart.length} ${apart.length === 1 ? 'excludes' : 'exclude'} ${none}`
  return apart.length === 0 ? `${count}.` : `${count}: ${listed(apart.map(says))}.`
}

const INTERCEPT = '(Intercept)'

/** Levels stand below their factor, the reference first. */
function withReferences(rows: readonly Row[], factors: unknown, none: number): readonly Row[] {
  const levels = levelsByName(factors)
  let open: string | undefined
  return rows.flatMap((row): readonly Row[] => {
    const level = levels.get(row.label)
    const begins = level !== undefined && level.column !== open
    open = level?.column
    if (level === undefined) return [{ ...row, label: coefficientText(row.label, factors) }]
    const own = { ...row, label: level.level, full: `${level.column} ${level.level}`, indented: true }
    if (!begins) return [own]
    const nothing = { estimate: null, low: null, high: null }
    return [
      { ...nothing, label: level.column, said: '' },
      { ...nothing, label: level.reference, indented: true, estimate: none, said: 'reference' },
      own,
    ]
  })
}

/** The ratio of a result, if each coefficient has one: its name, with `_low` and `_high` beside it. */
function ratioOf(result: Fields, length: number): string | undefined {
  return Object.keys(result).find((key) =>
    [key, `${key}_low`, `${key}_high`].every((name) => numbersOf(result, name, length) !== undefined),
  )
}

/** Of coefficients: the outcome's unit, unless a link is between them. */
function unitOf({ outcome, link }: Fields): string {
  if (typeof link === 'string' && link !== 'identity') return `, on the scale of the link (${link})`
  return typeof outcome === 'string' ? `, in units of ${outcome}` : ''
}

/** Of a regression: on the axis of the ratio if there is one, else of the coefficients. */
export const coefficients: Shape = (result) => {
  const names = textsOf(result, 'names')
  const coef = names && numbersOf(result, 'coef', names.length)
  if (names === undefined || coef === undefined) return []
  const ratio = ratioOf(result, names.length)
  const list = (key: string) => numbersOf(result, key, names.length)
  const standardised = list('standardised')
  const [estimate, low, high] =
    ratio !== undefined
      ? [list(ratio), list(`${ratio}_low`), list(`${ratio}_high`)]
      : standardised !== undefined
        ? [standardised]
        : [coef, list('ci_low'), list('ci_high')]
  const p = list('p')
  const none = ratio === undefined ? 0 : 1
  const rows = names.flatMap((name, i): readonly Row[] =>
    name === INTERCEPT
      ? []
      : [
          {
            label: name,
            estimate: estimate?.[i] ?? null,
            low: low?.[i] ?? null,
            high: high?.[i] ?? null,
            p: p?.[i] ?? null,
          },
        ],
  )
  const what =
    ratio !== undefined ? labelOf(ratio) : standardised !== undefined ? 'standardised coefficient' : 'coefficient'
  const bounded = low !== undefined
  const unit = ratio === undefined ? unitOf(result) : ''
  const legend = [
    bounded
      ? `${sentence(what)} with 95 % interval`
      : `${sentence(what)}: shrunken estimates have no interval that would hold its level`,
    ratio !== undefined
      ? ' on a logarithmic axis'
      : standardised !== undefined
        ? ''
        : ', per unit of the covariate or against the reference level',
    levelsByName(result['factors']).size > 0 ? '; circles are reference levels' : '',
    names.includes(INTERCEPT) ? '. The intercept is in the table.' : '.',
  ]
  return forest({
    id: 'forest',
    title: `${sentence(what)}s`,
    rows: withReferences(rows, result['factors'], none),
    axis: { title: `${what}${unit}`, logarithmic: ratio !== undefined, none },
    numbers: bounded ? `${what} (95 % interval)` : what,
    legend: legend.join(''),
  })
}

/** Pooled values: an odds ratio and a risk ratio share an axis, differences do not. */
export const measures: Shape = (result) => {
  const rows = Object.entries(result).flatMap(([key, value]): readonly Row[] => {
    if (!key.endsWith('ratio') || !isMeasure(value)) return []
    return [
      {
        label: labelOf(key),
        estimate: numberOf(value['estimate']),
        low: numberOf(value['lower']),
        high: numberOf(value['upper']),
        pooled: true,
      },
    ]
  })
  const axis = { title: 'ratio', logarithmic: true, none: 1 }
  const legend = 'Estimates over all sites together with their 95 % intervals, as diamonds on a logarithmic axis.'
  return forest({ id: 'measures', title: 'Ratios', rows, axis, numbers: 'ratio (95 % interval)', legend })
}

/** Rates and ratios by group, as `rates` gives them; what has expected events is a ratio of observed to expected. */
export const estimates: Shape = (result) => {
  const names = textsOf(result, 'names')
  const [estimate, low, high] = ['estimate', 'lower', 'upper'].map((key) => numbersOf(result, key, names?.length))
  if (names === undefined || estimate === undefined || low === undefined || high === undefined) return []
  const expected = numbersOf(result, 'expected', names.length)
  const p = numbersOf(result, 'p', names.length)
  const rows = names.map((name, i) => ({
    row: {
      label: groupName(name, columnOf(result['by'])),
      estimate: estimate[i] ?? null,
      low: low[i] ?? null,
      high: high[i] ?? null,
      p: p?.[i] ?? null,
    },
    ratio: typeof expected?.[i] === 'number',
  }))
  const some = (ratio: boolean): readonly Row[] => rows.filter((one) => one.ratio === ratio).map(({ row }) => row)
  const per = numberOf(result['per'])
  const unit =
    per === null
      ? 'estimate'
      : `rate per ${fixed(per)} of ${typeof result['time'] === 'string' ? result['time'] : 'time'}`
  return [
    ...forest({
      id: 'estimates',
      title: per === null ? 'Estimates' : 'Rates',
      rows: some(false),
      axis: { title: unit, logarithmic: false },
      numbers: per === null ? 'estimate (95 % interval)' : 'rate (95 % interval)',
      alike: per !== null,
      legend: 'Estimates over all sites together with their 95 % intervals.',
    }),
    ...forest({
      id: 'observed-expected',
      title: 'Observed to expected events',
      rows: some(true),
      axis: { title: 'observed / expected', logarithmic: true, none: 1 },
      numbers: 'ratio (95 % interval)',
      legend:
        'Observed events to those that the rates of the reference population would give, with exact 95 % intervals.',
    }),
  ]
}
