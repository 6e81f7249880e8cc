/**
 * From a certificate to an opening that a quorum signed: partial sums go out, come in and are checked, the sum passes the
 * gate. Implements docs/spec/secure-aggregation.md, "Opening" and "Release". No partial leaves without a certificate, nor
 * after openBy.
 */
import { type Hex, hexToBytes } from '../../crypto/hash.js'
import { type Box, isSealable, sealFor } from '../../crypto/sealing.js'
import { decode, encode } from '../../encoding/canonical.js'
import { mergeSignatures, openSigned, payloadHash, type Signed, signObject } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { activeMember } from '../../identity/roster.js'
import { withEntry } from '../../machine.js'
import type { ContributeOutcome } from '../../ports.js'
import type { WireOf } from '../../wire.js'
import { commitResult } from '../commitment.js'
import { passGate, type Release } from '../gate.js'
import { keepState } from '../kept-state.js'
import { OPENED, type OpenedBody, PARTIAL, type Specification } from '../messages.js'
import { type Added, assemble, openPartials, type PartialSum, partialsFor, sealPartials } from '../opening.js'
import { openByCommittee, openPrekeys } from '../specification.js'
import { deliveryOf, fetchMissing } from './holding.js'
import { certifiedProof, namedBasis, rememberSet } from './memory.js'
import { isReducing, releaseOfReduced, startReducing } from './reducing.js'
import { maySign } from './speaking.js'
import {
  accuse,
  attemptName,
  audit,
  knowsState,
  roundSecret,
  send,
  sendToMembers,
  setTimer,
  specificationOf,
  stateOf,
  survivorsOf,
  type Turn,
  update,
} from './state.js'

/** Once certified: computes this member's partial sums (bulk work, so outside the step). */
export function advanceOpening(turn: Turn): void {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  if (specification === undefined || survivors === undefined || turn.state._sums !== undefined) return
  if (turn.state.attempt.halted || turn.context.nowMs >= specification.body.openBy || quorumOpening(turn) !== undefined)
    return
  const proof = certifiedProof(turn, null)
  if (proof !== undefined) rememberSet(turn, survivors.keys, null, proof)
  setTimer(turn, 'open-by', specification.body.openBy)
  if (!maySign(turn)) return
  update(turn, { _sums: [] }) // asked for; the answer replaces it
  fetchMissing(turn)
  turn.effects.push({
    type: 'compute',
    tag: `${turn.state.progress.round}.${turn.state.progress.attempt}/partials`,
    task: {
      kind: 'partials',
      specification: specification.body,
      roundId: specification.roundId,
      survivors: survivors.hash,
      seat: turn.seat,
      secret: roundSecret(turn, specification.body),
      deliveries: survivors.indices.map((index, at) => {
        const submission = survivors.submissions[at] as Hex
        const held = turn.state._held.get(submission)
        if (held !== undefined) return held
        const stored = turn.state.submissions.get(String(index))
        return stored === undefined ? null : (deliveryOf(turn, specification.body, stored, submission) ?? null)
      }),
    },
  })
}

/** This member's sums are there: to each other member what that one cannot compute itself. */
export function onSums(turn: Turn, sums: readonly PartialSum[], whole: boolean): void {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  if (specification === undefined || survivors === undefined || turn.state.attempt.halted) return
  if (turn.context.nowMs >= specification.body.openBy) return
  update(turn, { _sums: sums })
  if (!whole) audit(turn, 'partials-incomplete', {})
  const prekeys = openPrekeys(specification.body, turn.committee)
  const signed = new Map<PartialSum, Signed>() // what goes to several members is signed once
  for (const [seat, prekey] of prekeys.entries()) {
    if (prekey === null || seat === turn.seat) continue
    const wanted = partialsFor(specification.body, seat, sums)
    const bodies = wanted.map(({ slice, part, tag }) => ({
      roundId: specification.roundId,
      survivors: survivors.hash,
      seat: turn.seat,
      slice,
      part,
      tag,
    }))
    const message: WireOf<'partials'> = {
      type: 'partials',
      ...attemptName(turn),
      partials: bodies.map((body, at) => {
        const sum = wanted[at] as PartialSum
        const partial = signed.get(sum) ?? signObject(PARTIAL.kind, PARTIAL.version, body, turn.context.signer)
        signed.set(sum, partial)
        return partial
      }),
      sealed: sealPartials(hexToBytes(prekey.key), specification.roundId, bodies, wanted, turn.context.random(32)),
    }
    send(turn, 'partials', prekey.member, message, specification.body.openBy)
  }
  audit(turn, 'partials-sent', { survivors: survivors.indices.length })
  tryOpen(turn)
}

