/**
 * `pca`: principal components of the correlation or covariance matrix. It sums and releases what `correlation` does; the
 * matrix is what is released, and whoever reads the result decomposes it. Implements docs/spec/analyses/pca.md. No
 * patient has a score: scores would be rows.
 */
import { z } from 'zod'
import type { Analysis } from './analysis.js'
import { completeFields } from './columns.js'
import {
  type CorrelationReleased,
  columnMoments,
  parametersSchema as columns,
  correlation,
  fullMatrix,
} from './correlation.js'
import { singular } from './design.js'
import { eigen } from './eigen.js'

const parametersSchema = z.strictObject({ ...columns.shape, matrix: z.enum(['correlation', 'covariance']) })
export type PcaParameters = z.infer<typeof parametersSchema>

export const pca: Analysis<PcaParameters, never, CorrelationReleased> = {
  ...correlation,
  name: 'pca',
  version: 1,
  method: 'principal component analysis over complete rows',
  definition: [
    'parameters: columns (numeric), matrix: correlation | covariance',
    'round: as correlation version 1',
    'released: as correlation version 1, from which eigenvalues and loadings follow; refused: too few rows for the columns, a constant column',
  ],
  parameters: parametersSchema,
  complete: (written) => completeFields(written, { matrix: (matrix) => matrix ?? 'correlation' }),
  combine(sum, context) {
    const outcome = correlation.combine(sum, context, undefined)
    return outcome.kind === 'result' && outcome.released.variance.includes(0) ? singular() : outcome
  },
  present(released, parameters) {
    const { contributors, leftOut, n, missing, variance } = released
    const scale = variance.map((value) => (parameters.matrix === 'covariance' ? Math.sqrt(value) : 1))
    const matrix = fullMatrix(released).map((row, i) =>
      row.map((r, j) => (r ?? 0) * (scale[i] as number) * (scale[j] as number)),
    )
    const components = eigen(matrix)
    // a matrix that has been rounded may be a little less than none in a direction
    const values = components.map(({ value }) => Math.max(0, value))
    const whole = values.reduce((sum, value) => sum + value, 0)
    const names = components.map((_, at) => `PC${at + 1}`)
    const rotation = parameters.columns.map((column, i): [string, object] => [
      column,
      Object.fromEntries(components.map(({ vector }, at) => [names[at], vector[i]])),
    ])
    return {
      describe: columnMoments(parameters, released),
      names,
      sdev: values.map(Math.sqrt),
      eigenvalues: values,
      proportion: values.map((value) => value / whole),
      cumulative: values.map((_, at) => values.slice(0, at + 1).reduce((sum, value) => sum + value, 0) / whole),
      rotation: Object.fromEntries(rotation),
      matrix: parameters.matrix,
      n,
      missing,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
