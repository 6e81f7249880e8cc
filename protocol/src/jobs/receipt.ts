/**
 * Checking a receipt with the hub's key and nothing else: who asked, what was computed, which institutions took part under
 * which rules, that a quorum of the committee signed this outcome, and that these are its numbers. Implements
 * docs/spec/jobs.md, "Receipt". What a receipt cannot show is listed in CANNOT_SHOW, and in every summary.
 */
import type { Hex } from '../crypto/hash.js'
import { FlameshError } from '../errors.js'
import { attestationOf } from '../identity/roster.js'
import { describeTrain, readTrain } from '../trains/receipt.js'
import { analysisOf } from './analysis-of.js'
import { checkJob } from './check.js'
import type { KnownLog, SignedJob } from './decisions.js'
import { MAX_RECEIPT_BYTES } from './receipt-document.js'
import { knownLog, readDecisions, readJob, readLog, readReceipt, readRounds, rosterAt } from './receipt-evidence.js'
import { checkResult } from './receipt-result.js'
import type { Rounds } from './receipt-rounds.js'
import { type ReceiptSummary, summarise, titled } from './receipt-summary.js'

export { buildReceipt, presentResult, RECEIPT_FORMAT, type ReceiptParts, type ResultProof } from './receipt-document.js'
export { CANNOT_SHOW, type ReceiptSite, type ReceiptSummary } from './receipt-summary.js'

export interface Finding {
  /** stable name of what was looked at */
  readonly check: 'format' | 'log' | 'job' | 'rules' | 'analysis' | 'decisions' | 'rounds' | 'outcome' | 'result'
  readonly ok: boolean
  readonly message: string
}

export interface ReceiptReport {
  /** every finding is ok */
  readonly ok: boolean
  readonly findings: readonly Finding[]
  /** undefined unless everything up to the last opening was found to be in order */
  readonly summary: ReceiptSummary | undefined
}

/** Runs one check; what it throws becomes its finding. */
function attempt<T>(findings: Finding[], check: Finding['check'], run: () => readonly [T, string]): T | undefined {
  try {
    const [value, message] = run()
    findings.push({ check, ok: true, message })
    return value
  } catch (error) {
    const message = error instanceof FlameshError ? error.message : 'cannot be read'
    findings.push({ check, ok: false, message })
    return undefined
  }
}

function describeAnalysis({ job }: SignedJob, { roster }: KnownLog): readonly [true, string] {
  const { name, version, hash } = job.analysis
  const attestation = attestationOf(roster, hash)
  const reviewed =
    attestation === undefined
      ? 'no review is attested'
      : `reviewed by ${attestation.reviewers.join(', ')}, as the hub attests`
  if (job.image !== null) return [true, `the image ${job.image.image}, description ${hash}; ${reviewed}`]
  const builtin = analysisOf(job) === undefined ? 'unknown to this version' : 'built in'
  return [true, `${name} version ${version} (${builtin}); ${reviewed}`]
}

const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

/**
 * Checks a receipt offline. `result`, if given, is the parsed JSON of `job submit --json` or of its `result` alone. Never
 * throws: whatever is wrong is a finding.
 */
export function verifyReceipt(
  receipt: Uint8Array,
  { hubKey, result }: { readonly hubKey: Hex; readonly result?: unknown },
): ReceiptReport {
  const findings: Finding[] = []
  const report = (summary?: ReceiptSummary): ReceiptReport => ({
    ok: findings.every((one) => one.ok),
    findings,
    summary,
  })
  const document = attempt(findings, 'format', () => [readReceipt(receipt, MAX_RECEIPT_BYTES), 'a receipt of format 1'])
  if (document === undefined) return report()
  const proven = attempt(findings, 'log', () => {
    const read = readLog(document, hubKey)
    return [
      read,
      `${count(read.statements.length, 'statement')} proven to be in the hub's log of ${read.checkpoint.size}`,
    ]
  })
  if (proven === undefined) return report()
  const log = knownLog(proven)
  const signed = attempt(findings, 'job', () => {
    const read = readJob(document, log)
    const { name, organisation } = titled(log.roster.members.get(read.job.researcher))
    return [read, `"${read.job.name}" asked and signed by ${name} (${organisation})`]
  })
  if (signed === undefined) return report()
  attempt(findings, 'rules', () => {
    const { job } = signed
    const checked = checkJob(job, rosterAt(proven, job.checkpoint.size), job.notBefore)
    if (!checked.ok) throw new FlameshError(checked.code, `the job breaks a rule: ${checked.message}`)
    return [
      true,
      `at least ${job.cohort.minimum} organisations, no cell below ${job.minimumCell}, up to ${job.maxColluding} of them colluding`,
    ]
  })
  attempt(findings, 'analysis', () => describeAnalysis(signed, log))
  const decisions = attempt(findings, 'decisions', () => {
    const read = readDecisions(document, signed, log)
    const approved = [...read.values()].filter((one) => one.body.decision === 'approve').length
    return [
      read,
      `${count(approved, 'site')} approved, ${count(read.size - approved, 'site')} refused, each with its signature`,
    ]
  })
  if (decisions === undefined) return report()
  const rounds = attempt(findings, 'rounds', (): readonly [Rounds, string] => {
    if (signed.job.route !== null) {
      const travelled = readTrain(document, signed, log)
      return [travelled, describeTrain(travelled)]
    }
    const read = readRounds(document, signed, decisions, log)
    return [
      read,
      `${count(read.rounds, 'round')} in ${count(read.attempts.length, 'attempt')}, each decided by a quorum of the committee`,
    ]
  })
  if (rounds === undefined) return report()
  const summary = summarise(log, signed, decisions, rounds)
  const signers =
    signed.job.route === null ? `signed by a quorum of ${summary.committee.name}` : 'confirmed by most stations'
  findings.push({
    check: 'outcome',
    ok: true,
    message:
      summary.outcome === 'released'
        ? `released: the sum over ${count(rounds.survivors.length, 'site')}, ${signers}`
        : `nothing was released (${summary.code}), ${signers}`,
  })
  attempt(findings, 'result', () => [true, checkResult(result, signed, rounds, summary)])
  return report(summary)
}
