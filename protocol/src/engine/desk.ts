/**
 * What a node knows apart from any one job: the log, the guard's memory, prekeys, announced datasets. Implements
 * docs/spec/identity.md, "Following the log", and docs/spec/secure-aggregation.md, "Prekeys" and "The guard".
 */
import type { Hex } from '../crypto/hash.js'
import { bytesToHex, hexToBytes } from '../crypto/hash.js'
import { x25519PublicKey } from '../crypto/native/index.js'
import { isSealable } from '../crypto/sealing.js'
import { openSigned, payloadHash, type Signed, type Signer, signObject } from '../encoding/signed.js'
import { fewerContributors, historyName, mergeHistory, type SurvivorHistory, survivorsHash } from '../history.js'
import type { Roster } from '../identity/roster.js'
import type { JobId } from '../jobs/job.js'
import { givesConsent } from '../jobs/messages.js'
import { MAX_CLOCK_SKEW_MS } from '../limits.js'
import { type Effect, type Table, withEntry } from '../machine.js'
import { type MemberState, secretName } from '../secagg/member/state.js'
import { PREKEY } from '../secagg/messages.js'
import { trainSecretName } from '../trains/holding.js'
import { needsSecret, type StationState } from '../trains/state.js'
import type { SetProof } from '../wire.js'

export interface KeptProof {
  readonly proof: SetProof
  readonly job: Hex
  readonly minimum: number
  readonly contributors: number | null
}

export interface DeskState {
  /** certified survivor sets, by hash of (key, set) */
  readonly history: Table<SurvivorHistory>
  /** sets that may have been certified in jobs that ended here without an outcome, by `job/hash of the set` */
  readonly tentative: Table<SurvivorHistory>
  /** what proves these to others, by the same name: at most two of a set, one for its minimum and one for its contributors */
  readonly proofs: Table<readonly KeptProof[]>
  /** approvals with a consent, by `guard key/site`: for every later job with the same question */
  readonly consents: Table<Signed>
  /** signed by members of committees that were succeeded, by `predecessor/successor/member` */
  readonly retirements: Table<Signed>
  /** unspent prekeys of this node and of its fellow members, by payload hash */
  readonly prekeys: Table<Signed>
  /** prekeys that were bound to a round: never offered again */
  readonly spent: Table<boolean>
  /** the highest mark of each peer, as a member of a committee heard it */
  readonly marks: Table<Signed>
  /** how much this node has said (see marks.ts) */
  readonly counter: number
  /** when the life started that last found out that it runs on an old copy of its disk (milliseconds) */
  readonly restoredAtMs: number | null
  /** jobs that others knew before they knew of that life: it may have said things in them */
  readonly forgotten: Table<boolean>
  /** announcements by site */
  readonly datasets: Table<Signed>
  /** true once the hub showed two logs: no new job is trusted until a person decides */
  readonly forked: boolean
}

export const emptyDesk: DeskState = {
  history: new Map(),
  tentative: new Map(),
  proofs: new Map(),
  consents: new Map(),
  retirements: new Map(),
  prekeys: new Map(),
  spent: new Map(),
  marks: new Map(),
  counter: 0,
  restoredAtMs: null,
  forgotten: new Map(),
  datasets: new Map(),
  forked: false,
}

/** Prekeys a member keeps ahead for each of its committees: one a round and attempt. */
const PREKEYS_AHEAD = 16
/** Prekeys taken from one fellow member; more are ignored. */
const MAX_PREKEYS_OF_ONE = 64

/** Names of the vault's secrets that something may still need: prekeys that are offered, and those of attempts under way. */
export function secretsInUse(
  desk: DeskState,
  self: Hex,
  jobs: ReadonlyMap<JobId, { readonly member: MemberState | undefined; readonly station: StationState | undefined }>,
): ReadonlySet<string> {
  const names = new Set<string>()
  for (const signed of desk.prekeys.values()) {
    const { body } = openSigned(signed, PREKEY)
    if (body.member === self) names.add(secretName(body.key))
  }
  for (const [id, { station }] of jobs)
    if (station !== undefined && needsSecret(station)) names.add(trainSecretName(id))
  return new Set([...names, ...secretsOfAttempts(jobs.values())])
}

export function secretsOfAttempts(jobs: Iterable<{ readonly member: MemberState | undefined }>): ReadonlySet<string> {
  return new Set([...jobs].flatMap(({ member }) => member?.attempt.keys.map(secretName) ?? []))
}

