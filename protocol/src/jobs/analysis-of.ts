/** The analysis that a job names: built in, or an image by the description that stands in the job. */
import { type AnyAnalysis, findAnalysis } from '../analyses/registry.js'
import { imageAnalysis } from '../images/analysis.js'
import type { Job } from './job.js'

type Named = Pick<Job, 'analysis' | 'image' | 'maxRounds'>

/** Undefined if this node has no such analysis. That the hash fits is checked with the job (check.ts). */
export function analysisOf(job: Named): AnyAnalysis | undefined {
  if (job.image === null) return findAnalysis(job.analysis.name, job.analysis.version)
  const before = images.get(job)
  if (before !== undefined) return before
  const analysis = imageAnalysis(job.image, job.maxRounds)
  images.set(job, analysis)
  return analysis
}

/** Jobs never change. */
const images = new WeakMap<Named, AnyAnalysis>()
