/** The rows of three public data sets as R saw them (test/reference/public-data.R), with the columns that are derived there. */
import { type Row, readCsv } from './federation.js'

/** Deaths: the other rows are recurrences of the same patients. */
export const colon: readonly Row[] = readCsv('colon').filter(({ etype }) => etype === 2)
export const birthwt: readonly Row[] = readCsv('birthwt')

export const BANDS = ['50-59', '60-69', '70-79', '80+']
const band = (age: number): string => BANDS[Math.min(3, Math.floor(age / 10) - 5)] as string
export const flchain: readonly Row[] = readCsv('flchain').map((row) => ({
  ...row,
  band: band(row['age'] as number),
  risk: (row['flc.grp'] as number) / 10 - 0.05,
}))
/** Person-time is above 0: three samples were taken on the day of death. */
export const followed: readonly Row[] = flchain.filter(({ futime }) => (futime as number) > 0)
