/**
 * How a station comes by the train, once, and adds its rows to it. Implements docs/spec/trains.md, "Start" and "Taking". Which
 * train it took is on disk before anybody learns that it did, and what it adds before it hands it on.
 */
import type { RoundPlan } from '../analyses/analysis.js'
import { countSlots } from '../analyses/layout.js'
import type { Hex } from '../crypto/hash.js'
import { openSigned, payloadHash, type Signed } from '../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { errorCode } from '../errors.js'
import { analysisOf } from '../jobs/analysis-of.js'
import { guardKey } from '../jobs/check.js'
import { countedDecision } from '../jobs/decisions.js'
import { DECISION } from '../jobs/messages.js'
import { boundVersion, decidePolicy } from '../jobs/site/deciding.js'
import { MAX_CHECKPOINT_AGE_MS } from '../limits.js'
import { withEntry } from '../machine.js'
import type { ContributeOutcome } from '../ports.js'
import { addInto, encodeVector } from '../secagg/ring.js'
import type { WireOf } from '../wire.js'
import { type ChainParts, checkChain, standing } from './chain.js'
import { commitmentOf, emptyState, freshSalt, type Held, openFromLast, RING, trainSecretName } from './holding.js'
import { advance } from './passing.js'
import {
  approvalOf,
  audit,
  hasRefused,
  held,
  hold,
  isActive,
  isAdding,
  isClosed,
  noteHops,
  prepareSecret,
  progress,
  setStatus,
  type Turn,
  tellStations,
  update,
} from './state.js'

/** While a masked sum of the same question is under way here, this station looks again so often (milliseconds). */
const BUSY_MS = 2_000

/** Of the one round; undefined if this node has no such analysis. */
export const planOf = ({ job }: Turn): RoundPlan | undefined => analysisOf(job)?.plan(job.parameters, undefined)

/** When a train starts here unless it is told before that there is one; `silent`: a station before it could start one. */
function startsAt({ state, route, position, job, context }: Turn, silent: boolean): number {
  const { stations, hopWithinMs } = route
  const { startedAtMs } = context
  const closesMs = job.notBefore + job.cohort.approveWithinMs
  const decidedMs = stations.every((key) => state.decisions.has(key)) ? 0 : closesMs
  // what was said while this node was down reaches it now: it waits as if it had just begun to listen
  if (state.heard.size > 0)
    return Math.max(decidedMs, startedAtMs, ...state.heard.values()) + (stations.length + position) * hopWithinMs
  return silent ? Math.max(closesMs, startedAtMs) + position * hopWithinMs : decidedMs
}

/** The first station that can starts the train; one further on does if there is none for long enough, or no more. */
export function startIfFirst(turn: Turn): void {
  const { state, route, position, context, voice, job } = turn
  if (state.taken !== undefined || isClosed(turn) || voice !== 'free') return
  if (approvalOf(turn, context.self) === undefined || context.log.checkpointAgeMs > MAX_CHECKPOINT_AGE_MS) return
  if (context.busy(guardKey(job), turn.jobId)) {
    turn.effects.push({ type: 'timer', name: 'start', atMs: context.nowMs + BUSY_MS })
    return
  }
  const able = route.stations.filter((key) => !hasRefused(turn, key) && isActive(turn, key))
  const silent = able.filter((key) => route.stations.indexOf(key) < position)
  if (silent.length > 0 && route.unreachable === 'wait') return
  // their rows are on a train that may be lost: they take no other one, and only they can go on with it
  const passed = route.stations.filter((key) => state.seen.has(key) || state.heard.has(key))
  const left = able.filter((key) => !silent.includes(key) && !passed.includes(key))
  if (passed.length > 0 && left.length < job.cohort.minimum) return
  const plan = planOf(turn)
  if (plan === undefined) return
  const secret = prepareSecret(turn)
  const atMs = startsAt(turn, silent.length > 0)
  if (context.nowMs < atMs || secret === undefined) {
    // the key that was just asked for is there a moment later
    turn.effects.push({ type: 'timer', name: 'start', atMs })
    return
  }
  if (route.unreachable === 'skip')
    for (const key of [...silent, ...passed])
      update(turn, { unreachable: withEntry(turn.state.unreachable, key, true) })
  take(turn, { hops: [], decisions: [] }, { state: emptyState(plan), salt: freshSalt(context.random) }, secret)
}

/** What stands against answering at all; undefined if nothing does. */
function objection(turn: Turn): Verdict | undefined {
  const { context, voice } = turn
  if (hasRefused(turn, context.self)) return ignore('station-refused')
  if (isClosed(turn)) return ignore('closed')
  if (approvalOf(turn, context.self) === undefined) return later('not-approved')
  if (voice === 'waiting') return later('not-greeted')
  if (voice === 'restored') return ignore('restored-from-backup')
  if (context.log.checkpointAgeMs > MAX_CHECKPOINT_AGE_MS) return later('checkpoint-stale')
  // a masked sum of the same question is under way here: what came of it decides
  return context.busy(guardKey(turn.job), turn.jobId) ? later('key-busy') : undefined
}

