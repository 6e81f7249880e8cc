/**
 * Sites that vanish at a certain moment of a job. A phase is what a site was about to do: `decide`, it hears of the job;
 * `submit`, it has approved and its update is ready; `open`, its update is with the committee.
 */
import { seededRandom } from '../kernel/random.js'
import { committeeNames, siteNames } from '../scenarios/names.js'
import type { Phase, Scenario } from '../scenarios/schema.js'
import type { Record, Seen } from './record.js'

/** Record entries at the site itself that mean it is about to do this, and has not yet. */
const AT_SITE: { readonly [key in Phase]: string } = { decide: 'job-known', submit: 'submitted', open: '' }

/** When `seen` says that a site is in this phase: its name. */
export function siteInPhase(phase: Phase, { node, event, fields }: Seen): string | undefined {
  // the researcher is told that the submission is in, which the site's own record cannot know
  if (phase === 'open') return event === 'site-submitted' ? String(fields['site']) : undefined
  return event === AT_SITE[phase] ? node : undefined
}

/** Calls `vanish` for each site that the scenario's probability takes away, at the moment it goes. */
export function watchDropout(scenario: Scenario, record: Record, vanish: (site: string) => void): void {
  const { probability, phases, committee } = scenario.dropout
  if (probability === 0) return
  const spared = committee ? [] : committeeNames(scenario)
  const sites = new Set(siteNames(scenario).filter((name) => !spared.includes(name)))
  const drawn = new Set<string>()
  record.onAudit.push((seen) => {
    for (const phase of phases) {
      const site = siteInPhase(phase, seen)
      const draw = `dropout/${site}/${phase}/${seen.job}`
      if (site === undefined || !sites.has(site) || drawn.has(draw)) continue
      drawn.add(draw)
      // one lot a site, phase and job, whatever the order in which they come
      const place = [...drawn].filter((one) => one.startsWith(`dropout/${site}/${phase}/`)).length
      const random = seededRandom(scenario.seed, `dropout/${site}/${phase}/${place}`)
      if (random.fraction() < probability) vanish(site)
    }
  })
}
