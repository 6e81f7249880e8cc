/**
 * What a member makes of the guard's memory: the sets and consents that a specification names, on which guard and gate are
 * computed, so that all members come to the same; and its own memory, which can make it refuse but never decides. Implements
 * docs/spec/secure-aggregation.md, "The guard".
 */
import type { Hex } from '../../crypto/hash.js'
import { payloadHash, type Signed } from '../../encoding/signed.js'
import { ignore, later, type Verdict } from '../../encoding/verdict.js'
import {
  beyond,
  historyName,
  type KnownSet,
  knownSets,
  namedSets,
  type SurvivorHistory,
  strictestFloor,
  survivorsHash,
  withEntries,
} from '../../history.js'
import { guardKey } from '../../jobs/check.js'
import { attempted } from '../../jobs/decisions.js'
import { givesConsent } from '../../jobs/messages.js'
import { checkConsent } from '../../jobs/receipt-rounds.js'
import { MAX_PROOFS_PER_MESSAGE, MAX_SETS_PER_HELLO } from '../../limits.js'
import { withEntry } from '../../machine.js'
import type { GuardRefusal, SetProof } from '../../wire.js'
import { checkGroups, type GroupCheck } from '../guard.js'
import type { Specification } from '../messages.js'
import type { CohortEntry } from '../specification.js'
import { send, type Turn, update } from './state.js'

/** What guard and gate of a round compute on. */
export interface Basis {
  readonly history: readonly KnownSet[]
  readonly consents: ReadonlySet<Hex>
}

/** This member's memory of the question, with what this very step adds to it. */
export function ownHistory({ context, job, effects }: Turn): readonly SurvivorHistory[] {
  const key = guardKey(job)
  const added = effects.flatMap((one) => (one.type === 'remember' && one.entry.key === key ? [one.entry] : []))
  return withEntries(context.history(key), added)
}

/** As the specification names it; undefined while this member lacks one of the sets. */
export function namedBasis(turn: Turn, specification: Specification): Basis | undefined {
  const history = knownSets(specification.history, ownHistory(turn))
  return history && { history, consents: new Set(specification.consents.map((one) => one.site)) }
}

const organisationOf =
  ({ context }: Turn) =>
  (key: Hex): string =>
    context.roster.members.get(key)?.organisation ?? key

function checkAgainst(turn: Turn, { history, consents }: Basis, minCohort: number, keys: readonly Hex[]): GroupCheck {
  return checkGroups(
    history.map((one) => new Set(one.sites)),
    new Set(keys),
    strictestFloor(history, minCohort),
    organisationOf(turn),
    consents,
  )
}

/**
 * `guard`: refused by what the specification names, as at every member. `unresolved-sum`: by what this member knows beyond
 * that and cannot prove, or heard of since. `unknown`: a named set is missing here.
 */
export function guardOutcome(
  turn: Turn,
  specification: Specification,
  keys: readonly Hex[],
): 'passed' | 'guard' | 'unresolved-sum' | 'unknown' {
  const named = namedBasis(turn, specification)
  if (named === undefined) return 'unknown'
  if (!checkAgainst(turn, named, specification.minCohort, keys).ok) return 'guard'
  const key = guardKey(turn.job)
  const own = ownHistory(turn).map((one) => ({
    set: survivorsHash(one.sites),
    sites: one.sites,
    minimum: one.minCohort,
    contributors: one.contributors,
  }))
  const consents = new Set([...named.consents, ...turn.context.consents(key).keys()])
  const mine = checkAgainst(turn, { history: [...named.history, ...own], consents }, specification.minCohort, keys)
  return mine.ok ? 'passed' : 'unresolved-sum'
}

/** What the guard holds against a set by what the specification names, for the researcher; null if nothing. */
export function guardRefusal(turn: Turn, specification: Specification, survivors: readonly Hex[]): GuardRefusal | null {
  const named = namedBasis(turn, specification)
  const checked = named && checkAgainst(turn, named, specification.minCohort, survivors)
  if (named === undefined || checked === undefined || checked.ok) return null
  const own = ownHistory(turn)
  const against = checked.against.flatMap((at) => {
    const known = own.find((one) => survivorsHash(one.sites) === named.history[at]?.set)
    return known === undefined ? [] : [{ sites: [...known.sites], job: known.job }]
  })
  return { survivors: [...survivors], against: against.slice(0, 64) }
}

// ---- remembering

/** For the guard, of every later job with the same question. */
export function rememberSet(turn: Turn, sites: readonly Hex[], contributors: number | null, proof: SetProof): void {
  turn.effects.push({ type: 'remember', entry: historyEntry(turn, sites, contributors, true), proof })
}

