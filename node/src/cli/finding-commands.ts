/** The commands that find data in the mesh: what is announced, and how many rows there are. */
import type { Command } from 'commander'
import { collect, type Leaf, type Noun, wholeNumber } from './command-tree.js'

export function findingCommands(program: Command, noun: Noun, leaf: Leaf): void {
  const catalogue = noun('catalogue', 'the data of the mesh')
  leaf(
    catalogue,
    'search [words...]',
    'find datasets that members announced, by words and columns',
    async () => (await import('./commands/catalogue-search.js')).catalogueSearch,
  )
    .option(
      '--column <name>',
      'with a column whose name has this in it, and how each site holds it (may be repeated)',
      collect,
    )
    .option('--level <level>', 'with a column that has this level, or COLUMN=LEVEL (may be repeated)', collect)
    .option('--site <name>', 'of this site (may be repeated)', collect)
  leaf(
    catalogue,
    'show <dataset>',
    'what a site announced of a dataset, SITE/DATASET',
    async () => (await import('./commands/catalogue-show.js')).catalogueShow,
  ).option('--json-ld', 'as DCAT with terms of HealthDCAT-AP')
  leaf(
    program,
    'feasibility',
    'count the rows of the mesh that conditions keep, by a job that is asked and waited for',
    async () => (await import('./commands/feasibility.js')).feasibility,
  )
    .requiredOption('--dataset <name>', 'the dataset')
    .option(
      '--where <condition>',
      'such as "age at-least 18", "sex in f, m" or YAML in braces (may be repeated: all hold)',
      collect,
    )
    .option('--by <column>', 'and count by its levels, or a factor as YAML in braces (at most two)', collect)
    .option('--sites <names>', 'only these sites, separated by commas')
    .option('--minimum <n>', 'organisations in the sum (else 5)', wholeNumber)
    .option('--purpose <text>', 'why this is asked, for those who decide')
    .option('--approve-within <duration>', 'count without the sites that have not answered by then (else 10m)')
    .option('--timeout <duration>', 'stop waiting after this long, for example 90s, 10m or 2h')
}
