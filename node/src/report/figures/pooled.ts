/** A meta-analysis: the pooled estimates of each coefficient, and where a further site would be expected. Sites have no rows. */
import { type Fields, isFields, labelOf } from '../values.js'
import { forest } from './forest.js'
import type { Row } from './intervals.js'
import { numberOf, type Shape } from './picture.js'

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
    return models.length === 0 ? [] : [{ name, models }]
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
    const label = labelOf(kind)
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
    legend:
      'Estimates pooled over the sites with their 95 % intervals, as diamonds; the line of a prediction is where the effect at a further site would lie. No site’s own estimate is known.',
  })
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
      full: `${name}, ${labelOf(kind)}, ${label}`,
      indented: true,
      estimate: scaled(coef),
      low: scaled(low),
      high: scaled(high),
      series: 5,
    },
  ]
}
