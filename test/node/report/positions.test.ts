/** Marks lie where the numbers of the result are: whatever is drawn is read back from its coordinates. */
import assert from 'node:assert/strict'
import { exampleResult } from './examples.js'
import { type Element, elements, parseMarkup, textOf } from './markup.js'
import { drawn, figures, marks, pageOf } from './page-of.js'

const number = ({ attributes }: Element, key: string): number => Number(attributes[key])
const centreOf = (rect: Element): number => number(rect, 'x') + number(rect, 'width') / 2
/** The points of a path. */
const points = ({ attributes }: Element): readonly (readonly [number, number])[] =>
  [...(attributes['d'] ?? '').matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const)

/** One axis for all: places are a linear function of the values, to a rounding of coordinates. */
function assertOnAxis(places: readonly number[], values: readonly number[], what: string): void {
  assert.equal(places.length, values.length, `${what}: as many marks as values`)
  const [low, high] = [values.indexOf(Math.min(...values)), values.indexOf(Math.max(...values))] as const
  const [from, to] = [values[low] as number, values[high] as number]
  const scale = ((places[high] as number) - (places[low] as number)) / (to - from)
  assert.ok(Number.isFinite(scale) && scale !== 0, what)
  for (const [i, value] of values.entries()) {
    const due = (places[low] as number) + scale * (value - from)
    assert.ok(Math.abs((places[i] as number) - due) < 0.3, `${what}: ${value} is at ${places[i]}, not ${due}`)
  }
}

describe('pictures of a result', () => {
  for (const [title, ratio] of [
    ['logistic', 'odds_ratio'],
    ['glm', 'rate_ratio'],
    ['cox-zph', 'hazard_ratio'],
    ['cox-pooled', 'hazard_ratio'],
  ] as const)
    it(`have the ratios of ${title} and the ends of their intervals on a logarithmic axis`, () => {
      const { result } = exampleResult(title)
      const kept = (result.names as string[]).flatMap((name, i) => (name === '(Intercept)' ? [] : [i]))
      const of = (key: string): number[] => kept.map((i) => Math.log(result[key][i]))
      const squares = marks(pageOf(title), 'forest', 'ring').map(centreOf)
      const spans = marks(pageOf(title), 'forest', 'line')
        .map(points)
        .filter(([a, b]) => a?.[1] === b?.[1])
      const ends = [0, 1].flatMap((end) => spans.map((span) => span[end]?.[0] as number))
      const values = [...of(ratio), ...of(`${ratio}_low`), ...of(`${ratio}_high`)]
      assertOnAxis([...squares, ...ends], values, title)
    })

  it('have pooled ratios as diamonds from one end of the interval to the other', () => {
    const { estimates } = exampleResult('meta-analysis').result
    // biome-ignore lint/suspicious/noExplicitAny: a result is read by name
    const models: any[] = Object.values<any>(estimates).flatMap((own) => Object.values(own))
    const diamonds = marks(pageOf('meta-analysis'), 'pooled', 'dot')
      .map(points)
      .filter((corners) => corners.length === 4)
    const places = diamonds.flatMap((corners) => corners.slice(0, 3).map(([x]) => x))
    const values = models.flatMap((one) => [one.hazard_ratio_low, one.hazard_ratio, one.hazard_ratio_high])
    assertOnAxis(places, values.map(Math.log), 'diamonds')
  })

  it('have counts as heights, and both shares of a score as points', () => {
    const { counts } = exampleResult('histogram').result
    const known = (counts as (number | null)[]).filter((count) => count !== null)
    const bars = marks(pageOf('histogram'), 'histogram', 'bar-fill')
    assertOnAxis(
      bars.map((bar) => number(bar, 'height')),
      known,
      'bars',
    )
    const { sensitivity, specificity, threshold } = exampleResult('roc').result
    const some = (values: number[]) => values.filter((_, i) => threshold[i] !== null)
    const dots = marks(pageOf('roc'), 'roc', 'dot')
    assertOnAxis(
      dots.map((dot) => number(dot, 'cx')),
      some(specificity).map((value) => 1 - value),
      '1 − specificity',
    )
    assertOnAxis(
      dots.map((dot) => number(dot, 'cy')),
      some(sensitivity),
      'sensitivity',
    )
  })

  it('have curves that fall to each released share at its time', () => {
    const { result } = exampleResult('survival-whole')
    const [curve] = marks(pageOf('survival-whole'), 'survival', 'curve')
    const steps = [...(curve?.attributes['d'] ?? '').matchAll(/H([\d.]+)V([\d.]+)/g)]
    assertOnAxis(
      steps.map(([, x]) => Number(x)),
      result.time,
      'times',
    )
    assertOnAxis(
      steps.map(([, , y]) => Number(y)),
      result.surv,
      'shares',
    )
  })

  it('draws observed events as bars as long as they are many, with the expected on the same axis', () => {
    const { result } = exampleResult('log-rank')
    const page = pageOf('log-rank')
    const bars = marks(page, 'observed', 'bar-fill').slice(1)
    const due = marks(page, 'observed', 'median').slice(1)
    const [left, perEvent] = [
      Number(bars[0]?.attributes['x']),
      Number(bars[0]?.attributes['width']) / result.observed[0],
    ]
    for (const [i, bar] of bars.entries()) {
      assert.ok(Math.abs(Number(bar.attributes['width']) - perEvent * result.observed[i]) < 0.2)
      const at = Number(/^M([\d.]+) /.exec(due[i]?.attributes['d'] ?? '')?.[1])
      assert.ok(Math.abs(at - (left + perEvent * result.expected[i])) < 0.3, `expected of ${result.names[i]} at ${at}`)
    }
    assert.deepEqual(
      drawn(page, 'observed').filter((one) => one.includes(' / ')),
      ['168 / 149.4', '161 / 146.0', '123 / 156.6'],
    )
    const finding = textOf(elements(figures(page).get('observed') as Element, 'p')[0] as Element)
    assert.match(finding, /rx Lev\+5FU 0\.79\. Test of no difference: χ².=.11\.14, df.=.2, p.=.0\.004\./)
  })

  it('draws each centre where it lies, on one axis if columns were scaled', () => {
    const { result } = exampleResult('k-means')
    const circles = marks(pageOf('k-means'), 'centres', 'dot').slice(result.names.length)
    const columns = Object.keys(result.scaled)
    const values = columns.flatMap((column) => result.names.map((name: string) => result.centers[name][column]))
    assert.equal(circles.length, values.length)
    const place = (i: number): number => Number(circles[i]?.attributes['cx'])
    const [low, high] = [values.indexOf(Math.min(...values)), values.indexOf(Math.max(...values))]
    const scale = (place(high) - place(low)) / (values[high] - values[low])
    for (const [i, value] of values.entries())
      assert.ok(Math.abs(place(i) - (place(low) + scale * (value - values[low]))) < 0.2, columns[i % 3])
    for (const [i, circle] of circles.entries())
      for (const other of circles.slice(0, i)) {
        const apart = ['cx', 'cy'].map((key) => Number(circle.attributes[key]) - Number(other.attributes[key]))
        assert.ok(Math.hypot(...apart) >= 18, 'circles cover each other')
      }
    const own = drawn(pageOf('k-means-unscaled'), 'centres')
    assert.ok(own.includes('ph.karno') && own.includes('cluster 1 (n = 132)'), own.join())
    const heads = elements(parseMarkup(pageOf('k-means-unscaled')), 'th').map(textOf)
    assert.ok(heads.includes('ph.karno'), 'columns of the data keep their names')
  })
})
