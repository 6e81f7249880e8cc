/**
 * Rounds end: whatever Haves come late and in whatever order, whoever learns of a revocation first, however many jobs run at
 * once. Every round is certified or abandoned and every job ends, in bounded simulated time, and nothing forbidden is said.
 */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { VOTE } from '@flamesh/protocol/secagg/consensus-messages.js'
import { SPECIFICATION } from '@flamesh/protocol/secagg/messages.js'
import type { WireMessage } from '@flamesh/protocol/wire.js'
import { type SeededRandom, seededRandom } from '@flamesh/simulations/kernel/random.js'
import { audited, describeJob, ending, logisticJob, pass, submit, until, viewAt, type World, world } from './world.js'

const MINUTE_MS = 60_000
/** A round of these jobs takes 10 s, and each attempt that fails at most a few views more. */
const PATIENCE_MS = 20 * MINUTE_MS
const ENDED = ['released', 'suppressed', 'failed', 'cancelled']

/** Moments of a round at which a revocation may strike. */
const MOMENTS = ['submit', 'have', 'proposal', 'prevote', 'precommit', 'partials'] as const
type Moment = (typeof MOMENTS)[number]

function isMoment(message: WireMessage, moment: Moment): boolean {
  if (message.type !== 'consensus') return message.type === moment
  if (moment === 'proposal') return message.message.proposal !== null
  return message.message.votes.some((one) => openSigned(one, VOTE).body.phase === moment)
}

interface Storm {
  /** members whose Haves are late, at each receiver by another time */
  readonly lateHaves: readonly string[]
  readonly revoked: string | undefined
  readonly moment: Moment
  readonly maxDelayMs: number
}

/** Holds back what the storm says, and tells every node of the revocation at a time of its own. */
function unleash({ federation, watch, names }: World, storm: Storm, random: SeededRandom): void {
  const { clock } = federation
  const release = new Map<string, number>()
  const learntAt = new Map<string, number>()
  const strike = (): void => {
    federation.append({
      type: 'revoke',
      key: federation.node(storm.revoked as string).key,
      reason: 'left in mid-round',
    })
    for (const name of [...names, 'researcher']) {
      const atMs = clock.now() + random.integer(storm.maxDelayMs)
      learntAt.set(name, atMs)
      clock.setTimer(atMs, () => void federation.tell(name))
    }
  }
  watch.meddle = (from, to, message) => {
    const nowMs = clock.now()
    if (storm.revoked !== undefined && learntAt.size === 0 && isMoment(message, storm.moment)) strike()
    // nobody learns of it from another before its time
    if (message.type === 'log' && nowMs < (learntAt.get(to.name) ?? 0)) return undefined
    if (message.type !== 'have' || !storm.lateHaves.includes(from.name)) return message
    const name = `${from.name} ${to.name} ${message.job} ${message.round}.${message.attempt}`
    const until = release.get(name) ?? nowMs + random.integer(storm.maxDelayMs)
    release.set(name, until)
    return nowMs < until ? undefined : message
  }
}

/** All jobs have ended, at the researcher and at every node in good standing, and what ended with a sum has one. */
async function allEnd(one: World, jobs: readonly Hex[], gone: string | undefined): Promise<readonly string[]> {
  const { federation, watch, names } = one
  const there = names.filter((name) => name !== gone)
  const open = (): readonly string[] =>
    jobs.flatMap((job) =>
      ['researcher', ...there]
        .filter((name) => !ENDED.includes(viewAt(federation, name, job)?.status ?? ''))
        .map((name) => `${name} ${job.slice(0, 6)} ${viewAt(federation, name, job)?.status}`),
    )
  await federation.clock.run(federation.clock.now() + PATIENCE_MS, () => open().length === 0)
  assert.deepEqual(open(), [])
  await pass(federation, 30)
  watch.check()
  const statuses: string[] = []
  for (const job of jobs) {
    const { status, code, included } = await ending(federation, job)
    assert.ok(status === 'failed' || included.length >= 5, `${status}/${code} with ${included}`)
    statuses.push(`${status}/${code}`)
  }
  return statuses
}

interface Setting {
  readonly seats: 4 | 7
  readonly sites: number
}

