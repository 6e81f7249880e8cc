/** A meta-analysis: the pooled estimates of each coefficient, and where a further site would be expected. Sites have no rows. */

import { percent, withInterval } from '../text.js'
import { type Fields, isFields } from '../values.js'
import { labelOf, readerLabel, sentence } from '../words.js'
import { forest } from './forest.js'
import type { Row } from './intervals.js'
import { coefficientText } from './levels.js'
import { listed, type Numbers, named, numberOf, numbersOf, type Shape } from './picture.js'

interface Pooled {
  readonly name: string
  readonly models: readonly (readonly [string, Fields])[]
}

function pooledOf(result: Fields): readonly Pooled[] {
  const { estimates } = result
  if (!isFields(estimates)) return []
  return Object.entries(estimates).flatMap(([name, own]) => {
    if (!isFields(own)) return []
    const models = Object.entries(own).filter(
      (entry): entry is [string, Fields] => isFields(entry[1]) && numberOf(entry[1]['coef']) !== null,
    )
    return models.length === 0 ? [] : [{ name: coefficientText(name, result['factors']), models }]
  })
}

/** The ratio that every model has, with `_low` and `_high`. */
function ratioOf(all: readonly Pooled[]): string | undefined {
  const [, first] = all[0]?.models[0] ?? []
  const has = (model: Fields, key: string): boolean =>
    [key, `${key}_low`, `${key}_high`].every((name) => numberOf(model[name]) !== null)
  return Object.keys(first ?? {}).find((key) => all.every(({ models }) => models.every(([, model]) => has(model, key))))
}

export const pooled: Shape = (result) => {
  const all = pooledOf(result).filter(({ name }) => name !== '(Intercept)')
  if (all.length === 0) return []
  const ratio = ratioOf(all)
  const rowOf = (model: Fields, name: string, kind: string): Row => {
    const [estimate, low, high] = (
      ratio === undefined ? ['coef', 'ci_low', 'ci_high'] : [ratio, `${ratio}_low`, `${ratio}_high`]
    ).map((key) => numberOf(model[key])) as [number | null, number | null, number | null]
    const label = readerLabel(kind)
    return {
      label,
      full: `${name}, ${label}`,
      indented: true,
      estimate,
      low,
      high,
      p: numberOf(model['p']),
      pooled: true,
    }
  }
  const rows = all.flatMap(({ name, models }): readonly Row[] => [
    { label: name, estimate: null, low: null, high: null, said: '' },
    ...models.flatMap(([kind, model]) => [rowOf(model, name, kind), ...predicted(model, name, kind, ratio)]),
  ])
  const what = ratio === undefined ? 'coefficient' : labelOf(ratio)
  return forest({
    id: 'pooled',
    title: `Pooled ${what}s`,
    rows,
    axis: { title: what, logarithmic: ratio !== undefined, none: ratio === undefined ? 0 : 1 },
    numbers: `${what} (95 % interval)`,
    finding: findingOf(all, ratio, numbersOf(result, 'i2')),
    legend:
      'Estimates pooled over the sites with their 95 % intervals, as diamonds; the line of a prediction is where the effect at a further site would lie. No site’s own estimate is known.',
  })
}

/** With random effects, where there are: sites differ more often than not. */
function findingOf(all: readonly Pooled[], ratio: string | undefined, heterogeneity: Numbers | undefined): string {
  const kind = all.every(({ models }) => models.some(([name]) => name === 'random')) ? 'random' : all[0]?.models[0]?.[0]
  const keys = ratio === undefined ? ['coef', 'ci_low', 'ci_high'] : [ratio, `${ratio}_low`, `${ratio}_high`]
  const said = all.flatMap(({ name, models }) => {
    const [, model] = models.find(([one]) => one === kind) ?? []
    const [estimate = null, low = null, high = null] = keys.map((key) => numberOf(model?.[key]))
    return model === undefined ? [] : [`${named(name)} ${withInterval(estimate, low, high)}`]
  })
  const known = (heterogeneity ?? []).filter((one) => one !== null)
  const [least, largest] = [Math.min(...known), Math.max(...known)].map((one) => percent(one / 100))
  const between = known.length === 0 ? '' : ` I² is ${least === largest ? least : `from ${least} to ${largest}`}.`
  return `${sentence(readerLabel(kind ?? ''))}: ${listed(said, 6)}.${between}`
}

/** The prediction of a model of random effects, on the scale of the others. */
function predicted(model: Fields, name: string, kind: string, ratio: string | undefined): readonly Row[] {
  const [low, high] = [numberOf(model['prediction_low']), numberOf(model['prediction_high'])]
  const coef = numberOf(model['coef'])
  if (low === null || high === null || coef === null) return []
  const scaled = (value: number): number => (ratio === undefined ? value : Math.exp(value))
  const label = 'prediction'
  return [
    {
      label,
      full: `${name}, ${readerLabel(kind)}, ${label}`,
      indented: true,
      estimate: scaled(coef),
      low: scaled(low),
      high: scaled(high),
      series: 5,
    },
  ]
}
