/** A matrix as shaded cells with their numbers: blue above 0, orange below, the more the darker. */
import { type Drawing, isNarrow } from '@flamesh/protocol/report/figure.js'
import { bar, tag, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { label } from './picture.js'

export interface Matrix {
  readonly rows: readonly string[]
  readonly cols: readonly string[]
  /** the value from −1 to 1, null if there is none, and how it is said */
  readonly cell: (row: number, col: number) => { readonly value: number | null; readonly said: string }
}

/** Text stays readable on the darkest cell, in light and dark. */
const DARKEST = 0.5

export function heatMap({ rows, cols, cell }: Matrix, width: number): Drawing {
  const names = Math.min(width * (isNarrow(width) ? 0.28 : 0.3), Math.max(...rows.map((row) => textWidth(row))) + 12)
  const size = Math.min(96, (width - names) / cols.length)
  const height = Math.min(36, Math.max(22, size))
  const longest = Math.max(...cols.map((col) => textWidth(col)))
  // names of columns lean where they do not fit above their cell
  const lean = longest > size - 6
  const top = lean ? Math.min(110, longest * 0.75 + 16) : 24
  const heads = cols.map((col, c) => {
    const x = names + (c + 0.5) * size
    if (!lean) return text(x, top - 8, col, 'label', 'middle')
    const turned = label(0, 0, col, 120)
    return tag('g', { transform: `translate(${Math.round(x)} ${Math.round(top - 8)}) rotate(-45)` }, turned)
  })
  const widest = Math.max(...rows.flatMap((_, r) => cols.map((_, c) => textWidth(cell(r, c).said))))
  const body = rows.map((row, r) => {
    const y = top + r * height
    const cells = cols.map((col, c) => {
      const { value, said } = cell(r, c)
      const x = names + c * size
      const shade = Math.round(Math.min(1, Math.abs(value ?? 0)) * DARKEST * 100) / 100
      const style = value === null ? 'withheld' : `cell ${value < 0 ? 'c1' : 'c0'} o${Math.round(shade * 20)}`
      const number = widest <= size - 4 ? text(x + size / 2, y + height / 2 + 4, said, 'number', 'middle') : ''
      return bar(x + 1, y + 1, size - 2, height - 2, style, `${row}, ${col}: ${said}`) + number
    })
    return label(names - 8, y + height / 2 + 4, row, names - 8, 'label', 'end') + cells.join('')
  })
  return { height: top + rows.length * height + 6, content: heads.join('') + body.join('') }
}
