/** The input of the image that runs the script which stands in its rows. */
import type { MapInput } from '@flamesh/node/containers/contract.js'

export function scriptInput(script: string): MapInput {
  const output = { dimension: 1, bound: 1000 }
  const data = { csv: script, schema: {} }
  return { entry: 'map', round: 1, parameters: {}, state: new Float64Array(), output, data }
}
