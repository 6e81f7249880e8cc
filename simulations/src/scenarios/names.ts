/** Who takes part in a scenario: the sites' names in order, the first of them being the committee. */
import type { Scenario } from './schema.js'

export const RESEARCHER = 'researcher'
/** Of the simulated rows. */
export const DATASET = 'synthetic'

export function siteNames({ sites }: Scenario): readonly string[] {
  return sites.names ?? Array.from({ length: sites.count ?? 0 }, (_, at) => `site-${at + 1}`)
}

export function committeeNames(scenario: Scenario): readonly string[] {
  return siteNames(scenario).slice(0, scenario.committee)
}
