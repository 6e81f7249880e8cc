/**
 * The rows of one site for `k-means`: which centre is nearest to each, and sums by cluster. Values are cut into a part of 23 bits,
 * whose products add up without rounding, and a rest (as in products.ts): sums of squares are within 2^-70 of the largest square.
 */
import { add, addProduct, addWeighted, type Sums, zeroSums } from './double-double.js'

/** Rows of a cluster whose products of parts fit 53 bits. */
const BLOCK = 64
const PART_BITS = 22
/** Rows that are cut into columns at a time. */
const STRIP = 1024

export interface Points {
  readonly count: number
  readonly width: number
  /** row after row, less `by` */
  readonly values: Float64Array
  /** what was taken off each column, exactly */
  readonly by: Float64Array
  /** the addition of which rounds a value to its part */
  readonly rounders: Float64Array
  /** by centres as they were asked for: of each row the nearest, the first if two are */
  readonly nearest: Map<string, Uint8Array>
}

/** z = (x − centre) / scale of a column. */
export interface Shift {
  readonly centre: number
  readonly scale: number
}

/** Of columns as they are, unless there are shifts. */
export function pointsOf(columns: readonly Float64Array[], count: number, shifts?: readonly Shift[]): Points {
  const width = columns.length
  const shiftOf = (j: number): Shift => shifts?.[j] ?? { centre: 0, scale: 1 }
  const [by, rounders] = [new Float64Array(width), new Float64Array(width)]
  for (const [j, column] of columns.entries()) {
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let row = 0; row < count; row++) {
      const value = column[row] as number
      if (value < least) least = value
      if (value > most) most = value
    }
    const { centre, scale } = shiftOf(j)
    least = (least - centre) / scale
    most = (most - centre) / scale
    // a difference of numbers that are within a factor of two of each other is exact (Sterbenz)
    const far = (least > 0 && most <= 2 * least) || (most < 0 && least >= 2 * most)
    by[j] = far ? least : 0
    const reach = Math.max(Math.abs(least - (by[j] as number)), Math.abs(most - (by[j] as number)))
    rounders[j] = reach > 0 ? 1.5 * 2 ** (52 - PART_BITS) * 2 ** (Math.floor(Math.log2(reach)) + 1) : 0
  }
  const values = new Float64Array(count * width)
  for (let from = 0; from < count; from += STRIP) {
    const to = Math.min(count, from + STRIP)
    for (const [j, column] of columns.entries()) {
      const taken = by[j] as number
      const { centre, scale } = shiftOf(j)
      for (let row = from; row < to; row++) values[row * width + j] = ((column[row] as number) - centre) / scale - taken
    }
  }
  return { count, width, values, by, rounders, nearest: new Map() }
}

export function nearestOf(points: Points, centres: readonly (readonly number[])[]): Uint8Array {
  const key = JSON.stringify(centres)
  const found = points.nearest.get(key)
  if (found !== undefined) return found
  const { count, width, values, by } = points
  // three centres side by side, so that three sums go on at a time; those that fill up are nearest to nothing
  const triples = Math.ceil(centres.length / 3)
  const flat = new Float64Array(triples * 3 * width).fill(Number.POSITIVE_INFINITY)
  for (const [cluster, centre] of centres.entries()) {
    const first = Math.floor(cluster / 3) * 3 * width + (cluster % 3)
    for (let j = 0; j < width; j++) flat[first + 3 * j] = (centre[j] as number) - (by[j] as number)
  }
  const nearest = new Uint8Array(count)
  for (let row = 0, first = 0; row < count; row++, first += width) {
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let cluster = 0, at = 0; cluster < centres.length; cluster += 3) {
      let a = 0
      let b = 0
      let c = 0
      for (let j = 0; j < width; j++, at += 3) {
        const value = values[first + j] as number
        const x = value - (flat[at] as number)
        const y = value - (flat[at + 1] as number)
        const z = value - (flat[at + 2] as number)
        a += x * x
        b += y * y
        c += z * z
      }
      if (a < least) {
        best = cluster
        least = a
      }
      if (b < least) {
        best = cluster + 1
        least = b
      }
      if (c < least) {
        best = cluster + 2
        least = c
      }
    }
    nearest[row] = best
  }
  points.nearest.set(key, nearest)
  return nearest
}

/** Σ and Σ of squares, of each cluster and in it of each column, the rows as they came: nothing taken off. */
function moments({ count, width, values, by, rounders }: Points, nearest: Uint8Array, sizes: readonly number[]): Sums {
  // of a block of rows of a cluster, for each column: Σ part, Σ rest, Σ part², Σ value² − part²
  const open = new Float64Array(sizes.length * width * 4)
  const rows = new Int32Array(sizes.length)
  const about = zeroSums(sizes.length * width * 2)
  const close = (cluster: number): void => {
    for (let at = cluster * width * 4; at < (cluster + 1) * width * 4; at += 4) {
      add(about, at / 2, open[at] as number, open[at + 1])
      add(about, at / 2 + 1, open[at + 2] as number, open[at + 3])
    }
    open.fill(0, cluster * width * 4, (cluster + 1) * width * 4)
    rows[cluster] = 0
  }
  for (let row = 0, from = 0; row < count; row++) {
    const cluster = nearest[row] as number
    for (let j = 0, at = cluster * width * 4; j < width; j++, from++, at += 4) {
      const value = values[from] as number
      const rounder = rounders[j] as number
      const part = value + rounder - rounder
      const rest = value - part
      open[at] = (open[at] as number) + part
      open[at + 1] = (open[at + 1] as number) + rest
      open[at + 2] = (open[at + 2] as number) + part * part
      open[at + 3] = (open[at + 3] as number) + (value + part) * rest
    }
    const so = (rows[cluster] as number) + 1
    rows[cluster] = so
    if (so === BLOCK) close(cluster)
  }
  for (const [cluster, size] of sizes.entries()) {
    close(cluster)
    for (let j = 0; j < width; j++) {
      const taken = by[j] as number
      const at = (cluster * width + j) * 2
      const [high, low] = [about.high[at] as number, about.low[at] as number]
      // Σ(v + by)² = Σv² + 2·by·Σv + n·by²
      addProduct(about, at + 1, 2 * taken, high)
      add(about, at + 1, 2 * taken * low)
      addWeighted(about, at + 1, size, taken, taken)
      addProduct(about, at, size, taken)
    }
  }
  return about
}

/** Of each column Σ, then Σ of squares. */
export const columnSums = (points: Points): Sums => moments(points, new Uint8Array(points.count), [points.count])

/** Of each cluster Σ of every column, then Σ of all squares; with `byColumn` then of each column Σ of squares over all clusters. */
export function clusterSums(points: Points, nearest: Uint8Array, sizes: readonly number[], byColumn: boolean): Sums {
  const { width } = points
  const found = moments(points, nearest, sizes)
  const columns = sizes.length * (width + 1)
  const sums = zeroSums(columns + (byColumn ? width : 0))
  for (let cluster = 0, at = 0; cluster < sizes.length; cluster++) {
    const first = cluster * (width + 1)
    for (let j = 0; j < width; j++, at += 2) {
      const [square, rest] = [found.high[at + 1] as number, found.low[at + 1] as number]
      add(sums, first + j, found.high[at] as number, found.low[at])
      add(sums, first + width, square, rest)
      if (byColumn) add(sums, columns + j, square, rest)
    }
  }
  return sums
}
