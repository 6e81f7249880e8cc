/**
 * An image whose `reduce` comes to other bytes at every member: once no result can have a quorum any more, members say so
 * together, and the job ends. Implements docs/spec/images.md, "Members that differ". What a quorum can still agree on is never
 * cut short.
 */
import type { Hex } from '../../crypto/hash.js'
import { openSigned, type Signed, signObject } from '../../encoding/signed.js'
import type { Profile } from '../committee.js'
import { OPENED } from '../messages.js'
import { DIFFERS, isDiffering, keepOpening, quorumOpening, sendOpening } from './opening.js'
import { maySign } from './speaking.js'
import { audit, type Turn } from './state.js'

/**
 * Whether nothing that members opened, or may open yet, can come to a quorum: not even if those who have not spoken, and
 * `colluding` others besides, sign the same. `signers` are those of each opening.
 */
export function cannotAgree(
  signers: readonly ReadonlySet<Hex>[],
  present: readonly Hex[],
  { quorum, colluding }: Pick<Profile, 'quorum' | 'colluding'>,
): boolean {
  const spoken = new Set(signers.flatMap((one) => [...one]))
  const silent = present.filter((key) => !spoken.has(key)).length
  return [new Set<Hex>(), ...signers].every((own) => {
    const others = [...spoken].filter((key) => !own.has(key)).length
    return own.size + silent + Math.min(colluding, others) < quorum
  })
}

const signersOf = ({ signatures }: Signed): ReadonlySet<Hex> => new Set(signatures.map((one) => one.signer))

/** Beside its own opening a member signs that there will be none, once it has seen that. */
export function advanceDiffering(turn: Turn): void {
  const { state, job, context, profile } = turn
  if (job.image?.combine !== 'reduce' || state.attempt.finished || state.attempt.halted || !maySign(turn)) return
  const all = [...state.openings.values()].map((signed) => ({ signed, body: openSigned(signed, OPENED).body }))
  const mine = all.filter(({ signed }) => signersOf(signed).has(context.self))
  const own = mine.find(({ body }) => !isDiffering(body))
  if (own === undefined || mine.length > 1 || quorumOpening(turn) !== undefined) return
  const signers = all.filter(({ body }) => !isDiffering(body)).map(({ signed }) => signersOf(signed))
  const present = turn.seats.filter((key) => key !== null)
  if (!cannotAgree(signers, present, profile)) return
  audit(turn, DIFFERS, { results: signers.length })
  const nothing = { outcome: 'suppressed' as const, code: DIFFERS, commitment: null, contributors: null }
  const signed = signObject(OPENED.kind, OPENED.version, { ...own.body, ...nothing }, context.signer)
  keepOpening(turn, signed)
  sendOpening(turn, signed)
}
