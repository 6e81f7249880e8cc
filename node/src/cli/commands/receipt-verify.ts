/** `flamesh receipt verify`: checks a receipt, and the numbers it proves, with the hub's key and no network. */
import { readFile } from 'node:fs/promises'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { hexSchema } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type ReceiptReport, type ReceiptSummary, verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { readText } from '../../config/read-file.js'
import type { CommandContext } from '../context.js'
import { EXIT } from '../exit-codes.js'
import { printable } from '../output.js'
import { renderFields } from '../table.js'

interface VerifyOptions {
  readonly result?: string
  readonly hubKey?: string
}

const MAX_RESULT_BYTES = 64 * 1024 * 1024

export async function receiptVerify(context: CommandContext, file: string, options: VerifyOptions): Promise<number> {
  const hubKey = hubKeyOf(context, options)
  const receipt = await readFile(file).catch((cause: unknown) => {
    throw new FlameshError('file-not-found', `${file} cannot be read`, { cause, meta: { file } })
  })
  const result = options.result === undefined ? undefined : await readResult(options.result)
  const report = verifyReceipt(receipt, result === undefined ? { hubKey } : { hubKey, result })
  context.out.result({ verified: report.ok, ...report }, () => renderReport(report, options.result))
  return report.ok ? EXIT.ok : EXIT.verificationFailed
}

function hubKeyOf(context: CommandContext, { hubKey }: VerifyOptions): Hex {
  if (hubKey === undefined) return context.config().config.hubKey
  if (hexSchema.safeParse(hubKey).success) return hubKey
  throw new FlameshError('usage', '--hub-key: the hub key has 64 hexadecimal digits', {
    hint: 'it is what "flamesh-hub init" printed; take it from the hub operator, not from whoever sent the receipt',
  })
}

async function readResult(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readText(file, MAX_RESULT_BYTES)) as unknown
  } catch (cause) {
    if (cause instanceof FlameshError) throw cause
    throw new FlameshError('result-malformed', `${file} is not JSON`, {
      cause,
      meta: { file },
      hint: 'give result.json as "flamesh job result" wrote it, or the whole document that --json printed',
    })
  }
}

function renderReport(report: ReceiptReport, resultFile: string | undefined): string {
  const findings = report.findings.map(
    ({ check, ok, message }) => `${ok ? 'ok  ' : 'FAIL'}  ${check}: ${printable(message)}`,
  )
  const verdict = report.ok
    ? `The receipt is genuine${resultFile === undefined ? '; no result was held against it (--result FILE)' : ', and the result is the one it proves'}.`
    : 'The receipt does NOT verify.'
  const summary = report.summary === undefined ? '' : `\n${renderSummary(report.summary)}`
  return `${findings.join('\n')}\n${summary}\n${verdict}`
}

/** Sites whose policy asked for the signatures of several, each with whom it names. */
function operatorsText(sites: ReceiptSummary['sites']): string {
  const named = sites.filter(({ operators }) => operators.length > 0)
  return (
    named.map(({ name, operators }) => `at ${name} ${operators.map((one) => one.name).join(' and ')}`).join(', ') ||
    'at no site'
  )
}

function renderSummary(summary: ReceiptSummary): string {
  const titled = ({ name, organisation }: { name: string; organisation: string }): string => `${name} (${organisation})`
  const { sites, committee, analysis } = summary
  const why = summary.code === null || summary.code === summary.outcome ? '' : ` (${summary.code})`
  const fields = renderFields([
    ['job', `${summary.name} (${summary.job})`],
    ['purpose', summary.purpose || '(none given)'],
    ['asked by', titled(summary.researcher)],
    ['for', summary.recipients.map(titled).join(', ')],
    ['analysis', `${analysis.name} version ${analysis.version} on ${summary.dataset}`],
    ...(summary.image === null ? [] : [['image', `${summary.image.repository}@${summary.image.digest}`] as const]),
    ['reviewed by', analysis.reviewers.join(', ') || 'nobody, as far as the log says'],
    ['rules', `at least ${summary.minimumCohort} organisations, smallest cell ${summary.minimumCell}`],
    [
      'in the sum',
      sites
        .filter((site) => site.included)
        .map(titled)
        .join(', ') || 'nobody',
    ],
    [
      'approved, not in',
      sites
        .filter((site) => site.decision === 'approve' && !site.included)
        .map(titled)
        .join(', ') || 'nobody',
    ],
    [
      'refused',
      sites
        .filter((site) => site.decision === 'refuse')
        .map(titled)
        .join(', ') || 'nobody',
    ],
    ['signed by operators', operatorsText(sites)],
    ['consented', summary.consents.join(', ') || 'nobody'],
    ['committee', `${committee.name}: ${committee.members.join(', ')}; ${committee.quorum} must sign`],
    ['outcome', `${summary.outcome}${why} after ${summary.rounds} round${summary.rounds === 1 ? '' : 's'}`],
  ])
  return `${fields}\nA receipt cannot show\n${summary.cannotShow.map((one) => `  - ${one}`).join('\n')}\n`
}
