/** The rows of five public data sets as R saw them (test/reference/public-data.R), with the columns that are derived there. */
import { gbsg, lung, type Row, readCsv, rotterdam } from './federation.js'

const eventOf =
  (column: string, value = 1) =>
  (row: Row): Row => ({ ...row, event: row[column] === value ? 1 : 0 })

/** Deaths: the other rows are recurrences of the same patients. */
export const colon: readonly Row[] = readCsv('colon')
  .filter(({ etype }) => etype === 2)
  .map(eventOf('status'))
export const birthwt: readonly Row[] = readCsv('birthwt').map(eventOf('low'))

export const BANDS = ['50-59', '60-69', '70-79', '80+']
const band = (age: number): string => BANDS[Math.min(3, Math.floor(age / 10) - 5)] as string
export const flchain: readonly Row[] = readCsv('flchain').map((row) => ({
  ...row,
  band: band(row['age'] as number),
  risk: (row['flc.grp'] as number) / 10 - 0.05,
}))
/** Person-time is above 0: three samples were taken on the day of death. */
export const followed: readonly Row[] = flchain
  .filter(({ futime }) => (futime as number) > 0)
  .map((row) => ({ ...row, time: row['futime'] as number, event: row['death'] as number }))

const receptors = (er: number): string => (er < 10 ? 'few' : er < 100 ? 'some' : 'many')
const breast = [...rotterdam, ...gbsg].map((row): Row => ({ ...row, receptors: receptors(row['er'] as number) }))

/** By the names they have in the reference. `event` is 0 or 1 in each. */
export const DATA_SETS: Readonly<Record<string, readonly Row[]>> = {
  // the one patient of level 3 is of none
  lung: lung.map(eventOf('status', 2)).map((row) => (row['ph.ecog'] === 3 ? { ...row, 'ph.ecog': null } : row)),
  breast,
  colon,
  flchain: followed,
  birthwt,
}
