/**
 * A result file against a checked receipt: the released numbers against the commitment that a quorum signed, and everything
 * derived from them computed again. Implements docs/spec/jobs.md, "Receipt". The comparison is exact: last digits that
 * another JavaScript engine computes otherwise are a difference too.
 */
import { type Hex, hexToBytes } from '../crypto/hash.js'
import { hexSchema } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { commitResult } from '../secagg/commitment.js'
import type { SignedJob } from './decisions.js'
import { bytesOf, presentResult } from './receipt-document.js'
import type { Rounds } from './receipt-rounds.js'
import type { ReceiptSummary } from './receipt-summary.js'

type Json = Readonly<Record<string, unknown>>
const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
/** As a JSON file would hold it. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null))

/** Where two JSON values first differ, as a path; undefined if they are equal. */
function difference(a: unknown, b: unknown, path = ''): string | undefined {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return path
    return a.map((item, at) => difference(item, b[at], `${path}[${at}]`)).find((one) => one !== undefined)
  }
  if (isRecord(a) && isRecord(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])]
    return keys
      .map((key) =>
        Object.hasOwn(a, key) && Object.hasOwn(b, key)
          ? difference(a[key], b[key], `${path}.${key}`)
          : `${path}.${key}`,
      )
      .find((one) => one !== undefined)
  }
  return Object.is(a, b) || a === b ? undefined : path
}

function fail(message: string): never {
  throw new FlameshError('receipt', message)
}

/** The numbers against the commitment that a quorum signed, and everything else against the numbers. */
function checkNumbers(result: unknown, { job }: SignedJob, { ending, opened }: Rounds): void {
  if (ending.status !== 'released' || opened === undefined) {
    if (result !== null && result !== undefined) fail('nothing was released, and yet there is a result')
    return
  }
  if (!isRecord(result)) fail('there is no result in the file')
  const proof = result['proof']
  if (!isRecord(proof) || !hexSchema.safeParse(proof['salt']).success || typeof proof['released'] !== 'string') {
    fail('the result has no proof (salt and released numbers)')
  }
  const salt = hexToBytes(proof['salt'] as Hex)
  const released = bytesOf(proof['released'])
  if (commitResult(salt, released, opened.roundId) !== opened.commitment)
    fail('the released numbers are not those that were signed')
  const at = difference(asJson(presentResult(job, released, salt)), asJson(result))
  if (at !== undefined) fail(`the result differs from what was released, first at ${at.replace(/^\./, '')}`)
}

/** The document of `job submit --json` says more than the numbers: it must not contradict the receipt either. */
function checkDocument(document: Json, summary: ReceiptSummary): void {
  if (document['job'] !== undefined && document['job'] !== summary.job) fail('the result is of another job')
  if (document['status'] !== undefined && document['status'] !== summary.outcome)
    fail(`the status is not ${summary.outcome}`)
  if (!isRecord(document['sites'])) return
  for (const [name, view] of Object.entries(document['sites'])) {
    if (!isRecord(view)) continue
    const site = summary.sites.find((one) => one.name === name)
    if (typeof view['included'] === 'boolean' && view['included'] !== (site?.included ?? false)) {
      fail(`the result says that ${name} is ${view['included'] ? '' : 'not '}in the sum`)
    }
    if (view['status'] === 'refused' && site !== undefined && site.decision !== 'refuse') fail(`${name} did not refuse`)
  }
}

/** What the file is found to be. Throws `receipt` (or what a decoder throws) if it is not what was released. */
export function checkResult(given: unknown, signed: SignedJob, rounds: Rounds, summary: ReceiptSummary): string {
  if (given === undefined) return 'no result was given: the numbers were not looked at'
  const whole = isRecord(given) && !('proof' in given) && ('result' in given || 'job' in given)
  if (whole) checkDocument(given, summary)
  checkNumbers(whole ? given['result'] : given, signed, rounds)
  return rounds.ending.status === 'released'
    ? 'these are the numbers that were released'
    : 'there are no numbers, as signed'
}
