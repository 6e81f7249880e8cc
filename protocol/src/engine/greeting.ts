/**
 * What members tell each other whenever they meet: versions, the log, open jobs, prekeys, datasets. Implements
 * docs/spec/transport.md, "Greeting". A node that was away learns what it missed from any member it meets.
 */
import type { Hex } from '../crypto/hash.js'
import { payloadHash } from '../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { isSeated, type Roster } from '../identity/roster.js'
import { MAX_OPEN_JOBS, MAX_STATEMENTS_PER_REQUEST } from '../limits.js'
import type { LogOutcome } from '../peer.js'
import { attemptKey } from '../secagg/member/state.js'
import { isGossiped, outcomeOf } from '../secagg/record.js'
import { PROTOCOL_VERSIONS, type WireMessage, type WireOf } from '../wire.js'
import { learnDatasets } from './catalogue.js'
import { type DeskState, learnPrekeys, ownAmong, prekeysOf } from './desk.js'
import type { Floor } from './floor.js'
import { offerRetirements, takeRetirement } from './handover.js'
import { seenMessage } from './marks.js'
import { offerHistory, takeHistory } from './reconciling.js'

/** The first words to a member that came into reach. */
export function greet(desk: DeskState, floor: Floor, to: Hex): void {
  sayHello(desk, floor, to)
  offerPrekeys(desk, floor, to)
  offerHistory(desk, floor, to)
  offerRetirements(desk, floor, to)
}

/** Members of a committee answer it with what they have heard from this node. */
export function sayHello(desk: DeskState, floor: Floor, to: Hex): void {
  const checkpoint = floor.log.checkpoint?.bytes ?? null
  const log = { size: floor.log.leaves.length, checkpoint }
  floor.send(to, 'hello', {
    type: 'hello',
    versions: [...PROTOCOL_VERSIONS],
    log,
    jobs: [...floor.jobs.keys()].slice(0, MAX_OPEN_JOBS),
    datasets: desk.datasets.get(floor.self) ?? null,
    life: floor.life,
  })
}

/** This node's unspent prekeys, to a fellow member. */
export function offerPrekeys(desk: DeskState, floor: Pick<Floor, 'self' | 'log' | 'send'>, to: Hex): void {
  const shared = fellowships(floor.log.roster, floor.self, to)
  const prekeys = shared.flatMap((committee) => prekeysOf(desk, committee, floor.self)).slice(0, 64)
  if (prekeys.length > 0) floor.send(to, 'prekeys', { type: 'prekeys', prekeys, only: desk.restoredAtMs !== null })
}

/** Committees that both sit on. */
export function fellowships(roster: Roster, self: Hex, other: Hex): readonly number[] {
  return [...roster.committees.values()].flatMap((one) =>
    one.members.includes(self) && one.members.includes(other) ? [one.index] : [],
  )
}

export async function takeDeskMessage(
  desk: DeskState,
  from: Hex,
  message: WireMessage,
  floor: Floor,
): Promise<Verdict> {
  switch (message.type) {
    case 'hello':
      return onHello(desk, from, message, floor)
    case 'seen':
      return onSeen(from, message, floor)
    case 'log-request': {
      if (floor.log.checkpoint !== undefined) sendLog(from, message.from, floor, floor.log.checkpoint.bytes)
      return accept
    }
    case 'log': {
      const outcome = await floor.learn(message.statements, message.checkpoint)
      return logVerdict(from, outcome, floor)
    }
    case 'checkpoint':
      return logVerdict(from, await floor.learn([], message.checkpoint), floor)
    case 'datasets':
      await floor.keep(learnDatasets(desk, floor.log.roster, floor.nowMs, message.announcement))
      return accept
    case 'prekeys':
      if (fellowships(floor.log.roster, floor.self, from).length === 0) return later('not-a-fellow-member')
      await floor.keep(learnPrekeys(desk, floor.log.roster, floor.self, from, message.prekeys, message.only))
      sayWhichAreSpent(desk, from, message, floor)
      return accept
    case 'spent':
      await floor.discard(ownAmong(desk, floor.self, message.prekeys))
      return accept
    case 'retirement':
      return takeRetirement(desk, from, message.retirement, floor)
    case 'history-offer':
    case 'history-request':
    case 'history':
      return takeHistory(desk, from, message, floor)
    default:
      return ignore('not-expected')
  }
}

