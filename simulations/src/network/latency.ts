/**
 * How long messages travel: a fixed time, great circles between German university hospitals or random places, or a matrix that
 * was measured. All are functions of names of nodes, one way, in milliseconds.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { seededRandom } from '../kernel/random.js'
import { HOSPITALS, type Place } from './hospitals.js'

export type NamedLatency = (from: string, to: string) => number

const EARTH_KM = 6371
/** Light in glass. */
const KM_PER_MS = 200
/** Cables do not follow great circles. */
const DETOUR = 1.6
/** Switches and routers at the ends. */
const BASE_MS = 0.5

export const fixedLatency =
  (ms: number): NamedLatency =>
  () =>
    ms

export function greatCircleKm(a: Place, b: Place): number {
  const rad = (degrees: number): number => (degrees * Math.PI) / 180
  const half = (degrees: number): number => Math.sin(rad(degrees) / 2) ** 2
  const square =
    half(b.latitude - a.latitude) +
    Math.cos(rad(a.latitude)) * Math.cos(rad(b.latitude)) * half(b.longitude - a.longitude)
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(square)))
}

/** Whole microseconds: trigonometry differs in the last digit between machines, and a run must not. */
export function placesLatencyMs(a: Place, b: Place): number {
  return Math.round((BASE_MS + (DETOUR * greatCircleKm(a, b)) / KM_PER_MS) * 1000) / 1000
}

/** Nodes at places; whoever has none is at the first. */
function between(places: ReadonlyMap<string, Place>): NamedLatency {
  const first = places.values().next().value as Place
  const known = new Map<string, number>()
  return (from, to) => {
    const pair = from < to ? `${from}\n${to}` : `${to}\n${from}`
    const before = known.get(pair)
    if (before !== undefined) return before
    const ms = placesLatencyMs(places.get(from) ?? first, places.get(to) ?? first)
    known.set(pair, ms)
    return ms
  }
}

/** A node named as a city is there; the others take the cities in turn. */
export function hospitalLatency(names: readonly string[]): NamedLatency {
  const byName = new Map(HOSPITALS.map((place) => [place.name, place]))
  return between(
    new Map(names.map((name, at) => [name, byName.get(name) ?? (HOSPITALS[at % HOSPITALS.length] as Place)] as const)),
  )
}

/** Anywhere in a square of this many kilometres, by the seed. */
export function randomLatency(names: readonly string[], seed: number, squareKm: number): NamedLatency {
  const random = seededRandom(seed, 'places')
  const degrees = (squareKm / (2 * Math.PI * EARTH_KM)) * 360
  return between(
    new Map(
      names.map((name) => [
        name,
        { name, latitude: degrees * (random.fraction() - 0.5), longitude: degrees * (random.fraction() - 0.5) },
      ]),
    ),
  )
}

/**
 * A matrix as CSV: the first line names the columns after an empty cell, each other line a row (from) and its milliseconds.
 * Throws `latency-matrix`, which names the line.
 */
export function matrixLatency(csv: string): NamedLatency {
  const lines = csv.split(/\r?\n/)
  const bad = (at: number, why: string) =>
    new FlameshError('latency-matrix', `line ${at + 1} of the latency matrix: ${why}`, {
      meta: { line: at + 1 },
      hint: 'the first line is ",a,b,c"; each other line is a name and milliseconds: "a,0,12.5,7"',
    })
  const cells = (line: string): string[] => line.split(',').map((cell) => cell.trim())
  const [corner, ...columns] = cells(lines[0] ?? '')
  if (corner !== '' || columns.length === 0 || columns.includes(''))
    throw bad(0, 'it does not name the columns after an empty cell')
  const twice = columns.find((name, at) => columns.indexOf(name) !== at)
  if (twice !== undefined) throw bad(0, `"${twice}" is named twice`)
  const rows = new Map<string, ReadonlyMap<string, number>>()
  lines.forEach((line, at) => {
    if (at === 0 || line.trim() === '') return
    const [name = '', ...values] = cells(line)
    if (!columns.includes(name)) throw bad(at, `"${name}" is no column`)
    if (rows.has(name)) throw bad(at, `"${name}" has a row already`)
    if (values.length !== columns.length) throw bad(at, `${values.length} values for ${columns.length} columns`)
    const row = new Map<string, number>()
    columns.forEach((column, index) => {
      const text = values[index] as string
      const ms = Number(text)
      if (text === '' || !Number.isFinite(ms) || ms < 0) throw bad(at, `"${text}" is no number of milliseconds`)
      row.set(column, ms)
    })
    rows.set(name, row)
  })
  const missing = columns.find((name) => !rows.has(name))
  if (missing !== undefined) throw bad(lines.length - 1, `it ends without a row for "${missing}"`)
  return (from, to) => {
    const ms = rows.get(from)?.get(to)
    if (ms !== undefined) return ms
    throw new FlameshError('latency-matrix', `the latency matrix has nothing from "${from}" to "${to}"`, {
      hint: 'it needs a row and a column for every site and for "researcher"',
    })
  }
}