function drawStorm(random: SeededRandom, { seats, sites }: Setting, one: World): Storm {
  const pick = <T>(from: readonly T[]): T => from[random.integer(from.length)] as T
  const members = one.names.slice(0, seats)
  const lateHaves = [pick(members), ...(random.integer(2) === 0 ? [pick(members)] : [])]
  const gone = [undefined, pick(members), pick(one.names.slice(seats, sites))]
  return { lateHaves, revoked: pick(gone), moment: pick(MOMENTS), maxDelayMs: 1000 + random.integer(20_000) }
}

/** Up to three jobs within a few seconds: the same question, another, and one of several rounds. */
async function submitSome({ federation }: World, random: SeededRandom): Promise<readonly Hex[]> {
  const where = [{ column: 'age', operator: 'at-least' as const, values: [45] }]
  const jobs = [
    describeJob(federation),
    describeJob(federation),
    describeJob(federation, { where }),
    logisticJob(federation),
  ]
  const ids: Hex[] = []
  for (const job of jobs.slice(random.integer(2))) {
    if (random.integer(4) === 0) continue
    ids.push(await submit(federation, job))
    await pass(federation, random.integer(3))
  }
  return ids
}

describe('every round and every job ends', function () {
  this.timeout(180_000)

  // seeds 6 and 12 waited for a job's expiry before a round closed early for want of a site that left or a seat that was revoked
  const RUNS: readonly (Setting & { readonly seeds: readonly number[] })[] = [
    { seats: 4, sites: 8, seeds: [2, 4, 5, 6, 10, 12] },
    { seats: 7, sites: 10, seeds: [3, 4] },
  ]
  for (const { seeds, ...setting } of RUNS) {
    for (const seed of seeds) {
      it(`with ${setting.seats} seats, late Haves, late revocations and several jobs, seed ${seed}`, async () => {
        const one = await world({ seed, ...setting })
        const random = seededRandom(seed, 'storm')
        const storm = drawStorm(random, setting, one)
        unleash(one, storm, random)
        await allEnd(one, await submitSome(one, random), storm.revoked)
      })
    }
  }

  /** One site hears that site-d lost its seat before it is asked for round 2, everyone else after the others have submitted. */
  async function heardFirst(one: World): Promise<Hex> {
    const { federation, watch } = one
    let known = false
    const { key } = federation.node('site-d')
    const heard = (): boolean => federation.node('site-f').up().roster().members.get(key)?.revokedAt !== undefined
    watch.meddle = (_from, to, message) => {
      const asked = message.type === 'round' && openSigned(message.specification, SPECIFICATION).body.round === 2
      if (!known && asked) {
        known = true
        federation.append({ type: 'revoke', key, reason: 'left in mid-round' })
        void federation.tell('site-f')
      }
      // a first request that overtakes the news is lost, and repeated
      const early = asked && to.name === 'site-f' && !heard()
      return early || message.type === 'log' ? undefined : message
    }
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'refused', () =>
      one.names.some((name) => federation.node(name).audit.some(({ fields }) => fields.code === 'seat-revoked')),
    )
    // who has not heard of it yet is no liar
    for (const name of one.names) assert.equal(audited(federation, name, 'message-rejected'), 0, name)
    await pass(federation, 5)
    await federation.tell('researcher', ...one.names)
    watch.meddle = (_from, _to, message) => message
    return job
  }

  it('goes on without a revoked seat when a site of several rounds refuses to answer it', async () => {
    const one = await world({ sites: 8 })
    const never = policySchema.parse({ version: 1, approve: [], never: [{}] })
    await one.federation.node('site-d').up().setPolicy(never)
    const job = await heardFirst(one)
    assert.deepEqual(await allEnd(one, [job], 'site-d'), ['released/released'])
    assert.ok(audited(one.federation, 'site-a', 'attempt-abandoned') > 0)
  })

  it('ends a job of several rounds when the revoked member was one of its sites', async () => {
    const one = await world({ sites: 8 })
    assert.deepEqual(await allEnd(one, [await heardFirst(one)], 'site-d'), ['failed/pinned-site-left'])
  })
})
