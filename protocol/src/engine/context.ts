/** What machines see of the node they run on: time, keys, and what it knows apart from their own job. */
import type { Hex } from '../crypto/hash.js'
import { checkpointAge, checkSeen, type LogState, rootAt } from '../identity/log.js'
import type { DatasetDescription } from '../jobs/dataset.js'
import type { JobId } from '../jobs/job.js'
import { type Policy, policyHash } from '../jobs/policy.js'
import { type Context, DEFAULT_TIMINGS, type Timings } from '../machine.js'
import type { PeerOptions } from '../peer.js'
import { consentsOf, type DeskState, historyOf, isForgotten, prekeysOf } from './desk.js'
import { mayServe } from './handover.js'
import type { Marks } from './marks.js'
import { approvalsSince, hasTravelled, isBusy, type JobRoles, ownConsents } from './roles.js'

const DAY_MS = 24 * 3_600_000

/** The parts of a node that a step depends on. */
export interface Surroundings {
  readonly options: PeerOptions & { readonly timings?: Timings }
  readonly key: Hex
  readonly known: ReadonlyMap<JobId, JobRoles>
  readonly log: LogState
  readonly desk: DeskState
  readonly marks: Pick<Marks, 'life' | 'greeted'>
  readonly policy: Policy
  readonly datasets: readonly DatasetDescription[]
}

export function contextOf(node: Surroundings, secret: Context['secret']): Context {
  const { ports, signer, sealingSecret, timings } = node.options
  const { known, log, desk, policy } = node
  const nowMs = ports.clock.now()
  const size = log.leaves.length
  // what few steps look at is worked out for those alone
  return {
    nowMs,
    self: node.key,
    signer,
    sealingSecret,
    random: (length) => ports.random.bytes(length),
    roster: log.roster,
    log: {
      size,
      get root() {
        return size === 0 ? '' : rootAt(log, size)
      },
      checkpointAgeMs: desk.forked ? Number.POSITIVE_INFINITY : checkpointAge(log, nowMs),
    },
    checkSeen: (seen) => checkSeen(log, seen),
    policy,
    get policyHash() {
      return policyHash(policy)
    },
    datasets: node.datasets,
    history: (key) => historyOf(desk, key),
    consents: (key) => consentsOf(desk, key),
    ownConsents: (key) => ownConsents(known, key),
    busy: (key, job) => isBusy(known, key, job, log.roster),
    travelled: (key, job) => hasTravelled(known, key, job),
    mayServe: (committee, dataset) => mayServe(desk, log.roster, committee, dataset),
    get approvalsToday() {
      return approvalsSince(known, nowMs - DAY_MS)
    },
    secret,
    prekeys: (committee, member) => prekeysOf(desk, committee, member),
    startedAtMs: node.marks.life,
    forgotten: (job, notBefore) => isForgotten(desk, job, notBefore),
    greeted: (member) => node.marks.greeted.has(member),
    timings: timings ?? DEFAULT_TIMINGS,
  }
}
