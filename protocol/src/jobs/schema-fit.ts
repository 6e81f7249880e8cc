/**
 * How the columns that a job reads fit the schema that a site announced, before any row is read. Implements
 * docs/spec/jobs.md, "Schemas and levels". A column or level that a site does not have is a missing value there and said
 * aloud; a column that holds levels where numbers are asked for would fail in the middle of a round and is refused.
 */
import type { ColumnUse } from '../analyses/analysis.js'
import { columnOf } from '../analyses/columns.js'
import { memberByName, type Roster } from '../identity/roster.js'
import { analysisOf } from './analysis-of.js'
import type { ColumnDescription, DatasetAnnouncement } from './dataset.js'
import { jobInvalid } from './document.js'
import type { Job } from './job.js'
import { type Condition, isOrdering } from './where.js'

export interface Misfit {
  readonly column: string
  readonly kind: 'absent' | 'not-numbers' | 'text' | 'further-levels'
  readonly message: string
}

/** What a condition asks of a column: an order is one of numbers. */
export const conditionUse = ({ column, operator }: Condition): ColumnUse => (isOrdering(operator) ? column : { column })

/** Every column that a job reads; none if this node does not know the analysis. */
export const usesOf = (job: Job): readonly ColumnUse[] => [
  ...(analysisOf(job)?.columns(job.parameters) ?? []),
  ...job.where.map(conditionUse),
]

/** Whether a site with this misfit can take no part. */
export const isUnusable = ({ kind }: Misfit): boolean => kind === 'not-numbers' || kind === 'text'

function misfitOf(use: ColumnUse, known: ColumnDescription | undefined): Misfit | undefined {
  const column = columnOf(use)
  if (known === undefined)
    return { column, kind: 'absent', message: `has no column ${column}: it is missing in all of its rows` }
  if (known.type === 'text') return { column, kind: 'text', message: `keeps no values of ${column}: it is text there` }
  if (typeof use === 'string')
    return known.type === 'level'
      ? { column, kind: 'not-numbers', message: `holds ${column} as levels, not numbers` }
      : undefined
  const further = use.levels === undefined ? [] : (known.levels ?? []).filter((level) => !use.levels?.includes(level))
  if (further.length === 0) return undefined
  const named = further.map((level) => `"${level}"`).join(', ')
  const message = `has ${named} in ${column}, which the job does not list: missing in those rows`
  return { column, kind: 'further-levels', message }
}

/** Each column and kind once, in the order of the uses. */
export function misfitsOf(uses: readonly ColumnUse[], { columns }: DatasetAnnouncement): readonly Misfit[] {
  const known = new Map(columns.map((column) => [column.name, column]))
  const found = new Map<string, Misfit>()
  for (const use of uses) {
    const misfit = misfitOf(use, known.get(columnOf(use)))
    if (misfit !== undefined) found.set(`${misfit.kind} ${misfit.column}`, misfit)
  }
  return [...found.values()]
}

export interface SiteFit {
  readonly site: string
  readonly roundedRows: number
  /** those that the job reads and the site has */
  readonly columns: readonly string[]
  readonly misfits: readonly Misfit[]
}

/** How a job fits what the sites that it asks announced, by the names of the sites. */
export function fitsOf(
  job: Job,
  roster: Roster,
  catalogue: ReadonlyMap<string, readonly DatasetAnnouncement[]>,
): readonly SiteFit[] {
  const uses = usesOf(job)
  const read = new Set(uses.map(columnOf))
  return [...catalogue].sort().flatMap(([site, announced]) => {
    const dataset = announced.find(({ name }) => name === job.dataset)
    const asked = job.cohort.sites.length === 0 || job.cohort.sites.includes(memberByName(roster, site)?.key ?? '')
    if (dataset === undefined || !asked) return []
    const { roundedRows } = dataset
    const columns = dataset.columns.map(({ name }) => name).filter((name) => read.has(name))
    return [{ site, roundedRows, columns, misfits: misfitsOf(uses, dataset) }]
  })
}

/**
 * Whether every site that is asked can do what is asked of its columns, and means the same by them. Throws `job-invalid`,
 * naming a site: `announced` is by the sites' names.
 */
export function requireFit(
  uses: readonly ColumnUse[],
  announced: ReadonlyMap<string, DatasetAnnouncement>,
  path: string,
): void {
  for (const [site, announcement] of announced) {
    const misfit = misfitsOf(uses, announcement).find(isUnusable)
    if (misfit === undefined) continue
    const hint =
      misfit.kind === 'text'
        ? 'leave the column out, or name the sites that have it in "cohort"'
        : `use it as a factor, {column: ${misfit.column}}, or name the sites that hold numbers in "cohort"`
    throw jobInvalid(path, `${site} ${misfit.message}`, hint)
  }
  for (const use of uses) if (typeof use === 'string') requireOneEpoch(use, announced, path)
}

/** Days counted from different days are no numbers to add up. */
function requireOneEpoch(column: string, announced: ReadonlyMap<string, DatasetAnnouncement>, path: string): void {
  const epochs = new Map<string | undefined, string>()
  for (const [site, { columns }] of announced) {
    const known = columns.find((one) => one.name === column)
    if (known !== undefined && !epochs.has(known.epoch)) epochs.set(known.epoch, site)
  }
  const [first, second] = [...epochs].map(
    ([epoch, site]) => `${site} ${epoch === undefined ? 'no days' : `from ${epoch}`}`,
  )
  if (second === undefined) return
  throw jobInvalid(
    path,
    `sites count ${column} differently: ${first}, ${second}`,
    'sites agree on an "epoch" in the declaration of the dataset, or derive the difference to another day',
  )
}
