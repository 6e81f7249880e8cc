/** What every chart is: a drawing for a wide and for a narrow screen, a sentence that says what it shows, and its numbers. */

import type { Scale } from './scale.js'
import { FONT_PX, line, text, textWidth } from './svg.js'

export interface Drawing {
  readonly height: number
  readonly content: string
}

export interface Table {
  readonly columns: readonly string[]
  /** the first cell of a row names it */
  readonly rows: readonly (readonly string[])[]
  /** what the table leaves out */
  readonly note?: string
}

export interface Figure {
  readonly id: string
  readonly title: string
  /** the finding, with numbers: also what a screen reader says in place of the chart */
  readonly finding: string
  /** how to read it */
  readonly legend: string
  readonly draw: (width: number) => Drawing
  readonly table: Table
}

/** No data for a chart, and why. */
export interface Missing {
  readonly id: string
  readonly title: string
  readonly why: string
}

/** The width of a column on a wide screen and of a page of paper; and of a phone. */
export const WIDE_PX = 680
export const NARROW_PX = 346

export function isNarrow(width: number): boolean {
  return width < 500
}

export interface Frame {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Light vertical lines with labels under them, and what they measure at the right end, on a line of its own. */
export function horizontalAxis(scale: Scale, frame: Frame, title: string): string {
  const { left, right, top, bottom } = frame
  const parts: string[] = []
  let free = Number.NEGATIVE_INFINITY
  for (const { value, label } of scale.ticks) {
    const x = scale.at(value)
    if (x < left - 0.5 || x > right + 0.5) continue
    parts.push(line(x, top, x, bottom, value === 0 ? 'axis' : 'grid'))
    const half = textWidth(label) / 2
    const centre = Math.max(half, Math.min(x, right + 8 - half))
    if (centre - half < free) continue
    parts.push(text(centre, bottom + 17, label, 'tick', 'middle'))
    free = centre + half + 6
  }
  parts.push(line(left, bottom, right, bottom, 'axis'))
  const named = scale.unit === '' ? title : `${title} (${scale.unit})`
  const note = scale.logarithmic ? `${named}, logarithmic` : named
  parts.push(text(right, bottom + 35, note, 'name', 'end'))
  return parts.join('')
}

/** Light horizontal lines with labels to their left, and what they measure above them: no text stands upright. */
export function verticalAxis(scale: Scale, frame: Frame, title: string): string {
  const { left, right, top } = frame
  const parts = scale.ticks.flatMap(({ value, label }) => {
    const y = scale.at(value)
    return [line(left, y, right, y, value === 0 ? 'axis' : 'grid'), text(left - 8, y + 4, label, 'tick', 'end')]
  })
  const named = scale.unit === '' ? title : `${title} (${scale.unit})`
  return parts.join('') + text(0, top - 14, named, 'name')
}

/** Labels one below the other that want to be at certain heights: moved apart just enough, none above `top` or below `bottom`. */
export function spread(wanted: readonly number[], gap: number, top: number, bottom: number): readonly number[] {
  const order = wanted.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y)
  let least = top
  for (const label of order) {
    label.y = Math.max(label.y, least)
    least = label.y + gap
  }
  let most = bottom
  for (const label of order.toReversed()) {
    label.y = Math.min(label.y, most)
    most = label.y - gap
  }
  const placed = new Array<number>(wanted.length)
  for (const { y, at } of order) placed[at] = y
  return placed
}

export interface LegendEntry {
  readonly label: string
  /** draws its sample with the middle at this point, 26 px wide */
  readonly sample: (x: number, y: number) => string
}

/** Samples with their names, in as many lines as they need. */
export function legendRows(entries: readonly LegendEntry[], width: number, top: number): Drawing {
  const parts: string[] = []
  let x = 0
  let y = top + 8
  for (const { label, sample } of entries) {
    const needs = 26 + 7 + textWidth(label) + 18
    if (x > 0 && x + needs - 18 > width) {
      x = 0
      y += FONT_PX + 9
    }
    parts.push(sample(x + 13, y), text(x + 33, y + 4, label, 'label'))
    x += needs
  }
  return { height: y + 12 - top, content: parts.join('') }
}
