/** Invariant 1 of the design, and that an honest node never contradicts itself: one answer to one question, for ever. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, payloadHash, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { type Decision, PROPOSAL, VOTE, type Vote, valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { HAVE, SPECIFICATION } from '@flamesh/protocol/secagg/messages.js'
import type { AttemptRecord } from '@flamesh/protocol/wire.js'
import { type Invariant, type MakeInvariant, type Place, placeName, rowFor, type Scene } from '../observer.js'

/** The signed vote of this node among those it passes on. */
export function ownVotes(key: Hex, votes: readonly Signed[]): readonly Vote[] {
  return votes.flatMap((signed) =>
    signed.signatures.some((one) => one.signer === key) ? [openSigned(signed, VOTE).body] : [],
  )
}

/**
 * 1. At most one certificate per (job, round, attempt), ABANDON included. A certificate exists as soon as honest members have
 * signed so many precommits that the liars' would make a quorum, whether or not anyone has put it together yet.
 */
export const oneCertificate: MakeInvariant = (scene) => {
  const precommits = new Map<string, Set<Hex>>()
  const certified = new Map<string, Map<Hex, string>>()
  const certify = (place: Place, id: Hex, how: string): void => {
    const name = placeName(place)
    const values = certified.get(name) ?? new Map<Hex, string>()
    certified.set(name, values.set(id, how))
    scene.check(
      '1 one certificate',
      values.size === 1,
      () => `two certificates of ${name}: ${[...values.values()].join('; ')}`,
    )
  }
  return {
    name: '1 one certificate',
    said: ({ from, honest, message }) => {
      if (!honest || message.type !== 'consensus') return
      for (const vote of ownVotes(from.key, message.message.votes)) {
        if (vote.phase !== 'precommit' || vote.value === null) continue
        const name = `${placeName(vote)}/${vote.view}/${vote.value}`
        const signers = (precommits.get(name) ?? new Set()).add(from.key)
        precommits.set(name, signers)
        const { members } = scene.committeeOf(vote.job)
        if (signers.size + scene.liarsAmong(members) >= rowFor(members.length).quorum)
          certify(vote, vote.value, `view ${vote.view} ${vote.value.slice(0, 6)}`)
      }
    },
    wrote: ({ key, value }) => {
      if (value === null || !/^job\/[0-9a-f]+\/member\/records\//.test(key)) return
      const record = decode(value) as unknown as AttemptRecord
      certify(record, valueId(record.certificate.value), 'a record')
    },
  }
}

/** 1. Attempt a+1 only behind a certificate of ABANDON for attempt a, or of a set that missed openBy, and then for that set. */
export const attemptsInOrder: MakeInvariant = (scene) => ({
  name: '1 attempts in order',
  said: ({ from, honest, message }) => {
    if (!honest || message.type !== 'specification') return
    if (!message.specification.signatures.some((one) => one.signer === from.key)) return
    const { body } = openSigned(message.specification, SPECIFICATION)
    if (body.attempt === 0) return
    const name = `job/${body.job}/member/records/${body.round}.${body.attempt - 1}`
    const record = scene.read<AttemptRecord>(from, name)
    const value = record?.certificate.value
    scene.check(
      '1 attempts in order',
      value !== undefined,
      () => `${from.name} signs ${placeName(body)} without the one before`,
    )
    if (value?.kind !== 'survivors' || record?.specification === undefined || record.specification === null) return
    const { cohort } = openSigned(record.specification, SPECIFICATION).body
    const survivors = value.survivors.map((at) => cohort[at]?.site)
    const same = body.pinned?.length === survivors.length && body.pinned.every((key) => survivors.includes(key))
    scene.check('1 attempts in order', same, () => `${placeName(body)} is not pinned to the set certified before`)
  },
})

/** An honest member signs one vote a phase and view, one Have, one specification an attempt. */
export const noContradiction: MakeInvariant = (scene) => {
  const answers = new Map<string, string>()
  const once = (question: string, answer: string): void => {
    const before = answers.get(question)
    if (before === undefined) answers.set(question, answer)
    scene.check('no contradiction', before === undefined || before === answer, () => `two answers: ${question}`)
  }
  return {
    name: 'no contradiction',
    said: ({ from, honest, message }) => {
      if (!honest) return
      if (message.type === 'consensus') {
        for (const vote of ownVotes(from.key, message.message.votes))
          once(`${from.name} votes ${placeName(vote)} ${vote.phase} ${vote.view}`, String(vote.value))
        const { proposal } = message.message
        if (proposal?.signatures[0]?.signer === from.key) {
          const { body } = openSigned(proposal, PROPOSAL)
          once(`${from.name} proposes ${placeName(body)} ${body.view}`, payloadHash(proposal))
        }
      }
      if (message.type === 'have' && message.have.signatures[0]?.signer === from.key)
        once(`${from.name} has ${placeName(message)}`, payloadHash(message.have))
      if (message.type === 'specification' && message.specification.signatures.some((one) => one.signer === from.key)) {
        const { body, hash } = openSigned(message.specification, SPECIFICATION)
        once(`${from.name} signs ${placeName(body)}`, hash)
      }
    },
  }
}

/** Nothing is said before it is on disk: a vote is in the log of the decision when it first leaves, a Have among the Haves. */
export const persistedBeforeSaid: MakeInvariant = (scene) => {
  const seen = new Set<string>()
  const onDisk = (key: string, node: Parameters<Scene['read']>[0], needle: Uint8Array): boolean => {
    const bytes = node.disk.entries.get(key)
    return (
      bytes !== undefined && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(Buffer.from(needle))
    )
  }
  const past = (node: Parameters<Scene['read']>[0], place: Place): boolean =>
    node.disk.entries.has(`job/${place.job}/member/records/${place.round}.${place.attempt}`)
  return {
    name: 'persisted before said',
    said: ({ from, honest, message }) => {
      if (!honest || (message.type !== 'consensus' && message.type !== 'have')) return
      const signed = message.type === 'have' ? [message.have] : message.message.votes
      const key = `job/${message.job}/member/${message.type === 'have' ? `haves/` : 'consensus'}`
      for (const one of signed) {
        const own = one.signatures.find((signature) => signature.signer === from.key)
        if (own === undefined) continue
        const name = Buffer.from(own.signature).toString('base64')
        if (seen.has(name) || past(from, message)) continue
        seen.add(name)
        const seat = message.type === 'have' ? String(openSigned(one, HAVE).body.seat) : ''
        scene.check(
          'persisted before said',
          onDisk(key + seat, from, own.signature),
          () => `${from.name} says a ${one.kind} of ${placeName(message)} before it is on disk`,
        )
      }
    },
  }
}

export const agreement: readonly MakeInvariant[] = [
  oneCertificate,
  attemptsInOrder,
  noContradiction,
  persistedBeforeSaid,
]
export type { Decision, Invariant }
