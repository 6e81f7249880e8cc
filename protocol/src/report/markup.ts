/** A page with figures and tables: one HTML document that loads nothing and runs nothing. */
import { type Figure, NARROW_PX, type Table, WIDE_PX } from './figure.js'
import { escaped, px, tag } from './svg.js'

/** Nothing but its own style sheet, whatever slips into the page. */
const CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** `style` and `body` are markup; `title` is text. */
export function pageMarkup(title: string, style: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><meta http-equiv="Content-Security-Policy" content="${CONTENT_POLICY}"/><meta name="viewport" content="width=device-width, initial-scale=1"/><meta name="color-scheme" content="light dark"/><title>${escaped(title)}</title><style>${style}</style></head>
<body>${body}</body></html>
`
}

export interface Drawings {
  readonly html: string
  /** of the wide one (pixels) */
  readonly height: number
}

/** The drawing for a wide and that for a narrow screen. */
export function drawings(figure: Pick<Figure, 'id' | 'title' | 'finding' | 'draw'>): Drawings {
  const { id, title, finding } = figure
  const draw = (size: 'wide' | 'narrow', width: number): { readonly html: string; readonly height: number } => {
    const { height, content } = figure.draw(width)
    const described = `${id}-${size}`
    const desc = tag('desc', { id: described }, escaped(finding))
    const view = `0 0 ${width} ${px(height)}`
    const attributes = { class: size, viewBox: view, role: 'img', 'aria-label': title, 'aria-describedby': described }
    return { html: tag('svg', attributes, desc + content), height }
  }
  const wide = draw('wide', WIDE_PX)
  return { html: wide.html + draw('narrow', NARROW_PX).html, height: wide.height }
}

/** `after` is markup: the figure's numbers. */
export function figureMarkup(
  { id, title, finding, legend }: Pick<Figure, 'id' | 'title' | 'finding' | 'legend'>,
  number: number,
  drawn: Drawings,
  after = '',
): string {
  return `<figure id="${id}"><h2><span>Figure ${number}</span> ${escaped(title)}</h2><p class="finding">${escaped(finding.replaceAll(' %', '\u00a0%'))}</p>${drawn.html}<figcaption>${escaped(legend)}</figcaption>${after}</figure>`
}

/** A table that scrolls where it is wider than the page. */
export function tableMarkup(label: string, { columns, rows, note }: Table): string {
  const head = columns.map((name) => `<th scope="col">${escaped(name)}</th>`).join('')
  const body = rows.map(([name = '', ...cells]) => {
    const values = cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')
    return `<tr><th scope="row">${escaped(name)}</th>${values}</tr>`
  })
  const said = note === undefined ? '' : `<p class="note">${escaped(note)}</p>`
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(label)}"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>${said}`
}