/** A member that was away does not know that its keys were used, and would run out of them without noticing. */
function sayWhichAreSpent(desk: DeskState, from: Hex, { prekeys }: WireOf<'prekeys'>, floor: Floor): void {
  const spent = prekeys.map(payloadHash).filter((hash) => desk.spent.has(hash))
  if (spent.length > 0) floor.send(from, 'spent', { type: 'spent', prekeys: spent })
}

/** What this node has said, as far as a member heard it: more than it remembers if it was put back to an old copy. */
async function onSeen(from: Hex, { life, mark, jobs }: WireOf<'seen'>, floor: Floor): Promise<Verdict> {
  // an answer to an earlier life may be older than what that life said last
  if (life !== floor.life) return ignore('past')
  await floor.greeting(from, mark === null ? undefined : floor.forgotten(mark), jobs)
  return accept
}

async function onHello(desk: DeskState, from: Hex, message: WireOf<'hello'>, floor: Floor): Promise<Verdict> {
  if (!message.versions.some((one) => (PROTOCOL_VERSIONS as readonly number[]).includes(one))) {
    floor.notify('version-mismatch', {
      peer: from,
      theirs: message.versions.join(' '),
      ours: PROTOCOL_VERSIONS.join(' '),
    })
    return reject('version-mismatch', `this node speaks protocol version ${PROTOCOL_VERSIONS.join(', ')}`)
  }
  if (message.datasets !== null) await floor.keep(learnDatasets(desk, floor.log.roster, floor.nowMs, message.datasets))
  if (isSeated(floor.log.roster, floor.self))
    floor.send(from, 'seen', seenMessage({ life: message.life, mark: desk.marks.get(from) ?? null }, floor.jobs))
  const held = floor.log.checkpoint?.bytes
  if (message.log.checkpoint !== null) logVerdict(from, await floor.learn([], message.log.checkpoint), floor)
  if (message.log.size < floor.log.leaves.length && held !== undefined) sendLog(from, message.log.size, floor, held)
  const theirs = new Set(message.jobs)
  for (const [id, roles] of floor.jobs) {
    if (!theirs.has(id)) floor.send(from, `job/${id}`, { type: 'job', job: roles.signed })
    const cancelled = roles.request?.cancelled ?? roles.member?.cancelled
    if (cancelled !== undefined) floor.send(from, `cancel/${id}`, { type: 'cancel', cancel: cancelled })
    const { member } = roles
    const last =
      member === undefined || member.progress.ended === null
        ? undefined
        : member.records.get(attemptKey(member.progress))
    if (last === undefined) continue
    const { job, round, attempt } = last
    floor.send(from, `outcome/${id}`, isGossiped(last) ? outcomeOf(last) : { type: 'ended', job, round, attempt })
  }
  return accept
}

function sendLog(to: Hex, from: number, floor: Floor, checkpoint: Uint8Array): void {
  const statements = floor.statements.slice(from, from + MAX_STATEMENTS_PER_REQUEST)
  floor.send(to, 'log', { type: 'log', from, statements: [...statements], checkpoint })
}

/** A checkpoint ahead of this node's log is a reason to ask for what leads there; a fork is never the messenger's fault. */
function logVerdict(from: Hex, outcome: LogOutcome, floor: Floor): Verdict {
  if (outcome.outcome !== 'refused') return accept
  if (outcome.code === 'log-incomplete') {
    floor.send(from, 'log-request', { type: 'log-request', from: floor.log.leaves.length })
    return ignore('log-incomplete')
  }
  return outcome.code === 'log-fork' ? ignore('log-fork') : reject(outcome.code, outcome.message)
}
