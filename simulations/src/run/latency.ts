/**
 * How long a message takes between two places: half a millisecond, and 1.6 times the great-circle distance at the speed of
 * light in fibre, 200 km in a millisecond. The factor stands for cables that do not run straight.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { seededRandom } from '../kernel/random.js'
import { siteNames } from '../scenarios/names.js'
import type { Scenario } from '../scenarios/schema.js'

/** Latitude and longitude in degrees. */
type Place = readonly [number, number]

const EARTH_KM = 6371
const KM_PER_DEGREE = 111.2
const BASE_MS = 0.5
const DETOUR = 1.6
const KM_PER_MS = 200
/** Where random places are, and where a researcher sits. */
const CENTRE: Place = [50.5, 10]

/** Cities with a university hospital; sites take them in this order, and again from the start. */
const CITIES: Readonly<Record<'german-university-hospitals' | 'europe', readonly Place[]>> = {
  'german-university-hospitals': [
    ...([
      [52.52, 13.4],
      [48.14, 11.58],
      [49.41, 8.69],
      [53.55, 9.99],
      [50.94, 6.96],
      [52.37, 9.73],
    ] as Place[]),
    ...([
      [50.11, 8.68],
      [48.52, 9.06],
      [47.99, 7.85],
      [51.34, 12.37],
      [51.05, 13.74],
      [51.54, 9.93],
    ] as Place[]),
    ...([
      [51.96, 7.63],
      [50.74, 7.1],
      [50.78, 6.08],
      [51.46, 7.01],
      [51.23, 6.78],
      [49.99, 8.27],
    ] as Place[]),
    ...([
      [49.6, 11.0],
      [49.79, 9.95],
      [48.4, 9.99],
      [49.02, 12.1],
      [48.37, 10.9],
      [50.93, 11.59],
    ] as Place[]),
    ...([
      [54.32, 10.14],
      [53.87, 10.69],
      [54.09, 12.1],
      [54.09, 13.38],
      [52.12, 11.63],
      [51.48, 11.97],
    ] as Place[]),
    ...([
      [49.26, 7.34],
      [49.49, 8.47],
      [50.81, 8.77],
      [50.58, 8.67],
      [53.14, 8.21],
      [51.48, 7.22],
    ] as Place[]),
  ],
  europe: [
    ...([
      [52.52, 13.4],
      [48.86, 2.35],
      [40.42, -3.7],
      [41.9, 12.5],
      [51.51, -0.13],
      [52.37, 4.9],
    ] as Place[]),
    ...([
      [50.85, 4.35],
      [48.21, 16.37],
      [47.37, 8.54],
      [59.33, 18.07],
      [60.17, 24.94],
      [55.68, 12.57],
    ] as Place[]),
    ...([
      [52.23, 21.01],
      [50.08, 14.44],
      [47.5, 19.04],
      [38.72, -9.14],
      [37.98, 23.73],
      [53.35, -6.26],
    ] as Place[]),
  ],
}

export function geographicLatency(scenario: Scenario): (from: string, to: string) => number {
  const { latency } = scenario.network
  const cities = 'preset' in latency ? CITIES[latency.preset] : undefined
  const radiusKm = 'geographic' in latency ? latency.geographic.radiusKm : 0
  const random = seededRandom(scenario.seed, 'places')
  const places = new Map(
    siteNames(scenario).map((name, at) => [
      name,
      cities?.[at % cities.length] ?? around(random.fraction(), random.fraction(), radiusKm),
    ]),
  )
  return (from, to) => between(places.get(from) ?? CENTRE, places.get(to) ?? CENTRE)
}

/** Uniform over a disc. */
function around(distance: number, direction: number, radiusKm: number): Place {
  const far = (Math.sqrt(distance) * radiusKm) / KM_PER_DEGREE
  const [north, east] = CENTRE
  const angle = 2 * Math.PI * direction
  return [north + far * Math.cos(angle), east + (far * Math.sin(angle)) / Math.cos((north * Math.PI) / 180)]
}

function between([a, b]: Place, [c, d]: Place): number {
  const radians = Math.PI / 180
  const haversine =
    Math.sin(((c - a) * radians) / 2) ** 2 +
    Math.cos(a * radians) * Math.cos(c * radians) * Math.sin(((d - b) * radians) / 2) ** 2
  return BASE_MS + (DETOUR * 2 * EARTH_KM * Math.asin(Math.sqrt(haversine))) / KM_PER_MS
}

/** A header `site,NAME,…`, then a line a site: NAME and one-way milliseconds to each. Throws `latency-invalid` with the line. */
export function matrixLatency(
  text: string,
  file: string,
  sites: readonly string[],
): (from: string, to: string) => number {
  const problem = (line: number, message: string): FlameshError =>
    new FlameshError('latency-invalid', `${file}:${line}: ${message}`, { meta: { file, line } })
  const [header = [], ...rows] = text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.split(','))
  const known = header.slice(1)
  const missing = sites.find((name) => !known.includes(name))
  if (missing !== undefined) throw problem(1, `there is no column ${missing}`)
  const table = new Map<string, number>()
  let total = 0
  rows.forEach(([from = '', ...cells], at) => {
    known.forEach((to, column) => {
      const ms = Number(cells[column] || Number.NaN)
      if (!(ms >= 0)) throw problem(at + 2, `from ${from} to ${to}: expected milliseconds`)
      table.set(`${from},${to}`, ms)
      total += ms
    })
  })
  const without = sites.find((name) => !rows.some(([from]) => from === name))
  if (without !== undefined) throw problem(rows.length + 1, `there is no line for ${without}`)
  // the researcher need not be in it: as far from everyone as sites are from each other
  const average = total / Math.max(1, table.size)
  return (from, to) => table.get(`${from},${to}`) ?? average
}
