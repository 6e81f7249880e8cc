/**
 * Exit codes of `flamesh`, one table from error codes to what a script can act on. Implements docs/reference/errors.md.
 * A code that is not listed exits with 1.
 */
import type { JobDocument } from '../control/documents.js'

export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  configuration: 3,
  daemonUnreachable: 4,
  notFound: 5,
  refusedByPolicy: 6,
  tooFewSurvivors: 7,
  verificationFailed: 8,
  alreadyRunning: 9,
  timedOut: 10,
} as const

/** Rules of docs/spec/jobs.md, "Policy", that stop an operator's approval, and the committee's own guard. */
const REFUSALS = [
  ...['policy-never', 'minimum-cohort', 'maximum-colluding', 'minimum-cell', 'committee-not-accepted'],
  ...['not-a-member', 'rows-changed', 'guard', 'approval-void', 'operator-unknown'],
]

const CODES: Readonly<Record<number, readonly string[]>> = {
  [EXIT.usage]: [
    ...['usage', 'id-too-short', 'id-ambiguous', 'not-confirmed', 'file-unusable', 'yaml-invalid', 'job-invalid'],
    ...['operator-key-needed', 'opening-not-offered', 'privacy-not-offered', 'levels-unknown', 'bad-address'],
    ...['dataset-name', 'dataset-empty', 'dataset-exists', 'declaration-invalid', 'too-many-levels'],
    ...['query-invalid'],
    ...['invite-malformed', 'hub-url', 'job-decided', 'job-ended'],
    ...['scenario-invalid', 'trace-invalid', 'image-reference'],
  ],
  [EXIT.configuration]: [
    ...['config-invalid', 'policy-invalid', 'not-initialised', 'folder-not-empty', 'wrong-user', 'socket-untrusted'],
    ...[
      'key-exists',
      'keys-exist',
      'key-missing',
      'key-malformed',
      'key-permissions',
      'insecure-hub',
      'listen-failed',
      'log-damaged',
    ],
    ...[
      'store-damaged',
      'no-checkpoint',
      'invite-used',
      'invite-unknown',
      'invite-expired',
      'invite-mac',
      'name-taken',
    ],
    ...['csv-unreadable', 'csv-changed', 'csv-header', 'csv-empty', 'csv-record', 'csv-quote', 'csv-encoding'],
    ...['csv-value', 'source-failed', 'source-row', 'source-type', 'fhir-data', 'fhir-incomplete'],
    ...['dataset-damaged', 'disk-full', 'folder-unusable', 'latency-matrix', 'ledger-damaged'],
    ...['engine-unreachable', 'engine-unsuited', 'grant-unknown', 'limit-invalid'],
  ],
  [EXIT.daemonUnreachable]: ['daemon-unreachable', 'hub-unreachable', 'fhir-unreachable'],
  [EXIT.notFound]: [
    'not-found',
    'file-not-found',
    'dataset-missing',
    'no-dataset',
    'audit-missing',
    'scenario-unknown',
    'image-absent',
  ],
  [EXIT.refusedByPolicy]: REFUSALS,
  [EXIT.verificationFailed]: [
    'hub-key',
    'hub-answer',
    'fhir-answer',
    'log-broken',
    'log-fork',
    'audit-broken',
    'result-malformed',
    'image-digest',
  ],
  [EXIT.alreadyRunning]: ['already-running'],
  [EXIT.timedOut]: ['timed-out', 'time-limit'],
}

const EXIT_OF = new Map(
  Object.entries(CODES).flatMap(([exit, codes]) => codes.map((code) => [code, Number(exit)] as const)),
)

export function exitOf(code: string): number {
  return EXIT_OF.get(code) ?? EXIT.unexpected
}

/** What a job's end means to whoever waited for its result. */
export function exitOfOutcome({ status, code, sites }: Pick<JobDocument, 'status' | 'code' | 'sites'>): number {
  switch (status) {
    case 'released':
      return EXIT.ok
    case 'suppressed':
    case 'refused':
      return EXIT.refusedByPolicy
    case 'expired':
      return EXIT.timedOut
    case 'failed': {
      const answers = Object.values(sites)
      const nobodyWould = answers.length > 0 && answers.every((site) => site.status === 'refused')
      return code === 'guard' || nobodyWould ? EXIT.refusedByPolicy : EXIT.tooFewSurvivors
    }
    case 'cancelled':
      return EXIT.unexpected
    case 'announced':
    case 'waiting':
    case 'approved':
    case 'preparing':
    case 'submitted':
      return EXIT.timedOut
  }
}
