/** Answers of a FHIR server: asked for with patience, checked, and never shown, since they may quote a patient. */
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type Answer, Broken, type HttpGet, type HttpOptions } from './http.js'
import { ATTEMPTS, FIRST_WAIT_MS, MAX_RETRY_AFTER_MS, MAX_URL_CHARS, MAX_WAIT_MS } from './limits.js'

const RETRIED: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
const CERTIFICATE = /CERT|SIGNATURE|ERR_TLS|^EPROTO$/
/** Codes of FHIR's issue types; anything else is not shown. */
const ISSUE = /^[a-z][a-z-]{1,30}$/

export function answerError(what: string, message: string, hint?: string): FlameshError {
  return new FlameshError('fhir-answer', `${what}: ${message}`, hint === undefined ? {} : { hint })
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `error/not-supported` for each issue of an OperationOutcome; its texts may quote a patient and are not shown. */
export function issuesOf(outcome: unknown): readonly { readonly severity: string; readonly text: string }[] {
  const issues = isObject(outcome) && Array.isArray(outcome['issue']) ? outcome['issue'] : []
  return issues.filter(isObject).map(({ severity, code }) => {
    const [level, kind] = [severity, code].map((one) => (typeof one === 'string' && ISSUE.test(one) ? one : 'unknown'))
    return { severity: level as string, text: `${level}/${kind}` }
  })
}

export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}

/** How long to wait before the next attempt (milliseconds). */
export function waitMs(attempt: number, retryAfterMs: number | undefined): number {
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)
  return Math.min(FIRST_WAIT_MS * 2 ** attempt, MAX_WAIT_MS)
}

/**
 * The answer of a server, when it has one. `answered`: whether it has given one before. Throws `fhir-unreachable`, and what `get`
 * throws.
 */
export async function patiently(
  get: HttpGet,
  url: URL,
  what: string,
  answered: boolean,
  options?: HttpOptions,
): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    let why: string
    let wait: number | undefined
    try {
      const answer = await get(url, options)
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
            ? 'the certificate is not trusted: name its authority with ca'
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

export function checkStatus({ status, body }: Answer, what: string, notFound?: string): void {
  if (status === 200) return
  const issues = issuesOf(parsed(body)).map(({ text }) => text)
  const said = issues.length === 0 ? '' : ` (${issues.slice(0, 5).join(', ')})`
  const hints: Readonly<Record<number, string>> = {
    400: 'the server does not know a parameter of search, or its value',
    401: 'the server wants a token or a user: tokenFile, or user and passwordFile',
    403: 'the token or the user may not read this',
    404:
      notFound ?? 'does base lead to a FHIR server? or what it had found ran out in the middle: run the command again',
    410: 'what the server had found ran out in the middle: run the command again',
  }
  throw answerError(
    what,
    `the server answered ${status}${said}`,
    status >= 300 && status < 400 ? 'redirects are not followed: give the address they lead to as base' : hints[status],
  )
}

/** An address that an answer names: on the same server, for the token goes with it. `name`: what is there. */
export function linkedUrl(link: string, from: URL, what: string, name: string, hint: string | undefined): URL {
  const url = link.length <= MAX_URL_CHARS && URL.canParse(link, from) ? new URL(link, from) : undefined
  if (url === undefined) throw answerError(what, `the link to ${name} is no address`)
  if (url.origin !== from.origin || url.username !== '' || url.password !== '')
    throw answerError(
      what,
      `${name} is at ${url.origin}, not at ${from.origin}`,
      hint ?? 'give the address that the server believes to have as base, or correct the server',
    )
  return url
}
