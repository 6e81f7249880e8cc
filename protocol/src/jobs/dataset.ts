/** What the mesh may know of a dataset: its name, its confirmed schema, a rounded size, and what its operator says of it. Implements docs/spec/jobs.md. */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { MAX_FACTOR_LEVELS } from '../limits.js'
import { catalogueSchema } from './catalogue.js'

export const columnDescriptionSchema = z.strictObject({
  name: z.string().min(1).max(128),
  /** `number` and `integer` are numeric; `level` is a factor; `text` is never used by an analysis nor described further */
  type: z.enum(['number', 'integer', 'level', 'text']),
  /** published only if the operator confirmed them; integers with few values may have levels too, written as text */
  levels: z.array(z.string().max(64)).max(MAX_FACTOR_LEVELS).optional(),
  /** of days: an integer column that counts them from this one, `yyyy-mm-dd` */
  epoch: z.iso.date().optional(),
})
export type ColumnDescription = z.infer<typeof columnDescriptionSchema>

export const datasetAnnouncementSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  columns: z.array(columnDescriptionSchema).max(4096),
  /** rows rounded to one significant digit below 100, two above, never below 10 */
  roundedRows: z.int().min(0),
  /** in words, if the operator wrote any */
  catalogue: catalogueSchema.optional(),
})
export type DatasetAnnouncement = z.infer<typeof datasetAnnouncementSchema>

/** What the site itself knows: the announcement and the version, a salted hash that names the rows without describing them. */
export interface DatasetDescription extends DatasetAnnouncement {
  readonly version: Hex
}
