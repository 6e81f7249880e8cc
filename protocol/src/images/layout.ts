/**
 * The vector of an image, from its description: the layout that every analysis has, and the bounds that each value is checked
 * against before it is encoded. Implements docs/spec/images.md, "Output".
 */
import type { Layout } from '../analyses/layout.js'
import type { ImageDescription, OutputSlot } from './description.js'

const namesOf = ({ name, length }: OutputSlot): readonly string[] =>
  length === 1 ? [name] : Array.from({ length }, (_, at) => `${name}[${at}]`)

/** Counts by name, then for each whether a site has any at all, then sums: what the node makes of what `map` wrote. */
export function layoutOf({ output }: ImageDescription): Layout {
  const names = (kind: OutputSlot['kind']) => output.filter((one) => one.kind === kind).flatMap(namesOf)
  const counts = names('count')
  return { counts: [...counts, ...counts.map((name) => `sites with ${name}`)], sums: names('sum') }
}

/** How many of the values that `map` writes are counts; they come first. */
export function countsOf({ output }: ImageDescription): number {
  return output.reduce((total, { kind, length }) => total + (kind === 'count' ? length : 0), 0)
}

/** How many values `map` writes. */
export function dimensionOf({ output }: ImageDescription): number {
  return output.reduce((total, { length }) => total + length, 0)
}

export interface Bounds {
  readonly lower: Float64Array
  readonly upper: Float64Array
}

/** Of each value that `map` writes, in order; both ends are allowed. */
export function boundsOf(description: ImageDescription): Bounds {
  const dimension = dimensionOf(description)
  const bounds = { lower: new Float64Array(dimension), upper: new Float64Array(dimension) }
  let at = 0
  for (const { length, lower, upper } of description.output) {
    bounds.lower.fill(Number(lower), at, at + length)
    bounds.upper.fill(Number(upper), at, at + length)
    at += length
  }
  return bounds
}
