/** The job document that a job of a scenario stands for: what a researcher would have written. */
import { DATASET } from './names.js'
import type { ScenarioJob } from './schema.js'

/** Keys of a scenario's job that say when, and are not part of the document. */
const WHEN = ['at', 'every', 'perHour', 'count']

export function jobDocument(job: ScenarioJob, name: string): Readonly<Record<string, unknown>> {
  const fields = Object.entries(job).filter(([key]) => !WHEN.includes(key))
  return { ...Object.fromEntries(fields), name, dataset: DATASET, purpose: job['purpose'] ?? 'simulation' }
}

/** The first of several jobs has the plain name, the others a number. */
export function jobName(job: ScenarioJob, place: number, repeat: number): string {
  const plain = job.name ?? `${job.analysis}-${place + 1}`
  return repeat === 0 ? plain : `${plain}.${repeat + 1}`
}
