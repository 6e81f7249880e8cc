/** How well a score tells an outcome: ROC curve with its area, and calibration of a predicted probability. */
import { type Drawing, type Frame, horizontalAxis, isNarrow, verticalAxis } from '@flamesh/protocol/report/figure.js'
import { linearScale, type Scale, valueScale } from '@flamesh/protocol/report/scale.js'
import { wilson } from '@flamesh/protocol/report/statistics.js'
import { bar, escaped, line, mark, type Point, path, tag, text } from '@flamesh/protocol/report/svg.js'
import { fixed, shortNumber, withInterval } from '../text.js'
import type { Fields } from '../values.js'
import { columnOf, eventText, numberOf, numbersOf, type Shape, textsOf } from './picture.js'

export const roc: Shape = (result) => {
  const names = textsOf(result, 'names')
  const sensitivity = numbersOf(result, 'sensitivity', names?.length)
  const specificity = numbersOf(result, 'specificity', names?.length)
  if (names === undefined || sensitivity === undefined || specificity === undefined) return []
  const score = columnOf(result['score']) ?? 'score'
  const outcome = eventText(result['outcome'])
  const area = withInterval(...(['auc', 'auc_ci_low', 'auc_ci_high'].map((key) => numberOf(result[key])) as Area))
  // from nobody called positive to everyone
  const points: Point[] = names
    .map((_, i): Point => [1 - (specificity[i] ?? 0), sensitivity[i] ?? 0])
    .concat([[0, 0]])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
  return [
    {
      id: 'roc',
      title: 'ROC curve',
      finding: `The area under the curve of ${score} for ${outcome} is ${area}.`,
      legend: `Sensitivity against 1 − specificity at the ${names.length - 1} thresholds that could be released, with the area in between; the dotted line is a score that tells nothing. The interval of the area is DeLong’s.`,
      draw: (width) => drawRoc(points, names, result, width),
    },
  ]
}

type Area = [number | null, number | null, number | null]

function square(width: number, top: number, left: number): Frame {
  const side = Math.min(width - left - 14, isNarrow(width) ? 300 : 400)
  return { left, right: left + side, top, bottom: top + side }
}

function drawRoc(points: readonly Point[], names: readonly string[], result: Fields, width: number): Drawing {
  const frame = square(width, 34, 44)
  const x = linearScale('share', 1, [frame.left, frame.right], 5)
  const y = linearScale('share', 1, [frame.bottom, frame.top], 5)
  const curve = points.map(([a, b]): Point => [x.at(a), y.at(b)])
  const area = path([[x.at(0), y.at(0)], ...curve, [x.at(1), y.at(0)]], 'area plain c0', true)
  const thresholds = numbersOf(result, 'threshold', names.length) ?? []
  const sensitivity = numbersOf(result, 'sensitivity', names.length) ?? []
  const specificity = numbersOf(result, 'specificity', names.length) ?? []
  const dots = thresholds.flatMap((threshold, i) => {
    if (threshold === null) return []
    const [a, b] = [1 - (specificity[i] ?? 0), sensitivity[i] ?? 0]
    const says = `at or above ${shortNumber(threshold)}: sensitivity ${fixed(b)}, specificity ${fixed(1 - a)}`
    return [tag('g', {}, tag('title', {}, escaped(says)) + mark(0, x.at(a), y.at(b), 'dot ring c0', 3.5))]
  })
  const said = withInterval(...(['auc', 'auc_ci_low', 'auc_ci_high'].map((key) => numberOf(result[key])) as Area))
  const content = [
    verticalAxis(y, frame, 'sensitivity'),
    horizontalAxis(x, frame, '1 − specificity'),
    area,
    line(x.at(0), y.at(0), x.at(1), y.at(1), 'guide'),
    path(curve, 'curve c0'),
    ...dots,
    text(frame.right - 10, frame.bottom - 14, `AUC ${said}`, 'halo', 'end'),
  ]
  return { height: frame.bottom + 42, content: content.join('') }
}

interface Bin {
  readonly predicted: number
  readonly observed: number
  readonly n: number
  readonly low: number
  readonly high: number
}

export const calibration: Shape = (result) => {
  const predicted = numbersOf(result, 'predicted')
  const [observed, positives, negatives] = ['observed', 'positives', 'negatives'].map((key) =>
    numbersOf(result, key, predicted?.length),
  )
  if (!(predicted && observed && positives && negatives)) return []
  const bins = predicted.flatMap((value, i): Bin[] => {
    const n = (positives[i] ?? 0) + (negatives[i] ?? 0)
    if (value === null || typeof observed[i] !== 'number' || n <= 0) return []
    return [{ predicted: value, observed: observed[i], n, ...wilson(positives[i] ?? 0, n) }]
  })
  if (bins.length === 0) return []
  const [brier, scaled, ratio] = ['brier', 'brier_scaled', 'observed_expected'].map((key) => numberOf(result[key]))
  const said = [
    brier === null || brier === undefined ? '' : `Brier’s score is ${shortNumber(brier, 3)}`,
    scaled === null || scaled === undefined ? '' : ` (scaled ${shortNumber(scaled, 3)})`,
    ratio === null || ratio === undefined ? '' : `; ${fixed(ratio)} events were observed for each that was expected`,
  ].join('')
  return [
    {
      id: 'calibration',
      title: 'Calibration',
      finding: said === '' ? `${bins.length} bins of predicted probability.` : `${said}.`,
      legend:
        'Observed share against mean predicted probability by released bin, with Wilson’s 95 % intervals; on the dotted line both are equal. The bars at the foot say how many rows each bin holds.',
      draw: (width) => drawCalibration(bins, width),
    },
  ]
}

function drawCalibration(bins: readonly Bin[], width: number): Drawing {
  const frame = square(width, 34, 44)
  const x = linearScale('share', 1, [frame.left, frame.right], 5)
  const y = linearScale('share', 1, [frame.bottom, frame.top], 5)
  const most = Math.max(...bins.map(({ n }) => n))
  const foot = valueScale(0, most, [frame.bottom, frame.bottom - 42])
  const bars = bins.map(({ predicted, n }) => rug(x.at(predicted), n, frame, foot))
  const dots = bins.map(({ predicted, observed, low, high, n }) => {
    const at = x.at(predicted)
    const says = `predicted ${fixed(predicted)}, observed ${fixed(observed)} (${fixed(low)} to ${fixed(high)}), ${n} rows`
    const ends = [low, high].map((end) => line(at - 4, y.at(end), at + 4, y.at(end), 'line c0')).join('')
    const drawn = line(at, y.at(low), at, y.at(high), 'line c0') + ends + mark(0, at, y.at(observed), 'dot ring c0')
    return tag('g', {}, tag('title', {}, escaped(says)) + drawn)
  })
  const content = [
    verticalAxis(y, frame, 'observed share'),
    horizontalAxis(x, frame, 'predicted probability'),
    line(x.at(0), y.at(0), x.at(1), y.at(1), 'guide'),
    ...bars,
    path(
      bins.map(({ predicted, observed }): Point => [x.at(predicted), y.at(observed)]),
      'edge c0',
    ),
    ...dots,
  ]
  return { height: frame.bottom + 42, content: content.join('') }
}

function rug(at: number, n: number, { bottom }: Frame, foot: Scale): string {
  const top = foot.at(n)
  return bar(at - 3, top, 6, bottom - top, 'bar-fill faint c6', `${n} rows`)
}
