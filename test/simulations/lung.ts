/** The `lung` data by site, and the reference values they are compared with. */
import { readFileSync } from 'node:fs'
import type { Column, Rows } from '@flamesh/protocol/analyses/analysis.js'
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { SimulatedSite } from '@flamesh/simulations/federation-options.js'

const LARGEST = ['1', '12', '13', '3', '11', '22', '16']
const NAMES = ['inst', 'time', 'status', 'age', 'sex', 'ph.ecog', 'ph.karno', 'pat.karno', 'meal.cal', 'wt.loss']

export const reference = JSON.parse(readFileSync(new URL('../reference/lung.json', import.meta.url), 'utf8'))

const table = readFileSync(new URL('../reference/lung.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(','))

export function rowsOf(lines: readonly (readonly string[])[]): Rows {
  const columns = new Map<string, Column>()
  NAMES.forEach((name, at) => {
    columns.set(
      name,
      Float64Array.from(lines, (line) => (line[at] === 'NA' ? Number.NaN : Number(line[at]))),
    )
  })
  return { count: lines.length, columns }
}

/** The seven largest institutions and everyone else: site-a … site-h. */
export function lungSites(): readonly SimulatedSite[] {
  return [...LARGEST, undefined].map((inst, at) => ({
    name: `site-${'abcdefgh'[at]}`,
    rows: rowsOf(
      table.filter((line) => (inst === undefined ? !LARGEST.includes(line[0] as string) : line[0] === inst)),
    ),
  }))
}

export const lungColumns: DatasetDescription['columns'] = NAMES.map((name) => ({
  name,
  type: 'integer' as const,
  ...(name === 'sex' || name === 'status' ? { levels: ['1', '2'] } : {}),
}))
