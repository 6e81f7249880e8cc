/** When sites are up: from a trace, or from exponential up and down times (churn). */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { seededRandom } from '../kernel/random.js'
import { exponential } from './distributions.js'

export interface Change {
  readonly atMs: number
  readonly site: string
  readonly up: boolean
}

const byTime = (changes: readonly Change[]): readonly Change[] =>
  [...changes].sort((a, b) => a.atMs - b.atMs || Number(a.up) - Number(b.up))

/** A site's comings and goings; it is up at first. An endless sequence, so that runs of any length can draw on it. */
export function* churn(seed: number, site: string, meanUpMs: number, meanDownMs: number): Generator<Change> {
  const random = seededRandom(seed, `churn/${site}`)
  let atMs = 0
  for (let up = false; ; up = !up) {
    atMs += Math.max(1, Math.round(exponential(random, up ? meanDownMs : meanUpMs)))
    yield { atMs, site, up }
  }
}

/**
 * Lines `site,from_ms,to_ms`: when a site is up. Sites without a line are always up. Throws `trace-invalid` with the line.
 */
export function readTrace(text: string, file: string, sites: readonly string[]): readonly Change[] {
  const lines = text.trimEnd().split(/\r?\n/)
  const problem = (line: number, message: string): FlameshError =>
    new FlameshError('trace-invalid', `${file}:${line}: ${message}`, { meta: { file, line } })
  if (lines[0] !== 'site,from_ms,to_ms') throw problem(1, 'the first line is site,from_ms,to_ms')
  const intervals = new Map<string, { readonly from: number; readonly to: number }[]>()
  lines.slice(1).forEach((line, at) => {
    const [site = '', from = '', to = '', ...rest] = line.split(',')
    const number = at + 2
    if (!sites.includes(site)) throw problem(number, `there is no site ${site}`)
    if (!/^\d+$/.test(from) || !/^\d+$/.test(to) || rest.length > 0 || Number(from) >= Number(to))
      throw problem(number, 'expected a site, the millisecond it comes up and a later one when it goes')
    const known = intervals.get(site) ?? []
    if (Number(from) < (known.at(-1)?.to ?? 0))
      throw problem(number, `${site} is up already; lines of a site are in order`)
    intervals.set(site, [...known, { from: Number(from), to: Number(to) }])
  })
  return byTime([...intervals].flatMap(([site, up]) => changesOf(site, up)))
}

function changesOf(
  site: string,
  intervals: readonly { readonly from: number; readonly to: number }[],
): readonly Change[] {
  const changes: Change[] = intervals.flatMap(({ from, to }) => [
    { atMs: from, site, up: true },
    { atMs: to, site, up: false },
  ])
  if (intervals[0]?.from === 0) return changes.slice(1)
  return [{ atMs: 0, site, up: false }, ...changes]
}