/** A set that may have been certified: until that is known it is this member's own reason to refuse, and no others'. */
export function suspectSet(turn: Turn, sites: readonly Hex[]): void {
  turn.effects.push({ type: 'remember-tentative', entry: historyEntry(turn, sites, null, false) })
}

function historyEntry(
  { job, jobId }: Turn,
  sites: readonly Hex[],
  contributors: number | null,
  proven: boolean,
): SurvivorHistory {
  const { dataset, cohort } = job
  const about = { key: guardKey(job), dataset, job: jobId, ownVersion: null, minCohort: cohort.minimum }
  return { ...about, sites, contributors, proven }
}

/** Why the certified set of the attempt under way counts. */
export function certifiedProof(turn: Turn, opened: Signed | null): SetProof | undefined {
  const { job, certificate, specification } = turn.state
  if (certificate === undefined || specification === undefined) return undefined
  return { job, specification, value: certificate.value, votes: certificate.precommits, opened }
}

// ---- consents

/** Approvals with a consent under this job's guard key, by site: of this job, and of earlier ones. */
export function consentsKnown(turn: Turn): ReadonlyMap<Hex, Signed> {
  const known = new Map(turn.context.consents(guardKey(turn.job)))
  for (const [site, signed] of turn.state.decisions) if (isConsent(turn, signed)) known.set(site, signed)
  return known
}

const isConsent = (turn: Turn, signed: Signed): boolean => givesConsent(signed, guardKey(turn.job)) !== undefined

/** As a specification names them. */
export function namedConsents(turn: Turn): readonly CohortEntry[] {
  return [...consentsKnown(turn)].map(([site, signed]) => ({ site, decision: payloadHash(signed) }))
}

/** Remembered for every later job with the same question. */
export function rememberConsent(turn: Turn, decision: Signed): void {
  if (isConsent(turn, decision)) turn.effects.push({ type: 'remember-consent', key: guardKey(turn.job), decision })
}

/** Consents that came with a specification and that it names: kept with the job, since its receipt needs them. */
export function learnConsents(turn: Turn, specification: Specification, decisions: readonly Signed[]): void {
  const given = new Map([...decisions, ...consentsKnown(turn).values()].map((one) => [payloadHash(one), one]))
  for (const { site, decision } of specification.consents) {
    const signed = given.get(decision)
    if (signed === undefined || turn.state.consents.has(decision)) continue
    if (attempted(() => checkConsent(signed, guardKey(turn.job), turn.context)) !== site) continue
    update(turn, { consents: withEntry(turn.state.consents, decision, signed) })
    rememberConsent(turn, signed)
  }
}

// ---- before a member signs a specification

/**
 * Whether the specification names all that this member knows and nothing that it does not. What the proposer lacks it is
 * told; what this member lacks it asks for.
 */
export function judgeMemory(turn: Turn, specification: Specification, proposer: Hex): Verdict | undefined {
  const key = guardKey(turn.job)
  const own = namedSets(ownHistory(turn))
  const missing = beyond(own, specification.history)
  if (missing.length > 0) {
    const sets = own.filter((one) => missing.includes(one.set)).slice(0, MAX_SETS_PER_HELLO)
    send(turn, 'offer', proposer, { type: 'history-offer', sets: sets.map((one) => ({ key, ...one })) })
    return ignore('shortened-history')
  }
  const unknown = beyond(specification.history, own)
  if (unknown.length > 0) {
    askForSets(turn, proposer, unknown)
    return later('history-unknown')
  }
  if (specification.consents.some((one) => !turn.state.consents.has(one.decision))) return later('consent-unknown')
  const left = [...turn.context.consents(key)].filter(
    ([site]) => !specification.consents.some((one) => one.site === site),
  )
  if (left.length === 0) return undefined
  send(turn, 'consents', proposer, { type: 'history', proofs: [], consents: left.map(([, signed]) => signed) })
  return ignore('shortened-consents')
}

function askForSets(turn: Turn, from: Hex, sets: readonly Hex[]): void {
  const key = guardKey(turn.job)
  for (let at = 0; at < sets.length; at += MAX_PROOFS_PER_MESSAGE) {
    const names = sets.slice(at, at + MAX_PROOFS_PER_MESSAGE).map((set) => historyName(key, set))
    send(turn, `history/${at}`, from, { type: 'history-request', names, jobs: [] })
  }
}

/** A member that took a specification by its quorum may lack what it names: without it neither guard nor gate can be computed. */
export function completeHistory(turn: Turn, specification: Specification): void {
  if (turn.state.attempt.asked) return
  const own = namedSets(ownHistory(turn))
  const unknown = beyond(specification.history, own)
  update(turn, { attempt: { ...turn.state.attempt, asked: true } })
  if (unknown.length === 0) return
  for (const key of turn.seats) if (key !== null && key !== turn.context.self) askForSets(turn, key, unknown)
}