export function onPartials(turn: Turn, from: Hex, message: WireOf<'partials'>): Verdict {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  if (specification === undefined || survivors === undefined) return later('not-certified')
  const seat = turn.seats.indexOf(from)
  for (const partial of message.partials) {
    const { body, signers } = openSigned(partial, PARTIAL)
    if (signers.length !== 1 || signers[0] !== from || body.seat !== seat)
      return reject('signature', 'a partial sum not signed by its sender')
    if (body.roundId !== specification.roundId || body.survivors !== survivors.hash)
      return reject('another-sum', 'a partial sum of another survivor set')
  }
  if (message.partials.length > turn.profile.members * 8 * specification.body.slices)
    return reject('too-many', 'more partial sums than there are')
  update(turn, { partials: withEntry(turn.state.partials, String(seat), message) })
  tryOpen(turn)
  return accept
}

/** Adds up, as soon as everything is there that this member needs. */
export function tryOpen(turn: Turn): void {
  const specification = specificationOf(turn)
  const survivors = survivorsOf(turn)
  const mine = turn.state._sums
  if (specification === undefined || survivors === undefined || mine === undefined) return
  const secret = roundSecret(turn, specification.body)
  if (secret === undefined || turn.state.attempt.halted || turn.state._reducing !== undefined || openedByMe(turn))
    return
  const received = new Map(
    [...turn.state.partials].map(([seat, { partials, sealed }]) => {
      const bodies = partials.map((partial) => openSigned(partial, PARTIAL).body)
      const sums = openPartials(secret, specification.roundId, bodies, sealed)
      return [Number(seat), bodies.map(({ tag, part, slice }, at) => ({ tag, part, slice, sum: sums[at] }))]
    }),
  )
  const { added, liars } = assemble(specification.body, specification.roundId, mine, received)
  for (const seat of liars) accuse(turn, 'wrong-partial', turn.committee.members[seat] as Hex)
  if (added !== undefined) openSum(turn, specification.body, added)
}

const openedByMe = (turn: Turn): boolean =>
  [...turn.state.openings.values()].some((one) => one.signatures.some((s) => s.signer === turn.context.self))

function openSum(turn: Turn, specification: Specification, added: Added): void {
  const survivors = survivorsOf(turn)
  const named = namedBasis(turn, specification)
  if (survivors === undefined || named === undefined || !knowsState(turn)) return
  const state = stateOf(turn)?.state
  const input = {
    job: turn.job,
    round: specification.round,
    minCohort: specification.minCohort,
    sum: added.sum,
    fractionBits: specification.fractionBits,
    survivors: survivors.keys,
    state: state && decode(state),
    ...named,
  }
  const release = passGate(input)
  if (release.kind === 'reducible') startReducing(turn, input, added, release)
  else signOpening(turn, added, release)
}

/** An image's `reduce` is done at this member. */
export function onReduced(turn: Turn, tag: string, outcome: ContributeOutcome): Verdict {
  if (!isReducing(turn.state, tag) || openedByMe(turn)) return ignore('past')
  const reduced = releaseOfReduced(turn, outcome)
  if (reduced === undefined) return ignore('not-reduced')
  signOpening(turn, reduced.added, reduced.release)
  return accept
}

