/** The page: one HTML document with everything in it. No script, no font, no other resource; the same run, the same bytes. */
import type { Figure, Missing } from '@flamesh/protocol/report/figure.js'
import { drawings, figureMarkup, pageMarkup, tableMarkup } from '@flamesh/protocol/report/markup.js'
import { escaped } from '@flamesh/protocol/report/svg.js'
import { completion } from './charts/completion.js'
import { timeToResult } from './charts/jobs.js'
import { loads } from './charts/load.js'
import { mesh } from './charts/mesh.js'
import { propagation } from './charts/propagation.js'
import { timeline } from './charts/timeline.js'
import type { Run } from './run.js'
import { STYLE } from './style.js'
import { reproduce, summary } from './summary.js'

interface Placed {
  readonly html: string
  readonly height: number
}

export function renderPage(run: Run): string {
  const charts = [timeToResult(run), completion(run), timeline(run), propagation(run), ...loads(run), mesh(run)]
  const figures = charts.filter((chart) => 'draw' in chart).map((figure, at) => placed(figure, at + 1))
  const missing = charts.filter((chart): chart is Missing => 'why' in chart)
  const [left, right] = twoColumns(figures)
  const columns = [left, right].map((column) => `<div class="column">${column.map(({ html }) => html).join('')}</div>`)
  const { scenario } = run.manifest
  const body = `${summary(run)}
${reproduce(run)}
<main class="figures">${columns.join('\n')}</main>
${missing.length === 0 ? '' : notShown(missing)}`
  return pageMarkup(`${scenario.name}: ${scenario.question}`, STYLE, body)
}

/** In the order of the figures, cut where the two columns come out most alike. */
function twoColumns(figures: readonly Placed[]): readonly [readonly Placed[], readonly Placed[]] {
  const height = (part: readonly Placed[]): number => part.reduce((sum, figure) => sum + figure.height, 0)
  const cuts = figures.map((_, at) => at + 1)
  const uneven = (cut: number): number => Math.abs(height(figures.slice(0, cut)) - height(figures.slice(cut)))
  const cut = cuts.reduce((best, one) => (uneven(one) < uneven(best) ? one : best), cuts[0] ?? 0)
  return [figures.slice(0, cut), figures.slice(cut)]
}

function placed(figure: Figure, number: number): Placed {
  const drawn = drawings(figure)
  return { html: figureMarkup(figure, number, drawn, folded(figure)), height: drawn.height + 190 }
}

function folded({ title, table }: Figure): string {
  return `<details><summary>Numbers</summary>${tableMarkup(`${title}, numbers`, table)}</details>`
}

function notShown(missing: readonly Missing[]): string {
  const items = missing.map(({ id, title, why }) => `<li id="${id}"><b>${escaped(title)}.</b> ${escaped(why)}</li>`)
  return `<section class="missing"><h2>Not shown</h2><ul>${items.join('')}</ul></section>\n`
}