/** Names of the secrets behind these prekeys, as far as they are unspent here. */
export function secretsOf(desk: DeskState, hashes: readonly Hex[]): readonly string[] {
  return hashes.flatMap((hash) => {
    const signed = desk.prekeys.get(hash)
    return signed === undefined ? [] : [secretName(openSigned(signed, PREKEY).body.key)]
  })
}

/** Adds what is newly known of a certified set to what was, and its proof if this node keeps it. */
export function remember(desk: DeskState, entry: SurvivorHistory, proof?: SetProof): DeskState {
  const name = historyName(entry.key, survivorsHash(entry.sites))
  const known = desk.history.get(name)
  const merged = known === undefined ? { ...entry, sites: [...entry.sites] } : mergeHistory(known, entry)
  const history = known === merged ? desk.history : withEntry(desk.history, name, merged)
  const proofs = proof === undefined ? desk.proofs : keepProof(desk.proofs, name, proof, entry)
  return history === desk.history && proofs === desk.proofs ? desk : { ...desk, history, proofs }
}

/** Keeps a proof that shows more than those held, and of these only what it does not cover. */
function keepProof(
  proofs: DeskState['proofs'],
  name: Hex,
  proof: SetProof,
  entry: SurvivorHistory,
): DeskState['proofs'] {
  const before = proofs.get(name) ?? []
  const all = [...before, { proof, job: entry.job, minimum: entry.minCohort, contributors: entry.contributors }]
  const minimum = Math.max(...all.map((one) => one.minimum))
  const contributors = all.reduce<number | null>((fewest, one) => fewerContributors(fewest, one.contributors), null)
  const shows = (one: KeptProof) => Number(one.minimum === minimum) + Number(one.contributors === contributors)
  const whole = all.find((one) => shows(one) === 2)
  const kept =
    whole !== undefined
      ? [whole]
      : [all.find((one) => one.minimum === minimum), all.find((one) => one.contributors === contributors)]
  const same = kept.length === before.length && kept.every((one, at) => one === before[at])
  return same ? proofs : withEntry(proofs, name, kept as readonly KeptProof[])
}

export function rememberTentative(desk: DeskState, entry: SurvivorHistory): DeskState {
  const name = `${entry.job}/${survivorsHash(entry.sites)}`
  return { ...desk, tentative: withEntry(desk.tentative, name, { ...entry, sites: [...entry.sites] }) }
}

export function forgetTentative(desk: DeskState, job: Hex): DeskState {
  const kept = [...desk.tentative].filter(([, one]) => one.job !== job)
  return kept.length === desk.tentative.size ? desk : { ...desk, tentative: new Map(kept) }
}

/** Every set that was, or may have been, certified under a key. */
export function historyOf(desk: DeskState, key: Hex): readonly SurvivorHistory[] {
  const known = [...desk.history.values()].filter((one) => one.key === key)
  const names = new Set<Hex>()
  for (const one of desk.tentative.values()) {
    if (one.key !== key) continue
    if (names.size === 0) for (const { sites } of known) names.add(survivorsHash(sites))
    const name = survivorsHash(one.sites)
    if (!names.has(name)) known.push(one)
    names.add(name)
  }
  return known
}

/** Of two approvals of one site that consent to the same, all nodes keep the same one. */
export function rememberConsent(desk: DeskState, key: Hex, decision: Signed): DeskState {
  const site = givesConsent(decision, key)
  if (site === undefined) return desk
  const name = `${key}/${site}`
  const known = desk.consents.get(name)
  if (known !== undefined && payloadHash(known) <= payloadHash(decision)) return desk
  return { ...desk, consents: withEntry(desk.consents, name, decision) }
}

export function consentsOf(desk: DeskState, key: Hex): ReadonlyMap<Hex, Signed> {
  const prefix = `${key}/`
  return new Map(
    [...desk.consents].flatMap(([name, signed]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), signed]] : [],
    ),
  )
}

/** What a step adds to the memory and takes from the prekeys: part of the batch that its state is written with. */
export function afterEffects(
  desk: DeskState,
  effects: readonly Effect[],
  keeps: (entry: SurvivorHistory) => boolean,
): DeskState {
  let next = desk
  for (const effect of effects) {
    if (effect.type === 'remember') next = remember(next, effect.entry, keeps(effect.entry) ? effect.proof : undefined)
    if (effect.type === 'remember-tentative') next = rememberTentative(next, effect.entry)
    if (effect.type === 'forget-tentative') next = forgetTentative(next, effect.job)
    if (effect.type === 'remember-consent') next = rememberConsent(next, effect.key, effect.decision)
    if (effect.type === 'spend-prekeys') next = spend(next, effect.prekeys)
  }
  return next
}

