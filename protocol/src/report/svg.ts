/**
 * Drawing by hand: SVG as text. Colours are classes, which the page's style sheet fills in for light, dark and paper.
 * Coordinates have one decimal, so that the same numbers give the same bytes and the page stays small.
 */

export type Attributes = Readonly<Record<string, string | number | undefined>>

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for HTML and SVG, in content and in attributes. Control characters, also those that turn the direction of text, become visible. */
export function escaped(text: string): string {
  return text
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069\ufffe\uffff]|[\ud800-\udfff](?![\udc00-\udfff])/gu,
      '\ufffd',
    )
    .replace(/[&<>"']/g, (character) => ESCAPES[character] as string)
}

export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** An element. `content` is markup already: text goes through `escaped` first. */
export function tag(name: string, attributes: Attributes, content = ''): string {
  let text = `<${name}`
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) text += ` ${key}="${typeof value === 'number' ? px(value) : escaped(value)}"`
  }
  return content === '' ? `${text}/>` : `${text}>${content}</${name}>`
}

export type Anchor = 'start' | 'middle' | 'end'

export function text(x: number, y: number, content: string, style: string = '', anchor: Anchor = 'start'): string {
  const attributes = { x, y, class: style || undefined, 'text-anchor': anchor === 'start' ? undefined : anchor }
  return tag('text', attributes, escaped(content))
}

export function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return tag('path', { class: style, d: `M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}` })
}

export type Point = readonly [x: number, y: number]

export function path(points: readonly Point[], style: string, closed = false): string {
  const d = points.map(([x, y], at) => `${at === 0 ? 'M' : 'L'}${px(x)} ${px(y)}`).join('')
  return tag('path', { class: style, d: closed ? `${d}Z` : d })
}

/** A staircase: horizontal first, then up or down to the next point. */
export function steps(points: readonly Point[], style: string): string {
  const d = points.map(([x, y], at) => (at === 0 ? `M${px(x)} ${px(y)}` : `H${px(x)}V${px(y)}`)).join('')
  return tag('path', { class: style, d })
}

/** A rectangle that tells what it is when pointed at. */
export function bar(x: number, y: number, width: number, height: number, style: string, tip?: string): string {
  const hover = tip === undefined ? '' : tag('title', {}, escaped(tip))
  return tag('rect', { x, y, width: Math.max(0, width), height, class: style }, hover)
}

/** A mark of one of six shapes, so that a series is recognised without its colour. */
export function mark(series: number, x: number, y: number, style: string, radius = 4): string {
  const r = radius
  switch (series % 6) {
    case 0:
      return tag('circle', { cx: x, cy: y, r, class: style })
    case 1:
      return tag('rect', { x: x - r * 0.9, y: y - r * 0.9, width: r * 1.8, height: r * 1.8, class: style })
    case 2:
      return polygon(x, y, [0, -1.2, 1.15, 0.8, -1.15, 0.8], r, style)
    case 3:
      return polygon(x, y, [0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0], r, style)
    case 4:
      return polygon(x, y, [0, 1.2, 1.15, -0.8, -1.15, -0.8], r, style)
    default:
      return polygon(
        x,
        y,
        [
          -1.2, -0.45, -0.45, -0.45, -0.45, -1.2, 0.45, -1.2, 0.45, -0.45, 1.2, -0.45, 1.2, 0.45, 0.45, 0.45, 0.45, 1.2,
          -0.45, 1.2, -0.45, 0.45, -1.2, 0.45,
        ],
        r,
        style,
      )
  }
}

function polygon(x: number, y: number, corners: readonly number[], radius: number, style: string): string {
  const points: Point[] = []
  for (let at = 0; at < corners.length; at += 2) {
    points.push([x + (corners[at] as number) * radius, y + (corners[at + 1] as number) * radius])
  }
  return path(points, style, true)
}

/** Advance widths of Helvetica, which Arial and Liberation Sans share, of the characters from the space up, in em/1000. */
const WIDTHS = [
  278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
  556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
  722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
  556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
  260, 334, 584,
]

export const FONT_PX = 12

export function textWidth(content: string, size = FONT_PX): number {
  let sum = 0
  for (const character of content) {
    const code = character.codePointAt(0) as number
    sum += WIDTHS[code - 32] ?? (code === 0xa0 ? 278 : code < 0x2000 ? 600 : 1000)
  }
  return (sum * size) / 1000
}

/** The text, or as much of it as there is room for and an ellipsis. */
export function fitted(content: string, width: number, size = FONT_PX): string {
  if (textWidth(content, size) <= width) return content
  const characters = [...content]
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size) > width) characters.pop()
  return `${characters.join('').trimEnd()}…`
}
