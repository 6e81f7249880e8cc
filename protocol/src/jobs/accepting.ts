/**
 * What a recipient keeps of what a member hands it: the decisions and consents that the rounds name, each checked, and of the
 * rest nothing. What it takes passes the checks of a receipt, since they are the same. Implements docs/spec/secure-aggregation.md,
 * "Release".
 */
import type { Hex } from '../crypto/hash.js'
import { payloadHash, type Signed } from '../encoding/signed.js'
import type { Specification } from '../secagg/messages.js'
import { checkRecord } from '../secagg/record.js'
import type { AttemptRecord } from '../wire.js'
import { guardKey } from './check.js'
import { attempted, checkDecision, type KnownLog, type SignedJob, type SiteDecision, withHeard } from './decisions.js'
import { checkConsent, checkRounds, type Rounds, type Shown } from './receipt-rounds.js'

export interface Handed extends Shown {
  readonly decisions: readonly Signed[]
}

export interface Accepted extends Handed {
  readonly rounds: Rounds
}

/** By hash; one that is told twice may be signed well once. */
function byHash(offered: readonly Signed[]): (hash: Hex) => readonly Signed[] {
  const found = new Map<Hex, Signed[]>()
  for (const signed of offered) {
    const hash = payloadHash(signed)
    found.set(hash, [...(found.get(hash) ?? []), signed])
  }
  return (hash) => found.get(hash) ?? []
}

function firstOf<T>(copies: readonly Signed[], read: (signed: Signed) => T | undefined): T | undefined {
  for (const signed of copies) {
    // what this node cannot tell yet it must not take for wrong
    const value = attempted(() => read(signed), 'checkpoint-ahead')
    if (value !== undefined) return value
  }
  return undefined
}

/** Of what a member offers, what specifications name: one decision a site, the last one named. */
class Named {
  readonly decisions = new Map<Hex, SiteDecision>()
  readonly consents = new Map<Hex, Signed>()
  private readonly offered: (hash: Hex) => readonly Signed[]

  constructor(
    handed: Handed,
    private readonly signed: SignedJob,
    private readonly log: KnownLog,
  ) {
    this.offered = byHash([...handed.decisions, ...handed.consents])
  }

  add({ cohort, consents }: Specification): void {
    for (const { site, decision } of [...cohort, ...consents]) {
      if (this.decisions.has(site) || this.consents.has(decision)) continue
      const own = firstOf(this.offered(decision), (one) => checkDecision(one, this.signed, this.log))
      if (own?.body.site === site) this.decisions.set(site, own)
    }
    for (const { site, decision } of consents) {
      if (this.decisions.get(site)?.hash === decision) continue
      const key = guardKey(this.signed.job)
      const earlier = firstOf(this.offered(decision), (one) =>
        checkConsent(one, key, this.log) === site ? one : undefined,
      )
      if (earlier !== undefined) this.consents.set(decision, earlier)
    }
  }

  has({ cohort, consents }: Specification): boolean {
    const decided = ({ site, decision }: Specification['cohort'][number]) => this.decisions.get(site)?.hash === decision
    return cohort.every(decided) && consents.every((one) => decided(one) || this.consents.has(one.decision))
  }
}

/**
 * `heard` are decisions that came from sites: those of sites that no round names are kept too. Throws FlameshError for what
 * would be no receipt; `checkpoint-ahead` if the log here is too short to tell.
 */
export function acceptRelease(handed: Handed, heard: Iterable<Signed>, signed: SignedJob, log: KnownLog): Accepted {
  const inOrder = [...handed.records].sort((a, b) => a.round - b.round || a.attempt - b.attempt)
  const named = new Named(handed, signed, log)
  const factsOf = (record: AttemptRecord) => checkRecord(record, signed.id, signed.job, log.roster)
  for (const { specification } of [...inOrder].reverse().map(factsOf))
    if (specification !== undefined) named.add(specification)
  // an attempt that came to nothing is shown by its certificate, if nobody can show who was to take part in it
  const records = inOrder.map((record) => {
    const { specification, abandoned } = factsOf(record)
    const isShown = specification === undefined || abandoned === undefined || named.has(specification)
    return isShown ? record : { ...record, specification: null }
  })
  const decisions = withHeard(named.decisions, heard, signed, log)
  const consents = [...named.consents].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
  const rounds = checkRounds({ records, consents }, signed, decisions, log)
  return { records, decisions: [...decisions.values()].map((one) => one.signed), consents, rounds }
}
