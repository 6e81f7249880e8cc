/** What a report tells beside the numbers: which question was asked of whom, under which rules, and how to prove the answer. */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { ReceiptReport } from '@flamesh/protocol/jobs/receipt.js'
import { formatCount, plural } from '@flamesh/protocol/report/numbers.js'
import type { JobDocument, ResultDocument } from '../control/documents.js'
import { numberOf } from './figures/picture.js'
import { conditionText } from './text.js'
import { type Fields, sentence } from './values.js'

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

/** What a methods section says, in a few sentences. */
export function methodsOf(result: Fields, facts: ReportFacts): readonly string[] {
  const { body } = facts.view
  const { name, version } = body.analysis
  const method = body.image === null ? findAnalysis(name, version)?.method : undefined
  const what = method ?? (body.image === null ? name : `the container image ${body.image.image}`)
  const where =
    body.where.length === 0 ? '' : `, restricted to rows with ${body.where.map(conditionText).join(' and ')}`
  const { included } = sitesOf(facts)
  const count = included.length > 0 ? plural(included.length, 'site') : 'the sites of the cohort'
  return [
    `The analysis was ${what}, applied to dataset ${body.dataset} of ${count}${where}, with flamesh ${facts.version} (${name}, version ${version}).${rowsText(result)}`,
    body.route === null ? SUMMED : TRAVELLED,
    rulesText(facts),
    ...(result['converged'] === true && typeof result['iterations'] === 'number'
      ? [`The iteration converged after ${plural(result['iterations'], 'step')}.`]
      : []),
  ]
}

const SUMMED =
  'Rows never left their site: each site computed its contribution to a sum and masked it, and a committee of members opened nothing but the sum over all sites (secure aggregation).'
const TRAVELLED =
  'Rows never left their site: a sum travelled from site to site, and each added its contribution to that of the sites before it.'

function rowsText(result: Fields): string {
  const [n, rows, events, missing] = ['n', 'rows', 'events', 'missing'].map((key) => numberOf(result[key]))
  const size = n ?? rows
  if (typeof size !== 'number') return ''
  const happened = typeof events === 'number' ? ` with ${plural(events, 'event')}` : ''
  const without =
    typeof missing !== 'number'
      ? ''
      : missing === 0
        ? '; none had missing values'
        : `; ${plural(missing, 'row')} with missing values ${missing === 1 ? 'was' : 'were'} left out`
  return ` ${sentence(plural(size, 'row'))}${happened} entered${without}.`
}

function rulesText({ view: { body } }: ReportFacts): string {
  return `Results needed at least ${formatCount(body.cohort.minimum)} organisations, and counts from 1 to ${formatCount(body.minimumCell - 1)} were not released; sites could only raise these limits.`
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
