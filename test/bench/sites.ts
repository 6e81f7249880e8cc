/** Sites with synthetic patients for benches of the simulator: sixty patients each, without skew. */
import type { SimulatedSite } from '@flamesh/simulations/federation-options.js'
import { patients, SYNTHETIC_COLUMNS, type Workload } from '@flamesh/simulations/workload/patients.js'

export { SYNTHETIC_COLUMNS }

const PATIENTS = 60
const WORKLOAD: Workload = { rows: { mean: PATIENTS }, effects: { age: 0.5, stage: 0.4, treated: -0.6 } }

export const syntheticSites = (seed: number, sites: number): readonly SimulatedSite[] =>
  Array.from({ length: sites }, (_, at) => ({
    name: `site-${at + 1}`,
    rows: patients(seed, at, PATIENTS, WORKLOAD),
  }))
