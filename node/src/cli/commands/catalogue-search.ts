/** `flamesh catalogue search`: datasets that the members announced, by words, columns, levels and sites. */
import { type Announced, columnsOverSites, searchCatalogue } from '../../catalogue/search.js'
import { columnText, foundText } from '../catalogue-text.js'
import type { CommandContext } from '../context.js'

export interface SearchOptions {
  readonly column?: readonly string[]
  readonly level?: readonly string[]
  readonly site?: readonly string[]
}

export async function catalogueSearch(
  context: CommandContext,
  words: readonly string[],
  { column = [], level = [], site = [] }: SearchOptions,
): Promise<undefined> {
  const { datasets: announced } = await context.control().get<{ datasets: Announced }>('/catalogue')
  const found = searchCatalogue(announced, { words, columns: column, levels: level, sites: site })
  const columns = columnsOverSites(announced, found)
  context.out.result({ datasets: found.map((one) => ({ site: one.site, ...one.dataset })), columns }, () =>
    found.length === 0 ? 'nothing was found' : [foundText(found), ...columns.map(columnText)].join('\n'),
  )
}
