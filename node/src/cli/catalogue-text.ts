/** What a catalogue tells, for a person. Everything in it comes from other people: `renderFields` and `renderTable` clean it. */
import type { CatalogueEntry } from '@flamesh/protocol/jobs/catalogue.js'
import type { ColumnOverSites, Found } from '../catalogue/search.js'
import { printable } from './output.js'
import { renderFields, renderTable } from './table.js'

const joined = (values: readonly string[] | undefined): string | undefined => values?.join(', ')

function agesText({ minimumAge, maximumAge }: CatalogueEntry): string | undefined {
  if (minimumAge === undefined && maximumAge === undefined) return undefined
  return `${minimumAge ?? 0} to ${maximumAge ?? 'any'}`
}

/** The fields that are there. */
export function catalogueText(entry: CatalogueEntry): string {
  const { period, publisher, contact } = entry
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['title', entry.title],
    ['description', entry.description],
    ['keywords', joined(entry.keywords)],
    ['publisher', publisher && [publisher.name, publisher.page].filter(Boolean).join(', ')],
    ['contact', contact && [contact.email, contact.page].filter(Boolean).join(', ')],
    ['page', entry.page],
    ['categories', joined(entry.healthCategories)],
    ['coding', joined(entry.codingSystems)],
    ['countries', joined(entry.countries)],
    ['period', period && `${period.from ?? ''} to ${period.to ?? 'today'}`.trim()],
    ['ages', agesText(entry)],
    ['population', entry.population],
    ['rows are', entry.individuals === true ? 'individuals' : undefined],
    ['access', entry.accessRights],
    ['licence', entry.licence],
    ['legislation', joined(entry.legislation)],
    ['language', entry.language],
  ]
  return renderFields(fields.flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const])))
}

/** One line a dataset that was found. */
export function foundText(found: readonly Found[]): string {
  const columns = [
    { title: 'site' },
    { title: 'dataset' },
    { title: 'rows about', align: 'right' as const },
    { title: 'title' },
    { title: 'columns' },
  ]
  const rows = found.map(({ site, dataset, columns: asked }) => [
    site,
    dataset.name,
    String(dataset.roundedRows),
    dataset.catalogue?.title ?? '',
    asked.length > 0 ? asked.map(({ name }) => name).join(', ') : String(dataset.columns.length),
  ])
  return renderTable(columns, rows)
}

/** How the sites hold a column, and where they differ. */
export function columnText({ dataset, column, sites, without, differences }: ColumnOverSites): string {
  const rows = sites.map(({ site, description: { type, levels = [], epoch } }) => [
    site,
    epoch === undefined ? type : `${type}, days since ${epoch}`,
    levels.join(', '),
  ])
  const table = renderTable([{ title: 'site' }, { title: 'type' }, { title: 'levels announced' }], rows)
  const notes = [
    ...(differences.length === 0 ? ['all of these hold it alike'] : differences),
    ...(without.length === 0 ? [] : [`without it: ${without.join(', ')}`]),
  ]
  return [printable(`${column} of ${dataset}`), table + notes.map((note) => `${printable(note)}\n`).join('')].join('\n')
}
