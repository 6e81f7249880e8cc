/**
 * Where the time of a job goes, from the records the nodes keep anyway: each phase ends when the federation could go on, not
 * when its last node had caught up.
 */
import type { Node } from '../../docs/examples/main-job/federation.js'

/** In the order in which they happen; those of a round come again in each. */
export const PHASES = [
  'decisions: announced, judged by policy, back at the committee',
  'specification: proposed, checked, signed by a quorum',
  'submissions: sites compute, mask and send',
  'agreement: one survivor set certified',
  'opening: partial sums checked, the gate passed',
  'release: sealed to the researcher, opened, checked',
] as const

export type PhaseTimes = Readonly<Record<(typeof PHASES)[number], number>>

/** Events at the members of a committee, in the order of a round, and which member's counts: the n-th to get there. */
const MILESTONES = [
  { event: 'specification-proposed', which: 'first' },
  { event: 'specification-signed', which: 'first' },
  { event: 'round-closed', which: 'quorum' },
  { event: 'partials-sent', which: 'quorum' },
  { event: 'opened', which: 'quorum' },
] as const

type MilestoneEvent = (typeof MILESTONES)[number]['event']

export interface JobTimes {
  readonly rounds: number
  /** attempts that ended without a sum */
  readonly abandoned: number
  readonly phases: PhaseTimes
}

interface Seen {
  readonly event: MilestoneEvent
  readonly round: number
  readonly attempt: number
  readonly time: number
}

async function recordsOf(members: readonly Node[], job: string): Promise<readonly Seen[]> {
  const lists = members.flatMap((member) =>
    MILESTONES.map(async ({ event }) => {
      const entries = await member.audit(job, event)
      return entries.map(({ time, fields }) => ({
        event,
        time,
        round: fields['round'] as number,
        attempt: fields['attempt'] as number,
      }))
    }),
  )
  return (await Promise.all(lists)).flat()
}

/** `submitted` and `released`: when the researcher's node knew the job, and its result (milliseconds since 1970). */
export async function jobTimes(
  members: readonly Node[],
  job: string,
  { quorum, submitted, released }: { readonly quorum: number; readonly submitted: number; readonly released: number },
): Promise<JobTimes> {
  const seen = await recordsOf(members, job)
  const rounds = Math.max(...seen.map(({ round }) => round))
  const took = PHASES.map(() => 0)
  let abandoned = 0
  let now = submitted
  for (let round = 1; round <= rounds; round++) {
    const own = seen.filter((one) => one.round === round)
    const last = Math.max(...own.map(({ attempt }) => attempt))
    abandoned += last
    MILESTONES.forEach(({ event, which }, at) => {
      const times = own.filter((one) => one.event === event && one.attempt === last).map(({ time }) => time)
      const reached = times.sort((a, b) => a - b)[which === 'first' ? 0 : quorum - 1]
      if (reached === undefined) throw new Error(`no record of ${event} in round ${round}`)
      // from the second round on nobody decides any more: the next proposal is a part of its specification
      const phase = at === 0 && round > 1 ? 1 : at
      took[phase] = (took[phase] ?? 0) + Math.max(0, reached - now)
      now = Math.max(now, reached)
    })
  }
  took[PHASES.length - 1] = Math.max(0, released - now)
  return { rounds, abandoned, phases: Object.fromEntries(PHASES.map((name, at) => [name, took[at]])) as PhaseTimes }
}
