/** Makes a failing case short: operations, jobs and sites are taken away as long as the same invariant still breaks. */
import type { Case } from './case.js'
import { type CaseOutcome, runCase } from './run-case.js'

export const breaks =
  (invariant: string) =>
  ({ violations }: CaseOutcome): boolean =>
    violations.some((found) => found.invariant === invariant)

/** Runs spent on shrinking one case at most. */
const MAX_RUNS = 80

export async function shrink(one: Case, stillFails: (outcome: CaseOutcome) => boolean): Promise<Case> {
  let runs = 0
  const fails = async (candidate: Case): Promise<boolean> => {
    if (runs++ >= MAX_RUNS) return false
    const outcome = await runCase(candidate).catch(() => undefined)
    return outcome !== undefined && stillFails(outcome)
  }
  let best = one
  for (let again = true; again; ) {
    again = false
    for (const candidate of simpler(best)) {
      if (!(await fails(candidate))) continue
      best = candidate
      again = true
      break
    }
  }
  return best
}

/** Every case that is one step simpler. */
function* simpler(one: Case): Iterable<Case> {
  for (const at of one.operations.keys())
    yield { ...one, operations: one.operations.filter((_, other) => other !== at) }
  if (one.jobs.length > 1)
    for (const at of one.jobs.keys()) yield { ...one, jobs: one.jobs.filter((_, other) => other !== at) }
  const { sites, committee } = one.shape
  if (sites > committee) {
    const shape = { ...one.shape, sites: sites - 1 }
    const last = `site-${sites - 1}`
    if (!JSON.stringify([one.operations, one.jobs]).includes(`"${last}"`)) yield { ...one, shape }
  }
  for (const [at, { deed }] of one.operations.entries()) {
    if (!('times' in deed) || deed.times <= 1) continue
    const less = { ...deed, times: Math.floor(deed.times / 2) }
    yield { ...one, operations: one.operations.map((op, other) => (other === at ? { ...op, deed: less } : op)) }
  }
}