function signOpening(turn: Turn, added: Added, release: Release): void {
  const survivors = survivorsOf(turn)
  const roundId = specificationOf(turn)?.roundId
  const { round, attempt } = turn.state.progress
  if (survivors === undefined || roundId === undefined) return
  const shown = release.kind !== 'suppressed'
  const body: OpenedBody = {
    job: turn.jobId,
    round,
    attempt,
    roundId,
    survivors: survivors.hash,
    outcome: release.kind,
    code: shown ? null : release.code,
    commitment: shown ? commitResult(added.salt, release.bytes, roundId) : null,
    contributors: shown ? release.contributors : null,
    macs: [...added.macs],
  }
  if (release.kind === 'state') update(turn, { nextState: keepState(turn, { state: release.bytes, salt: added.salt }) })
  if (release.kind === 'result') update(turn, { sealed: sealRelease(turn, release.bytes, added.salt) })
  audit(turn, 'opened', {
    outcome: release.kind,
    survivors: survivors.indices.length,
    ...(shown ? {} : { code: release.code }),
  })
  const signed = signObject(OPENED.kind, OPENED.version, body, turn.context.signer)
  keepOpening(turn, signed)
  sendOpening(turn, signed)
}

/** With every signature that is here; another opening does not take its place. */
export function sendOpening(turn: Turn, signed: Signed): void {
  const hash = payloadHash(signed)
  const opened = turn.state.openings.get(hash) ?? signed
  sendToMembers(turn, `opened/${hash}`, { type: 'opened', ...attemptName(turn), opened })
}

export const DIFFERS = 'reduce-differs'

/** Whether an opening says that there will be none (differing.ts): no contradiction to another one of the same member. */
export const isDiffering = ({ outcome, code }: Pick<OpenedBody, 'outcome' | 'code'>): boolean =>
  outcome === 'suppressed' && code === DIFFERS

/** What a box with a result is bound to. */
export function releaseContext(job: Hex): Uint8Array {
  return encode(['flamesh release', job])
}

/** A recipient that is revoked by now gets nothing; nor does this member's own disk. */
function sealRelease(turn: Turn, released: Uint8Array, salt: Uint8Array): Box | undefined {
  const { context, job, jobId } = turn
  const recipients = job.recipients.flatMap((key) => {
    const member = activeMember(context.roster, key, context.nowMs)
    return member !== undefined && isSealable(hexToBytes(member.sealingKey)) ? [member] : []
  })
  if (recipients.length === 0) return undefined
  return sealFor(recipients, releaseContext(jobId), encode({ released, salt }), context.random)
}

/** Signatures only ever grow: what this member signed itself must not be lost to a copy without it. */
export function keepOpening(turn: Turn, signed: Signed): void {
  const hash = payloadHash(signed)
  const known = turn.state.openings.get(hash)
  update(turn, {
    openings: withEntry(
      turn.state.openings,
      hash,
      known === undefined ? signed : mergeSignatures(known, signed.signatures),
    ),
  })
}

export function onOpened(turn: Turn, signed: Signed): Verdict {
  const survivors = survivorsOf(turn)
  if (survivors === undefined) return later('not-certified')
  const { body, hash, signers } = openByCommittee(signed, OPENED, turn.seats)
  const { round, attempt } = turn.state.progress
  if (
    body.job !== turn.jobId ||
    body.round !== round ||
    body.attempt !== attempt ||
    body.survivors !== survivors.hash
  ) {
    return reject('another-sum', 'an opening of another sum')
  }
  const liars = signers.filter((signer) => {
    const other = [...turn.state.openings].find(
      ([known, one]) =>
        known !== hash &&
        isDiffering(openSigned(one, OPENED).body) === isDiffering(body) &&
        one.signatures.some((signature) => signature.signer === signer),
    )
    if (other !== undefined) accuse(turn, 'second-opening', signer, { first: other[0], second: hash })
    return other !== undefined
  })
  // a liar's signature beside honest ones takes nothing from them; alone it would fill the table
  if (liars.length === signers.length && !turn.state.openings.has(hash)) return ignore('second-opening')
  keepOpening(turn, signed)
  return accept
}

/** The opening that a quorum signed, once there is one. */
export function quorumOpening(turn: Turn): Signed | undefined {
  return [...turn.state.openings.values()].find((one) => one.signatures.length >= turn.profile.quorum)
}