/** Whether a life of this node that it does not remember may have said something in a job. */
export function isForgotten({ restoredAtMs, forgotten }: DeskState, job: Hex, notBefore: number): boolean {
  if (restoredAtMs === null || notBefore > restoredAtMs + MAX_CLOCK_SKEW_MS) return false
  return notBefore <= restoredAtMs || forgotten.has(job)
}

export function spend(desk: DeskState, hashes: readonly Hex[]): DeskState {
  const prekeys = new Map(desk.prekeys)
  const spent = new Map(desk.spent)
  for (const hash of hashes) {
    prekeys.delete(hash)
    spent.set(hash, true)
  }
  return { ...desk, prekeys, spent }
}

export function prekeysOf(desk: DeskState, committee: number, member: Hex): readonly Signed[] {
  let sorted = byOwner.get(desk.prekeys)
  if (sorted === undefined) {
    sorted = new Map()
    for (const signed of desk.prekeys.values()) {
      const { body } = openSigned(signed, PREKEY)
      const name = `${body.committee}/${body.member}`
      const those = sorted.get(name)
      if (those === undefined) sorted.set(name, [signed])
      else those.push(signed)
    }
    byOwner.set(desk.prekeys, sorted)
  }
  return sorted.get(`${committee}/${member}`) ?? []
}

/** Whose they are, by table: a table is never changed, and asked about with every member that is met. */
const byOwner = new WeakMap<DeskState['prekeys'], Map<string, Signed[]>>()

/** Those of these hashes that are unspent prekeys of this node. */
export function ownAmong(desk: DeskState, self: Hex, hashes: readonly Hex[]): readonly Hex[] {
  return hashes.filter((hash) => {
    const signed = desk.prekeys.get(hash)
    return signed !== undefined && openSigned(signed, PREKEY).body.member === self
  })
}

/** Tops up this node's own prekeys for every committee it sits on. */
export function replenish(
  desk: DeskState,
  roster: Roster,
  signer: Signer,
  random: (length: number) => Uint8Array,
): {
  readonly desk: DeskState
  readonly secrets: readonly { name: string; secret: Uint8Array }[]
  readonly fresh: readonly Signed[]
} {
  const secrets: { name: string; secret: Uint8Array }[] = []
  const fresh: Signed[] = []
  const prekeys = new Map(desk.prekeys)
  for (const committee of roster.committees.values()) {
    if (!committee.members.includes(signer.publicKey)) continue
    const own = prekeysOf(desk, committee.index, signer.publicKey).length
    if (own > PREKEYS_AHEAD / 2) continue
    for (let i = own; i < PREKEYS_AHEAD; i++) {
      const secret = random(32)
      const key = bytesToHex(x25519PublicKey(secret))
      const signed = signObject(
        PREKEY.kind,
        PREKEY.version,
        { member: signer.publicKey, committee: committee.index, key },
        signer,
      )
      prekeys.set(payloadHash(signed), signed)
      secrets.push({ name: secretName(key), secret })
      fresh.push(signed)
    }
  }
  return { desk: fresh.length === 0 ? desk : { ...desk, prekeys }, secrets, fresh }
}

/** A fellow member's prekeys, perhaps all it has. Throws what opening them throws; keys of strangers are ignored. */
export function learnPrekeys(
  desk: DeskState,
  roster: Roster,
  self: Hex,
  from: Hex,
  signed: readonly Signed[],
  only = false,
): DeskState {
  const prekeys = new Map(desk.prekeys)
  const offered = new Set(signed.map(payloadHash))
  for (const [hash, one] of only ? desk.prekeys : [])
    if (openSigned(one, PREKEY).body.member === from && !offered.has(hash)) prekeys.delete(hash)
  const dropped = prekeys.size !== desk.prekeys.size
  for (const one of signed) {
    const { body, hash, signers } = openSigned(one, PREKEY)
    const committee = roster.committees.get(body.committee)
    const fellow = committee?.members.includes(body.member) && committee.members.includes(self)
    if (!fellow || signers.length !== 1 || signers[0] !== body.member || body.member !== from) continue
    if (desk.spent.has(hash) || prekeys.has(hash) || prekeysOf(desk, body.committee, from).length >= MAX_PREKEYS_OF_ONE)
      continue
    if (isSealable(hexToBytes(body.key))) prekeys.set(hash, one)
  }
  return prekeys.size === desk.prekeys.size && !dropped ? desk : { ...desk, prekeys }
}
