/** The pictures of a result, found by the shape of its fields (docs/reference/results.md). A new kind of picture is one line here. */
import type { Fields } from '../values.js'
import { centres } from './centres.js'
import { boxes, means } from './columns.js'
import { counts } from './counts.js'
import { survival } from './curves.js'
import { coefficients, estimates, measures } from './forest.js'
import { histogram } from './histogram.js'
import { components, correlations } from './matrix.js'
import { observed } from './observed.js'
import type { Picture, Shape } from './picture.js'
import { pooled } from './pooled.js'
import { calibration, roc } from './roc.js'
import { shares } from './shares.js'
import { strata } from './strata.js'

const SHAPES: readonly Shape[] = [
  means,
  histogram,
  boxes,
  shares,
  counts,
  measures,
  coefficients,
  pooled,
  survival,
  roc,
  calibration,
  estimates,
  strata,
  observed,
  centres,
  correlations,
  components,
]

export function picturesOf(result: Fields): readonly Picture[] {
  return SHAPES.flatMap((shape) => shape(result))
}
