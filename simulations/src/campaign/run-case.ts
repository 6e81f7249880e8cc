/**
 * One case from beginning to end: a federation comes up, its jobs are said, everything goes wrong that the case says, then
 * the network calms down, everyone is started again, and the jobs have to end.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { payloadHash } from '@flamesh/protocol/encoding/signed.js'
import { OPEN_MARGIN_MS } from '@flamesh/protocol/limits.js'
import { type Case, RESEARCHER } from './case.js'
import { calm, doDeed } from './deeds.js'
import { Director } from './director.js'
import { agreement } from './invariants/agreement.js'
import { committees } from './invariants/committees.js'
import { differencing } from './invariants/differencing.js'
import { allEnded, endings } from './invariants/endings.js'
import { opening } from './invariants/opening.js'
import { submissions } from './invariants/submissions.js'
import { liarOf } from './lies.js'
import { type MakeInvariant, Scene, type Violation } from './observer.js'
import { announce, federationOf, signJob, start } from './scene.js'

export const INVARIANTS: readonly MakeInvariant[] = [
  ...agreement,
  ...differencing,
  ...committees,
  ...opening,
  ...submissions,
  ...endings,
]

export interface CaseOutcome {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** events of the clock */
  readonly steps: number
  readonly messages: number
  /** faults that really happened, by kind */
  readonly fired: Readonly<Record<string, number>>
  /** how the jobs ended at the researcher */
  readonly endings: Readonly<Record<string, number>>
  /** looks at each invariant */
  readonly checks: Readonly<Record<string, number>>
  /** over everything delivered and written */
  readonly hash: Hex
}

/** After the last job's deadline for members that saw nothing of its end: a clock may have been five minutes behind. */
const LAST_MS = 6 * 60_000
/** Members see to it that nobody missed the end: the same messages from everyone, so not after every case. */
const AFTERMATH_MS = 8_000
const LONG_EVERY = 4
/** What is erased with the end is gone by then. */
const SHORT_MS = 400

/** For one who compares two runs: a site that has other patients, and who listens. */
export interface Variant {
  readonly altered?: number
  readonly listener?: MakeInvariant
}

export async function runCase(one: Case, { altered, listener }: Variant = {}): Promise<CaseOutcome> {
  const federation = federationOf(one, altered)
  const scene = new Scene(federation, one)
  const invariants = [...INVARIANTS, ...(listener === undefined ? [] : [listener])].map((make) => make(scene))
  const director = new Director(scene, one, invariants, { deed: doDeed, lie: liarOf })
  const { clock } = federation
  const over = whenEnded(director)
  try {
    await start(federation, one)
    director.begin()
    for (const [at, plan] of one.jobs.entries()) clock.setTimer(clock.now() + plan.atMs, () => void say(director, at))
    const lastJobMs = Math.max(...one.jobs.map((plan) => plan.atMs))
    const startMs = clock.now()
    await clock.run(startMs + one.calmMs, () => clock.now() > startMs + lastJobMs && operationsOver(director) && over())
    calm(director)
    await clock.run(clock.now() + 200)
    for (const at of one.jobs.keys()) if (!director.jobs.has(at)) await say(director, at)
    const latest = Math.max(...one.jobs.map((plan) => plan.atMs + plan.minutes * 60_000), 0)
    const untilMs = Math.max(startMs + latest, clock.now() + latest - lastJobMs) + OPEN_MARGIN_MS + LAST_MS
    await clock.run(untilMs, over)
    await clock.run(clock.now() + (one.seed % LONG_EVERY === 0 ? AFTERMATH_MS : SHORT_MS))
    // one that had not heard of a job at all may have begun to catch up meanwhile
    await clock.run(untilMs, over)
    for (const invariant of invariants) await invariant.ended?.()
    return outcomeOf(director)
  } finally {
    await federation.stop()
  }
}

/** A node that comes or goes changes the answer as well, so now and then it is asked whatever was written. */
const ASK_EVERY = 64

function whenEnded(director: Director): () => boolean {
  let [asked, atEvent, ended] = [-1, 0, false]
  return () => {
    const { events } = director.federation.clock
    if (asked !== director.turns || events - atEvent >= ASK_EVERY) {
      ended = allEnded(director.scene)
      asked = director.turns
      atEvent = events
    }
    return ended
  }
}

const operationsOver = (director: Director): boolean => director.pending === 0

async function say(director: Director, at: number): Promise<void> {
  const { federation, one } = director
  const plan = one.jobs[at]
  if (plan === undefined || federation.node(RESEARCHER).peer === undefined) return
  const { signed } = signJob(federation, one.seed, at, plan)
  director.jobs.set(at, payloadHash(signed))
  await announce(federation, signed)
}

function outcomeOf(director: Director): CaseOutcome {
  const { federation, scene, one } = director
  const endings: Record<string, number> = {}
  for (const job of federation.node(RESEARCHER).peer?.jobs() ?? []) {
    const name = job.code && job.code !== job.status ? `${job.status}/${job.code}` : job.status
    endings[name] = (endings[name] ?? 0) + 1
  }
  return {
    seed: one.seed,
    violations: scene.violations,
    steps: federation.clock.events,
    messages: director.messages,
    fired: director.fired,
    endings,
    checks: scene.checks,
    hash: federation.network.hash(),
  }
}
