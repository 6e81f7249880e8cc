/** What a report tells beside the numbers: which question was asked of whom, under which rules, and how to prove the answer. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { ReceiptReport } from '@flamesh/protocol/jobs/receipt.js'
import { plural } from '@flamesh/protocol/report/numbers.js'
import type { JobDocument, ResultDocument } from '../control/documents.js'
import { numberOf } from './figures/picture.js'
import type { Fields } from './values.js'
import { sentence } from './words.js'

export interface ReportFacts {
  readonly view: JobDocument
  readonly sites: ResultDocument['sites']
  /** null: there is none yet */
  readonly receipt: { readonly sha256: Hex; readonly report: ReceiptReport } | null
  /** of this software */
  readonly version: string
  /** when the report was made (milliseconds since 1970) */
  readonly madeMs: number
}

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** Names of the sites in the sum, and of the others with what became of them. */
export function sitesOf({ sites }: ReportFacts): {
  readonly included: readonly string[]
  readonly others: readonly string[]
} {
  const all = Object.entries(sites).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    included: all.flatMap(([name, site]) => (site.included === true ? [name] : [])),
    others: all.flatMap(([name, { included, status, code }]) =>
      included === true ? [] : [`${name} (${status}${code === undefined ? '' : `: ${code}`})`],
    ),
  }
}

/** What was kept back, and by which rule. */
export function disclosureOf(result: Fields, withheld: number): readonly string[] {
  const left = numberOf(result['sites_left_out'])
  const said: string[] = []
  if (left !== null) {
    said.push(
      left === 0
        ? 'Every site of the sum contributed its rows.'
        : `${sentence(plural(left, 'site'))} of the sum contributed nothing, because a rule at the site kept its rows back (too few rows, too many parameters or levels for them). Nobody can tell which.`,
    )
  }
  if (withheld > 0)
    said.push(
      `${sentence(plural(withheld, 'number is', 'numbers are'))} withheld: of a small group, of a level that occurs at few sites, or because a small one would follow from it.`,
    )
  if (result['merged'] === true)
    said.push(
      'Intervals were merged until no count in them was small; everything shown is computed from the merged counts.',
    )
  if (withheld === 0 && result['merged'] !== true) said.push('Nothing was withheld and nothing was merged.')
  said.push('The rules are in docs/spec/analyses.md, “Disclosure”.')
  return said
}
