/**
 * Why the guard refused a job, for the one who asked: the earlier sums, and whose consent would help. What a member says of it
 * is held against the specification that a quorum signed. Implements docs/spec/secure-aggregation.md, "The guard".
 */
import type { Hex } from '../crypto/hash.js'
import { strictestFloor, survivorsHash } from '../history.js'
import type { Roster } from '../identity/roster.js'
import { checkGroups } from '../secagg/guard.js'
import type { Specification } from '../secagg/messages.js'
import type { GuardRefusal } from '../wire.js'

/**
 * The refusal with the groups that are too small; null if the specification does not name these earlier sets, or they do not
 * speak against the survivors. That these were the survivors is the member's word.
 */
export function checkRefusal(
  refused: GuardRefusal,
  specification: Specification | undefined,
  roster: Roster,
): (GuardRefusal & { readonly groups: readonly (readonly Hex[])[] }) | null {
  if (specification === undefined) return null
  const named = new Set(specification.history.map((one) => one.set))
  if (!refused.against.every((one) => named.has(survivorsHash(one.sites)))) return null
  const checked = checkGroups(
    refused.against.map((one) => new Set(one.sites)),
    new Set(refused.survivors),
    strictestFloor(specification.history, specification.minCohort),
    (key) => roster.members.get(key)?.organisation ?? key,
    new Set(specification.consents.map((one) => one.site)),
  )
  return checked.ok ? null : { ...refused, groups: checked.groups }
}

/** For a person: names of sites, and ids of jobs as far as their first digits. */
export function explainRefusal(
  { survivors, against, groups }: GuardRefusal & { readonly groups: readonly (readonly Hex[])[] },
  roster: Roster,
): string {
  const list = (keys: readonly Hex[]): string =>
    keys
      .map((key) => roster.members.get(key)?.name ?? key.slice(0, 12))
      .sort()
      .join(', ')
  const earlier = against.map(({ sites, job }) => `the sum over ${list(sites)} (job ${job.slice(0, 12)})`).join(' and ')
  const isolated = groups.map(list).join('; ')
  const comparison = earlier === '' ? '' : ` beside ${earlier}`
  return `a sum over ${list(survivors)}${comparison} would show too few organisations apart: ${isolated}. It would be allowed over the same sites as before, or if all sites of each such group consented`
}