export function onTrain(turn: Turn, from: Hex, message: WireOf<'train'>): Verdict {
  const { context, jobId, job } = turn
  const chain = checkChain(message, jobId, job)
  const { last } = chain
  if (last.body.station !== from || last.body.next !== context.self)
    return reject('not-the-station', 'a train that is handed to another station, or by another')
  if (!noteHops(turn, chain, from)) return ignore('two-hops')
  const before = turn.state.taken?.hops.at(-1)
  if (turn.state.taken !== undefined) {
    if (before !== undefined && payloadHash(before) === last.hash) return accept
    // the stations before it disagree about who was unreachable: one of the two ways goes on from here
    audit(turn, 'train-not-taken', { hop: last.hash, code: 'station-passed' })
    return ignore('station-passed')
  }
  const against = objection(turn) ?? standing(chain, { id: jobId, job }, context, context.nowMs)
  if (against !== undefined) return against
  const secret = prepareSecret(turn)
  if (secret === undefined) return later('station-not-ready')
  const given = openFromLast(message.box, jobId, last.hash, context.self, context.sealingSecret)
  const plan = planOf(turn)
  if (plan === undefined) return later('analysis-unknown')
  const fits = given !== undefined && given.state.length === emptyState(plan).length
  if (!fits || commitmentOf(given, jobId, last.body.position) !== last.body.state)
    return reject('state', 'the state does not fit the commitment of the hop')
  for (const signed of message.decisions) learnDecision(turn, signed)
  // and no others: with what this station knows besides they would not fit a message
  take(turn, { hops: message.hops, decisions: chain.decisions }, given, secret)
  return accept
}

/** Decisions travel with the train too: this station hands on what its chain relies on. */
export function learnDecision(turn: Turn, signed: Signed): void {
  const { site } = openSigned(signed, DECISION).body
  if (countedDecision(signed, { id: turn.jobId, job: turn.job }, turn.context) === undefined) return
  if (!turn.state.decisions.has(site)) update(turn, { decisions: withEntry(turn.state.decisions, site, signed) })
}

function take(turn: Turn, taken: ChainParts, given: Held, secret: Uint8Array): void {
  update(turn, { taken })
  hold(turn, given, secret)
  setStatus(turn, 'preparing', '', 'the train is here')
  audit(turn, 'train-taken', { position: turn.position, hops: taken.hops.length })
  tellTaken(turn)
  if (isRefused(turn)) add(turn, 'policy', undefined)
  else contribute(turn)
}

/** The policy or the log may have changed since the approval. */
function isRefused(turn: Turn): boolean {
  const { job, jobId, context } = turn
  return decidePolicy(job, jobId, context, boundVersion(approvalOf(turn, context.self))).decision === 'refuse'
}

/** They may have changed, too, while the analysis is at work. */
export function leaveRefused(turn: Turn): void {
  if (isAdding(turn.state) && turn.voice === 'free' && isRefused(turn)) add(turn, 'policy', undefined)
}

/** Who holds the train, so that those before the last one can forget it; nobody is told of a train that only begins here. */
export function tellTaken(turn: Turn): void {
  const { taken } = turn.state
  if (taken !== undefined && taken.hops.length > 0) tellStations(turn, taken)
}

export function contribute(turn: Turn): void {
  const { job, context } = turn
  turn.effects.push({
    type: 'contribute',
    tag: 'train',
    request: {
      job: turn.jobId,
      analysis: job.analysis.name,
      analysisVersion: job.analysis.version,
      image: job.image,
      round: 1,
      parameters: job.parameters,
      state: undefined,
      dataset: job.dataset,
      datasetVersion: boundVersion(approvalOf(turn, context.self)) ?? '',
      where: job.where,
    },
  })
}

export function onContributed(turn: Turn, outcome: ContributeOutcome): Verdict {
  if (!isAdding(turn.state)) return ignore('past')
  if (turn.voice !== 'free') return ignore('restored-from-backup')
  if (!outcome.ok) add(turn, outcome.code, undefined)
  else add(turn, null, outcome.values)
  return accept
}

/** Puts its rows on the train, or hands it on as it came; either is decided once. */
function add(turn: Turn, code: string | null, values: Float64Array | undefined): void {
  const { jobId, position, context } = turn
  const given = held(turn)
  const secret = context.secret(trainSecretName(jobId))
  if (given === undefined || secret === undefined) return
  const sum = values === undefined ? code : sumOf(turn, given.state, values)
  const failed = sum instanceof Uint8Array ? null : (sum ?? 'internal')
  const after: Held = { state: sum instanceof Uint8Array ? sum : given.state, salt: freshSalt(context.random) }
  hold(turn, after, secret)
  update(turn, { added: { failed, state: commitmentOf(after, jobId, position) } })
  setStatus(turn, 'submitted', failed ?? '', failed === null ? 'on the train' : 'the train goes on without these rows')
  audit(turn, failed === null ? 'submitted' : 'withdrew', { position, ...(failed === null ? {} : { code: failed }) })
  progress(turn, failed === null ? 'submitted' : 'failed')
  advance(turn)
}

/** A new sum, or the code of what is wrong with this site's vector. */
function sumOf(turn: Turn, state: Uint8Array, values: Float64Array): Uint8Array | string {
  const plan = planOf(turn)
  if (plan === undefined) return 'analysis-unknown'
  try {
    const own = encodeVector(values, RING, plan.fractionBits, plan.bound, countSlots(plan))
    if (own.length !== state.length) return 'wrong-dimension'
    addInto(own, state, RING)
    return own
  } catch (error) {
    return errorCode(error)
  }
}
