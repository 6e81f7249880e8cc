/** What the shell sees. Scripts rely on these numbers; a code that is not listed is unexpected. */
import { errorCode } from '@flamesh/protocol/errors.js'

const EXIT_CODES = {
  usage: { exit: 2, codes: ['bad-request', 'description-invalid', 'file-unusable', 'schema', 'yaml-invalid'] },
  configuration: {
    exit: 3,
    codes: [
      'folder-path',
      'hub-exists',
      'hub-not-initialised',
      'insecure-listen',
      'key-exists',
      'key-malformed',
      'key-permissions',
      'listen-address',
      'listen-failed',
    ],
  },
  unreachable: { exit: 4, codes: ['daemon-unreachable'] },
  notFound: { exit: 5, codes: ['analysis-unknown', 'file-not-found', 'member-not-found', 'not-attested'] },
  refused: {
    exit: 6,
    codes: [
      'already-attested',
      'committee-organisations',
      'committee-role',
      'committee-size',
      'dataset-served',
      'floor-not-in-force',
      'image-withdrawn',
      'key-taken',
      'name-taken',
      'no-policy-floor',
      'not-a-member',
      'not-succeeded',
      'reviewer-unknown',
      'reviewers-missing',
      'statement-too-large',
    ],
  },
  verification: { exit: 8, codes: ['encoding', 'hub-key-mismatch', 'log-damaged', 'review-differs', 'signature'] },
  running: { exit: 9, codes: ['already-running'] },
} as const satisfies Record<string, { exit: number; codes: readonly string[] }>

export const USAGE_EXIT = EXIT_CODES.usage.exit
const UNEXPECTED_EXIT = 1

export function exitCodeOf(error: unknown): number {
  const code = errorCode(error)
  const found = Object.values(EXIT_CODES).find(({ codes }) => (codes as readonly string[]).includes(code))
  return found?.exit ?? UNEXPECTED_EXIT
}
