/**
 * The patients of the demo: `lung`, split by institution into eight hospitals, and the plain sums over any of them that
 * the released results are compared with. Written apart from flamesh: it imports nothing of it.
 */
import { readFileSync } from 'node:fs'

/** Institutions that are a hospital of their own; everyone else, and the one row without an institution, is the eighth. */
const INSTITUTIONS = ['1', '12', '13', '3', '11', '22', '16']
const NAMES = ['site-a', 'site-b', 'site-c', 'site-d', 'site-e', 'site-f', 'site-g', 'site-h']

const [heading, ...lines] = readFileSync(new URL('lung.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
const columns = heading.split(',').map((name) => name.replaceAll('"', ''))

const hospitalOf = (line) => {
  const at = INSTITUTIONS.indexOf(line.slice(0, line.indexOf(',')))
  return NAMES[at < 0 ? NAMES.length - 1 : at]
}

export const SITES = NAMES.map((name) => {
  const own = lines.filter((line) => hospitalOf(line) === name)
  return { name, rows: own.length, csv: `${[heading, ...own].join('\n')}\n` }
})

/** The values of a column at these sites, undefined where they are missing. */
function valuesOf(sites, column) {
  const at = columns.indexOf(column)
  const own = lines.filter((line) => sites.includes(hospitalOf(line)))
  return own.map((line) => line.split(',')[at]).map((text) => (text === 'NA' ? undefined : Number(text)))
}

const sum = (values) => values.reduce((total, value) => total + value, 0)

/** n, missing, mean and variance (over n − 1) of a column over the rows of these sites. */
export function describeColumn(sites, column) {
  const all = valuesOf(sites, column)
  const values = all.filter((value) => value !== undefined)
  const n = values.length
  const mean = sum(values) / n
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (n - 1)
  return { n, missing: all.length - n, mean, variance }
}

/** How often each pair of levels occurs in the rows of these sites, row by row. */
export function countPairs(sites, [rowColumn, rowLevels], [columnColumn, columnLevels]) {
  const row = valuesOf(sites, rowColumn)
  const column = valuesOf(sites, columnColumn)
  const count = (a, b) => row.filter((value, at) => value === a && column[at] === b).length
  return rowLevels.flatMap((a) => columnLevels.map((b) => count(a, b)))
}
