/**
 * The built-in analyses by name and version, and what identifies them: the hash of a canonical descriptor that says what
 * is computed and how it is laid out. Implements docs/spec/analyses.md, "Identity". The hash does not cover compiled
 * bytes: it says which analysis was meant, not which build ran.
 */
import type { Hex } from '../crypto/hash.js'
import { hashOf } from '../encoding/canonical.js'
import { FlameshError } from '../errors.js'
import type { Analysis } from './analysis.js'
import { compareMeans } from './compare-means.js'
import { correlation } from './correlation.js'
import { cox } from './cox.js'
import { describe } from './describe.js'
import { feasibility } from './feasibility.js'
import { glm } from './glm.js'
import { histogram } from './histogram.js'
import { FRACTION_BITS, REST_BITS } from './layout.js'
import { linear } from './linear.js'
import { logistic } from './logistic.js'
import { mantelHaenszel } from './mantel-haenszel.js'
import { moments } from './moments.js'
import { pca } from './pca.js'
import { quantiles } from './quantiles.js'
import { rates } from './rates.js'
import { ridge } from './ridge.js'
import { roc } from './roc.js'
import { survival } from './survival.js'
import { table } from './table.js'

/** An analysis whose parameters, states and released numbers are known by its own schemas only. */
export type AnyAnalysis = Analysis<unknown, unknown, unknown>

const BUILT_IN: readonly AnyAnalysis[] = [
  compareMeans,
  correlation,
  cox,
  describe,
  feasibility,
  glm,
  histogram,
  linear,
  logistic,
  mantelHaenszel,
  moments,
  pca,
  quantiles,
  rates,
  ridge,
  roc,
  survival,
  table,
]

/** Every built-in analysis, by name. */
export function listAnalyses(): readonly AnyAnalysis[] {
  return BUILT_IN
}

/** Without a version the newest. */
export function findAnalysis(name: string, version?: number): AnyAnalysis | undefined {
  const named = BUILT_IN.filter((one) => one.name === name && (version === undefined || one.version === version))
  return named.reduce<AnyAnalysis | undefined>(
    (newest, one) => (newest === undefined || one.version > newest.version ? one : newest),
    undefined,
  )
}

/** The identity that jobs and policies name. Throws `analysis-unknown`. */
export function analysisHash(name: string, version: number): Hex {
  const analysis = findAnalysis(name, version)
  if (analysis === undefined) {
    throw new FlameshError('analysis-unknown', `there is no analysis ${name} version ${version}`, {
      meta: { name, version },
      hint: `built in are ${BUILT_IN.map((one) => one.name).join(', ')}`,
    })
  }
  const { iterative, definition } = analysis
  return hashOf({
    kind: 'built-in',
    name,
    version,
    iterative,
    definition,
    fractionBits: FRACTION_BITS,
    restBits: REST_BITS,
  })
}
