/**
 * A node that finds out that it runs on an old copy of its disk, and one that does not know yet. Implements
 * docs/spec/secure-aggregation.md, "Restored nodes".
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned } from '../encoding/signed.js'
import { JOB, type JobId } from '../jobs/job.js'
import { MAX_CLOCK_SKEW_MS } from '../limits.js'
import { secretName } from '../secagg/member/state.js'
import { PREKEY } from '../secagg/messages.js'
import { secretsOfAttempts, spend } from './desk.js'
import type { Floor } from './floor.js'
import { sayHello } from './greeting.js'
import type { Kernel } from './kernel.js'
import type { JobRoles } from './roles.js'

/** Open jobs in which an earlier life of this node may have said something. */
function olderJobs(kernel: Kernel): readonly (readonly [JobId, JobRoles])[] {
  return [...kernel.known].filter(([, { signed, site, member }]) => {
    const older = openSigned(signed, JOB).body.notBefore <= kernel.marks.life + MAX_CLOCK_SKEW_MS
    return older && (site !== undefined || member !== undefined)
  })
}

function committeeOf(kernel: Kernel, { signed }: JobRoles): readonly Hex[] {
  return kernel.log.roster.committees.get(openSigned(signed, JOB).body.committee)?.members ?? []
}

/** Asks the members that these jobs depend on what they have heard from this node. */
export function askGreetings(kernel: Kernel, floor: Floor, ids: ReadonlySet<JobId>): void {
  const older = olderJobs(kernel).filter(([id]) => ids.has(id) && kernel.openJobs().has(id))
  const wanted = new Set(older.flatMap(([, roles]) => committeeOf(kernel, roles)))
  for (const key of wanted) if (key !== kernel.key && !kernel.marks.greeted.has(key)) sayHello(kernel.desk, floor, key)
}

/** Within a turn: a member has said what it knows of this node, and which jobs it knows. */
export async function onGreeting(
  kernel: Kernel,
  from: Hex,
  lost: number | undefined,
  jobs: readonly JobId[],
): Promise<void> {
  const { marks } = kernel
  const isNew = !marks.greeted.has(from)
  for (const id of isNew ? jobs : []) marks.jobs.add(id)
  if (lost !== undefined) await noteRestored(kernel, from, lost)
  if (kernel.desk.restoredAtMs === marks.life) await noteForgotten(kernel)
  marks.greeted.add(from)
  if (!isNew && lost === undefined) return
  for (const [id, roles] of olderJobs(kernel))
    if (lost !== undefined || committeeOf(kernel, roles).includes(from))
      await kernel.deliver(id, ['site', 'member', 'station'], { type: 'greeted' })
}

/** Clocks differ: a job dated a little after this start may be known to others from before it. */
async function noteForgotten(kernel: Kernel): Promise<void> {
  const { desk, marks } = kernel
  const more = [...marks.jobs].filter((id) => !desk.forgotten.has(id))
  if (more.length === 0) return
  const forgotten = new Map([...desk.forgotten, ...more.map((id) => [id, true] as const)])
  await kernel.commit([], { ...desk, forgotten })
}

/** What was said since the copy was made is not known here: said loudly, and nothing is signed in jobs that old. */
async function noteRestored(kernel: Kernel, from: Hex, lost: number): Promise<void> {
  const { options, desk, key, marks } = kernel
  const counter = Math.max(desk.counter, lost) + 1
  // one-time keys of the copy may have been used, and their secrets destroyed, since
  const bound = secretsOfAttempts([...kernel.known.values()])
  const own = [...desk.prekeys].filter(([, signed]) => openSigned(signed, PREKEY).body.member === key)
  const hashes = own.map(([hash]) => hash)
  await kernel.commit([], { ...spend(desk, hashes), counter, restoredAtMs: marks.life })
  marks.remembered = counter
  for (const [, signed] of own) {
    const name = secretName(openSigned(signed, PREKEY).body.key)
    if (!bound.has(name)) await kernel.secrets.erase(name)
  }
  const fields = { from, said: lost, remembered: desk.counter }
  options.onAudit({ event: 'restored-from-backup', fields })
  options.onEvent({ event: 'restored-from-backup', fields })
  await kernel.refill()
}
