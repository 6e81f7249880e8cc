/**
 * Finding datasets among what the members announced: by words, columns, levels and sites; and of a column that several sites have,
 * how they hold it and where they differ. Implements docs/reference/cli.md, "catalogue". What members wrote is not checked.
 */
import type { ColumnDescription, DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'

/** What each site announced, by the site's name. */
export type Announced = Readonly<Record<string, readonly DatasetAnnouncement[]>>

export interface Query {
  /** each must be found somewhere, whatever the case */
  readonly words: readonly string[]
  /** each must be part of the name of a column */
  readonly columns: readonly string[]
  /** `LEVEL`, or `COLUMN=LEVEL`: a column, of these names if any are given, must have it */
  readonly levels: readonly string[]
  /** any of these, whole names */
  readonly sites: readonly string[]
}

export interface Found {
  readonly site: string
  readonly dataset: DatasetAnnouncement
  /** those that were asked for by name or level */
  readonly columns: readonly ColumnDescription[]
}

const same = (text: string, part: string): boolean => text.toLowerCase() === part.toLowerCase()
const holds = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase())

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(textsOf)
  return typeof value === 'string' ? [value] : []
}

function wordsOf({ name, columns, catalogue }: DatasetAnnouncement): readonly string[] {
  return [name, ...textsOf(catalogue), ...columns.flatMap((column) => [column.name, ...(column.levels ?? [])])]
}

function hasLevel(column: ColumnDescription, wanted: string): boolean {
  const at = wanted.indexOf('=')
  const [name, level] = at < 1 ? [undefined, wanted] : [wanted.slice(0, at), wanted.slice(at + 1)]
  return (name === undefined || same(column.name, name)) && (column.levels ?? []).some((one) => same(one, level))
}

/** By site, then by dataset. */
export function searchCatalogue(announced: Announced, { words, columns, levels, sites }: Query): readonly Found[] {
  const found = Object.entries(announced).flatMap(([site, datasets]): readonly Found[] => {
    if (sites.length > 0 && !sites.some((one) => same(site, one))) return []
    return datasets.flatMap((dataset) => {
      const texts = [site, ...wordsOf(dataset)]
      if (!words.every((word) => texts.some((text) => holds(text, word)))) return []
      const named = dataset.columns.filter(({ name }) => columns.some((one) => holds(name, one)))
      if (!columns.every((one) => named.some(({ name }) => holds(name, one)))) return []
      const among = columns.length > 0 ? named : dataset.columns
      if (!levels.every((one) => among.some((column) => hasLevel(column, one)))) return []
      const asked = columns.length > 0 ? named : among.filter((column) => levels.some((one) => hasLevel(column, one)))
      return [{ site, dataset, columns: asked }]
    })
  })
  return [...found].sort((a, b) => order(a.site, b.site) || order(a.dataset.name, b.dataset.name))
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** A column of one dataset over the sites that announced the dataset. */
export interface ColumnOverSites {
  readonly dataset: string
  readonly column: string
  readonly sites: readonly { readonly site: string; readonly description: ColumnDescription }[]
  /** sites with the dataset and without the column: missing in all of their rows */
  readonly without: readonly string[]
  /** in words, each naming sites; empty if all of them hold it alike */
  readonly differences: readonly string[]
}

/** Sites by what they say of something; undefined is something too. */
function bySaying<T>(
  sites: ColumnOverSites['sites'],
  saying: (description: ColumnDescription) => T,
): ReadonlyMap<T, readonly string[]> {
  const groups = new Map<T, string[]>()
  for (const { site, description } of sites) {
    const said = saying(description)
    groups.set(said, [...(groups.get(said) ?? []), site])
  }
  return groups
}

const listed = (groups: ReadonlyMap<string, readonly string[]>): string =>
  [...groups].map(([said, sites]) => `${said} (${sites.join(', ')})`).join(', ')

function differencesOf(sites: ColumnOverSites['sites']): readonly string[] {
  const types = bySaying(sites, ({ type }) => type)
  const epochs = bySaying(sites, ({ epoch }) => (epoch === undefined ? 'no days' : `days since ${epoch}`))
  const levels = new Map<string, string[]>()
  for (const { site, description } of sites)
    for (const level of description.levels ?? []) levels.set(level, [...(levels.get(level) ?? []), site])
  const some = new Map(
    [...levels].filter(([, at]) => at.length < sites.length).map(([level, at]) => [`"${level}"`, at]),
  )
  return [
    ...(types.size > 1 ? [`types: ${listed(types)}`] : []),
    ...(epochs.size > 1 ? [`days: ${listed(epochs)}`] : []),
    ...(some.size > 0 ? [`levels that not all announced: ${listed(some)}`] : []),
  ]
}

/** Of what was found: every column asked for, over all sites that announced the dataset and may be meant. */
export function columnsOverSites(announced: Announced, found: readonly Found[]): readonly ColumnOverSites[] {
  const asked = new Map<string, readonly [dataset: string, column: string]>()
  for (const { dataset, columns } of found)
    for (const { name } of columns) asked.set(JSON.stringify([dataset.name, name]), [dataset.name, name])
  return [...asked.values()]
    .sort(([a, b], [c, d]) => order(a, c) || order(b, d))
    .map(([name, column]) => {
      const having = Object.entries(announced)
        .sort(([a], [b]) => order(a, b))
        .flatMap(([site, datasets]) => datasets.filter((one) => one.name === name).map((one) => ({ site, one })))
      const sites = having.flatMap(({ site, one }) =>
        one.columns.filter((each) => each.name === column).map((description) => ({ site, description })),
      )
      const without = having.map(({ site }) => site).filter((site) => !sites.some((one) => one.site === site))
      return { dataset: name, column, sites, without, differences: differencesOf(sites) }
    })
}
