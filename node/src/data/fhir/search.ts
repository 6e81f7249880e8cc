/**
 * A FHIR search from its first page to its last. A page is taken whole or asked for again, so that a failure in the middle
 * neither loses nor doubles anything; pages are followed on the same server only, and not in circles.
 */
import { createHash } from 'node:crypto'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { answerError, checkStatus, isObject, issuesOf, linkedUrl, parsed, patiently } from './answers.js'
import type { Entry } from './collector.js'
import type { Answer, HttpGet } from './http.js'
import { IdSet } from './id-set.js'
import { MAX_IDLE_PAGES, MAX_PAGES } from './limits.js'
import { isId } from './references.js'

/** Not of what is searched, but of the answer. */
const OWN: ReadonlySet<string> = new Set(['_count', '_total'])

export interface SearchResult {
  /** What the operator has to know: warnings of the server, by kind. */
  notes(): readonly string[]
  readonly pages: AsyncIterable<readonly Entry[]>
}

interface Page {
  readonly entries: readonly unknown[]
  readonly next: string | undefined
  /** the search as the server understood it */
  readonly self: string | undefined
  readonly total: number | undefined
}

function pageOf(body: Buffer, what: string): Page {
  const bundle = parsed(body)
  if (!isObject(bundle)) throw answerError(what, 'the answer is not JSON', 'does base lead to a FHIR server?')
  if (bundle['resourceType'] === 'OperationOutcome')
    throw answerError(
      what,
      `the server answered ${issuesOf(bundle)
        .map(({ text }) => text)
        .join(', ')}`,
    )
  const { entry = [], link = [], total } = bundle
  if (bundle['resourceType'] !== 'Bundle' || !Array.isArray(entry) || !Array.isArray(link))
    throw answerError(what, 'the answer is no Bundle', 'does base lead to a FHIR server of R4?')
  const linkTo = (to: string): unknown => link.filter(isObject).find(({ relation }) => relation === to)?.['url']
  const [next, self] = [linkTo('next'), linkTo('self')]
  if (next !== undefined && typeof next !== 'string') throw answerError(what, 'the link to the next page is no address')
  return {
    entries: entry,
    next,
    self: typeof self === 'string' ? self : undefined,
    total: typeof total === 'number' ? total : undefined,
  }
}

/** Parameters that the server does not name among those it searched by: it may have ignored them. */
function unused(asked: URL, self: string | undefined): readonly string[] {
  if (self === undefined || !URL.canParse(self, asked)) return []
  const used = new URL(self, asked).searchParams
  return [...new Set(asked.searchParams.keys())].filter((name) => !OWN.has(name) && !used.has(name))
}

/**
 * All resources of one search. `type` is what is searched for, `first` the address of the first page. Throws `fhir-answer`,
 * `fhir-unreachable`, and `fhir-incomplete` if the server gave fewer than it said it has.
 */
export function search(get: HttpGet, type: string, first: URL): SearchResult {
  const warnings = new Map<string, number>()
  async function* pages(): AsyncGenerator<readonly Entry[]> {
    const distinct = new IdSet()
    const visited = new Set<string>()
    let total: number | undefined
    let idle = 0
    let url: URL | undefined = first
    for (let page = 1; url !== undefined; page++) {
      const what: string = `${type}, page ${page}`
      const place = createHash('sha256').update(url.href).digest('base64')
      if (visited.has(place) || page > MAX_PAGES) throw answerError(what, 'pages go in a circle, or never end')
      visited.add(place)
      const answer: Answer = await patiently(get, url, what, page > 1)
      checkStatus(answer, what)
      const { entries, next, self, total: said } = pageOf(answer.body, what)
      if (page === 1) for (const name of unused(first, self)) warnings.set(`nothing of having searched by ${name}`, 1)
      total = said ?? total
      const before = distinct.size
      yield resourcesOf(entries, type, what, distinct, warnings)
      idle = distinct.size === before ? idle + 1 : 0
      if (idle >= MAX_IDLE_PAGES) throw answerError(what, `${idle} pages brought nothing new: they never end`)
      url = next === undefined ? undefined : linkedUrl(next, url, what, 'the next page', undefined)
    }
    if (total !== undefined && distinct.size < total)
      throw new FlameshError('fhir-incomplete', `${type}: the server has ${total} and gave ${distinct.size}`, {
        hint: 'run the command again while nobody deletes anything; if the server only estimates: search: { TYPE: { _total: none } }',
      })
  }
  const notes = () => [...warnings].map(([text, times]) => `${type}: the server said ${text} (${times}×)`)
  return { pages: pages(), notes }
}

function resourcesOf(
  entries: readonly unknown[],
  type: string,
  what: string,
  distinct: IdSet,
  warnings: Map<string, number>,
): readonly Entry[] {
  const found: Entry[] = []
  for (const entry of entries) {
    const { resource, fullUrl } = isObject(entry) ? entry : { resource: undefined, fullUrl: undefined }
    if (!isObject(resource)) throw answerError(what, 'an entry holds no resource')
    if (resource['resourceType'] === 'OperationOutcome') {
      for (const { severity, text } of issuesOf(resource)) {
        if (severity === 'error' || severity === 'fatal') throw answerError(what, `the server reported ${text}`)
        warnings.set(text, (warnings.get(text) ?? 0) + 1)
      }
    } else if (resource['resourceType'] === type) {
      if (!isId(resource['id'])) throw answerError(what, `a ${type} without a valid id`)
      distinct.add(resource['id'])
      found.push(typeof fullUrl === 'string' ? { resource, fullUrl } : { resource })
    } else warnings.set('resources of another type', (warnings.get('resources of another type') ?? 0) + 1)
  }
  return found
}
