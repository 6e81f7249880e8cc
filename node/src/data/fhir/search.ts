/**
 * A FHIR search from its first page to its last. A page is taken whole or asked for again, so that a failure in the middle
 * neither loses nor doubles anything; pages are followed on the same server only, and not in circles.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Entry } from './collector.js'
import { type Answer, Broken, type HttpGet } from './http.js'
import { IdSet } from './id-set.js'
import {
  ATTEMPTS,
  FIRST_WAIT_MS,
  MAX_IDLE_PAGES,
  MAX_PAGES,
  MAX_RETRY_AFTER_MS,
  MAX_URL_CHARS,
  MAX_WAIT_MS,
} from './limits.js'
import { isId } from './references.js'

const RETRIED: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
/** Not of what is searched, but of the answer. */
const OWN: ReadonlySet<string> = new Set(['_count', '_total'])
const CERTIFICATE = /CERT|SIGNATURE|ERR_TLS|^EPROTO$/
/** Codes of FHIR's issue types; anything else is not shown. */
const ISSUE = /^[a-z][a-z-]{1,30}$/

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

function answerError(what: string, message: string, hint?: string): FlameshError {
  return new FlameshError('fhir-answer', `${what}: ${message}`, hint === undefined ? {} : { hint })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `error/not-supported` for each issue of an OperationOutcome; its texts may quote a patient and are not shown. */
function issuesOf(outcome: unknown): readonly { readonly severity: string; readonly text: string }[] {
  const issues = isObject(outcome) && Array.isArray(outcome['issue']) ? outcome['issue'] : []
  return issues.filter(isObject).map(({ severity, code }) => {
    const [level, kind] = [severity, code].map((one) => (typeof one === 'string' && ISSUE.test(one) ? one : 'unknown'))
    return { severity: level as string, text: `${level}/${kind}` }
  })
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
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

/** How long to wait before the next attempt (milliseconds). */
export function waitMs(attempt: number, retryAfterMs: number | undefined): number {
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)
  return Math.min(FIRST_WAIT_MS * 2 ** attempt, MAX_WAIT_MS)
}

async function fetchPage(get: HttpGet, url: URL, what: string, answered: boolean): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    let why: string
    let wait: number | undefined
    try {
      const answer = await get(url)
      if (!RETRIED.has(answer.status)) return answer
      why = `the server answered ${answer.status}`
      wait = answer.retryAfterMs
    } catch (error) {
      if (!(error instanceof Broken)) throw error
      why = error.message
      const hopeless = CERTIFICATE.test(error.code) || (!answered && /^(ENOTFOUND|ECONNREFUSED)$/.test(error.code))
      if (hopeless)
        throw new FlameshError('fhir-unreachable', `${what}: ${why}`, {
          hint: CERTIFICATE.test(error.code)
            ? 'the certificate is not trusted: name its authority with ca_file'
            : 'is base right, and the server up?',
        })
    }
    if (attempt + 1 >= ATTEMPTS)
      throw new FlameshError('fhir-unreachable', `${what}: gave up after ${ATTEMPTS} attempts: ${why}`, {
        hint: 'nothing was added; run the command again when the server is well',
      })
    await sleep(waitMs(attempt, wait))
  }
}

function checkStatus({ status, body }: Answer, what: string): void {
  if (status === 200) return
  const issues = issuesOf(parsed(body)).map(({ text }) => text)
  const said = issues.length === 0 ? '' : ` (${issues.slice(0, 5).join(', ')})`
  const hints: Readonly<Record<number, string>> = {
    400: 'the server does not know a parameter of search, or its value',
    401: 'the server wants a token or a user: token_file, or user and password_file',
    403: 'the token or the user may not read this',
    404: 'does base lead to a FHIR server? or the search ran out in the middle: run the command again',
    410: 'the search ran out in the middle: run the command again',
  }
  throw answerError(
    what,
    `the server answered ${status}${said}`,
    status >= 300 && status < 400 ? 'redirects are not followed: give the address they lead to as base' : hints[status],
  )
}

function nextUrl(next: string, from: URL, what: string): URL {
  const url = next.length <= MAX_URL_CHARS && URL.canParse(next, from) ? new URL(next, from) : undefined
  if (url === undefined) throw answerError(what, 'the link to the next page is no address')
  if (url.origin !== from.origin || url.username !== '' || url.password !== '')
    throw answerError(
      what,
      `the next page is at ${url.origin}, not at ${from.origin}`,
      'give the address that the server believes to have as base, or correct the server',
    )
  return url
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
      const answer: Answer = await fetchPage(get, url, what, page > 1)
      checkStatus(answer, what)
      const { entries, next, self, total: said } = pageOf(answer.body, what)
      if (page === 1) for (const name of unused(first, self)) warnings.set(`nothing of having searched by ${name}`, 1)
      total = said ?? total
      const before = distinct.size
      yield resourcesOf(entries, type, what, distinct, warnings)
      idle = distinct.size === before ? idle + 1 : 0
      if (idle >= MAX_IDLE_PAGES) throw answerError(what, `${idle} pages brought nothing new: they never end`)
      url = next === undefined ? undefined : nextUrl(next, url, what)
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
