/** The page: one HTML document with everything in it. No script, no font, no other resource; the same run, the same bytes. */
import { completion } from './charts/completion.js'
import { timeToResult } from './charts/jobs.js'
import { loads } from './charts/load.js'
import { mesh } from './charts/mesh.js'
import { propagation } from './charts/propagation.js'
import { timeline } from './charts/timeline.js'
import { type Drawing, type Figure, type Missing, NARROW_PX, type Table, WIDE_PX } from './figure.js'
import type { Run } from './run.js'
import { STYLE } from './style.js'
import { reproduce, summary } from './summary.js'
import { escaped, px, tag } from './svg.js'

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
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${escaped(scenario.name)}: ${escaped(scenario.question)}</title><style>${STYLE}</style></head>
<body>${summary(run)}
${reproduce(run)}
<main class="figures">${columns.join('\n')}</main>
${missing.length === 0 ? '' : notShown(missing)}</body></html>
`
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
  const { id, title, finding, legend } = figure
  const wide = figure.draw(WIDE_PX)
  const narrow = figure.draw(NARROW_PX)
  const html = `<figure id="${id}"><h2><span>Figure ${number}</span> ${escaped(title)}</h2><p class="finding">${escaped(finding.replaceAll(' %', '\u00a0%'))}</p>${svg(figure, wide, 'wide')}${svg(figure, narrow, 'narrow')}<figcaption>${escaped(legend)}</figcaption>${numbers(title, figure.table)}</figure>`
  return { html, height: wide.height + 190 }
}

function svg({ id, title, finding }: Figure, { height, content }: Drawing, size: 'wide' | 'narrow'): string {
  const width = size === 'wide' ? WIDE_PX : NARROW_PX
  const described = `${id}-${size}`
  const desc = tag('desc', { id: described }, escaped(finding))
  const view = `0 0 ${width} ${px(height)}`
  const attributes = { class: size, viewBox: view, role: 'img', 'aria-label': title, 'aria-describedby': described }
  return tag('svg', attributes, desc + content)
}

function numbers(title: string, { columns, rows, note }: Table): string {
  const head = columns.map((name) => `<th scope="col">${escaped(name)}</th>`).join('')
  const body = rows.map(([name = '', ...cells]) => {
    const values = cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')
    return `<tr><th scope="row">${escaped(name)}</th>${values}</tr>`
  })
  const said = note === undefined ? '' : `<p class="note">${escaped(note)}</p>`
  return `<details><summary>Numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="${escaped(title)}, numbers"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>${said}</details>`
}

function notShown(missing: readonly Missing[]): string {
  const items = missing.map(({ id, title, why }) => `<li id="${id}"><b>${escaped(title)}.</b> ${escaped(why)}</li>`)
  return `<section class="missing"><h2>Not shown</h2><ul>${items.join('')}</ul></section>\n`
}
