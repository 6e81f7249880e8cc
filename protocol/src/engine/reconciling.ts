/**
 * The guard's memory between nodes: what one can prove and another does not know is offered, asked for and handed over with its
 * proof, on meeting and whenever a specification shows that something is missing. Implements
 * docs/spec/secure-aggregation.md, "History between nodes". Whoever is told believes nothing but the proof.
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import { accept, ignore, later, type Verdict } from '../encoding/verdict.js'
import { errorCode } from '../errors.js'
import { beyond, historyName, namedSets } from '../history.js'
import { checkSeen } from '../identity/log.js'
import { isSeated } from '../identity/roster.js'
import { attempted, type Seen } from '../jobs/decisions.js'
import type { JobId } from '../jobs/job.js'
import { DECISION } from '../jobs/messages.js'
import { checkConsent } from '../jobs/receipt-rounds.js'
import { MAX_PROOFS_PER_MESSAGE, MAX_SETS_PER_HELLO } from '../limits.js'
import { verifySetProof } from '../secagg/set-proof.js'
import type { WireMessage, WireOf } from '../wire.js'
import { type DeskState, historyOf, type KeptProof, remember, rememberConsent } from './desk.js'
import type { Floor } from './floor.js'

type HistoryMessage = WireOf<'history-offer'> | WireOf<'history-request'> | WireOf<'history'>

export function takeHistory(desk: DeskState, from: Hex, message: HistoryMessage, floor: Floor): Promise<Verdict> {
  switch (message.type) {
    case 'history-offer':
      return Promise.resolve(onOffer(desk, from, message, floor))
    case 'history-request':
      return Promise.resolve(onRequest(desk, from, message, floor))
    case 'history':
      return onHistory(desk, message, floor)
  }
}

/** Some of the sets that this node can prove, others with every meeting; between members of committees and anybody. */
export function offerHistory(desk: DeskState, floor: Floor, to: Hex): void {
  const { roster } = floor.log
  const seated = isSeated(roster, floor.self) || isSeated(roster, to)
  if (!seated || desk.proofs.size === 0) return
  const names = [...desk.proofs.keys()].sort()
  const [high = 0, low = 0] = floor.random(2)
  const first = (high * 256 + low) % names.length
  const chosen = [...names.slice(first), ...names.slice(0, first)].slice(0, MAX_SETS_PER_HELLO)
  const sets = chosen.flatMap((name) => {
    const entry = desk.history.get(name)
    return entry === undefined ? [] : namedSets([entry]).map((one) => ({ key: entry.key, ...one }))
  })
  floor.send(to, 'history-offer', { type: 'history-offer', sets })
}

function onOffer(desk: DeskState, from: Hex, { sets }: WireOf<'history-offer'>, floor: Floor): Verdict {
  const wanted = sets.flatMap(({ key, ...one }) =>
    beyond([one], namedSets(historyOf(desk, key))).map((set) => historyName(key, set)),
  )
  for (let at = 0; at < wanted.length; at += MAX_PROOFS_PER_MESSAGE) {
    const names = wanted.slice(at, at + MAX_PROOFS_PER_MESSAGE)
    floor.send(from, `history-request/${at}`, { type: 'history-request', names, jobs: [] })
  }
  return accept
}

function onRequest(desk: DeskState, from: Hex, { names, jobs }: WireOf<'history-request'>, floor: Floor): Verdict {
  const ofJobs = jobs.length === 0 ? [] : [...desk.proofs.values()].flat().filter((one) => jobs.includes(one.job))
  const kept = new Set<KeptProof>([...names.flatMap((name) => desk.proofs.get(name) ?? []), ...ofJobs])
  const proofs = [...kept].map((one) => one.proof)
  for (let at = 0; at < proofs.length; at += MAX_PROOFS_PER_MESSAGE) {
    const some = proofs.slice(at, at + MAX_PROOFS_PER_MESSAGE)
    floor.send(from, `history/${names[0] ?? jobs[0]}/${at}`, { type: 'history', proofs: some, consents: [] })
  }
  return accept
}

/** Throws what verifying throws: an honest sender has verified what it hands on. A log that is behind is no lie. */
async function onHistory(desk: DeskState, { proofs, consents }: WireOf<'history'>, floor: Floor): Promise<Verdict> {
  let next = desk
  try {
    for (const proof of proofs) {
      const { entry } = verifySetProof(proof, floor.log.roster)
      next = remember(next, entry, floor.keepsProof(entry) ? proof : undefined)
    }
    for (const signed of consents) {
      const key = consentKey(signed, floor)
      if (key !== undefined) next = rememberConsent(next, key, signed)
    }
  } catch (error) {
    const code = errorCode(error)
    if (code === 'committee-unknown' || code === 'checkpoint-ahead') return later(code)
    throw error
  }
  if (next === desk) return ignore('known')
  await floor.keep(next)
  await floor.learned()
  return accept
}

/** The question that an approval consents to; undefined if it does not, or no receipt could show it. */
function consentKey(signed: Signed, { log }: Pick<Floor, 'log'>): Hex | undefined {
  const [first] = openSigned(signed, DECISION).body.consents
  if (first === undefined) return undefined
  const known = { roster: log.roster, checkSeen: (seen: Seen) => checkSeen(log, seen) }
  return attempted(() => checkConsent(signed, first.key, known), 'checkpoint-ahead') && first.key
}

/** News of a job that nothing is known of here: the guard wants to know what was certified all the same. */
export function askForUnknown(
  desk: DeskState,
  message: WireMessage,
  job: JobId,
  send: (message: WireMessage) => void,
): Verdict {
  const certified = message.type === 'outcome' && message.record.certificate.value.kind === 'survivors'
  if (!certified) return later('job-unknown')
  if ([...desk.proofs.values()].flat().some((one) => one.job === job)) return ignore('known')
  send({ type: 'history-request', names: [], jobs: [job] })
  return later('job-unknown')
}
