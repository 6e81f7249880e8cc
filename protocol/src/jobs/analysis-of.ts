/** The analysis that a job names: built in, or an image by the description that stands in the job. */
import { type AnyAnalysis, findAnalysis } from '../analyses/registry.js'
import { imageAnalysis } from '../images/analysis.js'
import { descriptionHash } from '../images/description.js'
import type { Job } from './job.js'

type Named = Pick<Job, 'analysis' | 'image' | 'maxRounds'>

/** Undefined if this node has no such analysis. That the hash is that of the description is checked with the job (check.ts). */
export function analysisOf(job: Named): AnyAnalysis | undefined {
  const { analysis, image, maxRounds } = job
  if (image === null) return findAnalysis(analysis.name, analysis.version)
  const name = `${descriptionHash(image)}/${maxRounds}`
  const found = images.get(name) ?? imageAnalysis(image, maxRounds)
  images.delete(name)
  images.set(name, found)
  if (images.size > KEPT_IMAGES) images.delete(images.keys().next().value as string)
  return found
}

/** Those asked for last: the names of a large one's slots take some megabytes. */
const images = new Map<string, AnyAnalysis>()
const KEPT_IMAGES = 32
