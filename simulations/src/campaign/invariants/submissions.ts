/** Invariant 6 of the design and those of the simulations: what an honest site answers, and to whom. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned, payloadHash, type Signed, verifySignature } from '@flamesh/protocol/encoding/signed.js'
import { JOB } from '@flamesh/protocol/jobs/job.js'
import { DECISION } from '@flamesh/protocol/jobs/messages.js'
import { OPENED, SPECIFICATION, SUBMISSION } from '@flamesh/protocol/secagg/messages.js'
import { type MakeInvariant, placeName, rowFor } from '../observer.js'

interface SiteRound {
  readonly status: string
  readonly specification: Signed
  readonly state: Uint8Array | null
}

/** 6. One submission per site and (job, round, attempt), on disk before it leaves. */
export const oneSubmission: MakeInvariant = (scene) => {
  const answers = new Map<string, Hex>()
  return {
    name: '6 one submission',
    said: ({ from, honest, message }) => {
      if (!honest || message.type !== 'submit') return
      const name = `${from.name} ${placeName(message)}`
      const hash = payloadHash(message.submission)
      const before = answers.get(name) ?? hash
      answers.set(name, before)
      scene.check('6 one submission', before === hash, () => `${name} submits twice`)
      const round = scene.read<SiteRound>(from, `job/${message.job}/site/rounds/${message.round}.${message.attempt}`)
      scene.check('6 one submission', round?.status === 'submitted', () => `${name} submits before it is on disk`)
    },
  }
}

/** No unsigned or unapproved job runs: the job is its researcher's, this site approved it, q members signed the round. */
export const approvedRounds: MakeInvariant = (scene) => {
  const seen = new Set<string>()
  return {
    name: 'approved rounds',
    said: ({ from, honest, message }) => {
      if (!honest || message.type !== 'submit') return
      const name = `${from.name} ${placeName(message)}`
      if (seen.has(name)) return
      seen.add(name)
      const prefix = `job/${message.job}`
      const { members } = scene.committeeOf(message.job)
      const { quorum } = rowFor(members.length)
      const job = scene.read<Signed>(from, `${prefix}/signed`)
      const decision = scene.read<Signed>(from, `${prefix}/site/decision`)
      const genuine = job !== undefined && openSigned(job, JOB).signers[0] === openSigned(job, JOB).body.researcher
      scene.check('approved rounds', genuine, () => `${name} answers a job that its researcher did not sign`)
      const approved = decision !== undefined && openSigned(decision, DECISION).body.decision === 'approve'
      scene.check('approved rounds', approved, () => `${name} answers a job it did not approve`)
      const place = `${message.round}.${message.attempt}`
      const specification = scene.read<Signed>(from, `${prefix}/site/specifications/${place}`)
      if (specification === undefined) return
      const valid = specification.signatures.filter((one) => verifySignature(specification, one))
      const signers = new Set(valid.map((one) => one.signer))
      const seats = members.filter((name) => signers.has(scene.federation.node(name).key))
      scene.check(
        'approved rounds',
        seats.length >= quorum,
        () => `${name} answers a round that ${seats.length} members signed`,
      )
    },
  }
}

/**
 * Different states never end in one sum: whoever submits to one roundId starts from the same bytes, and a later round's
 * specification carries the commitment that the opening before signed.
 */
export const oneState: MakeInvariant = (scene) => {
  const states = new Map<Hex, string>()
  const opened = new Map<string, Hex>()
  return {
    name: '6 one state',
    said: ({ from, honest, message }) => {
      if (message.type === 'opened' && honest) {
        const { body } = openSigned(message.opened, OPENED)
        // signatures are merged in the order in which they came: a liar's that fits may stand first
        const signed = message.opened.signatures.some((one) => one.signer === from.key)
        if (body.outcome === 'state' && body.commitment !== null && signed)
          opened.set(`${body.job}/${body.round}/${body.commitment}`, body.roundId)
      }
      if (!honest || message.type !== 'submit' || message.round === 1) return
      const [prefix, place] = [`job/${message.job}/site`, `${message.round}.${message.attempt}`]
      const round = scene.read<SiteRound>(from, `${prefix}/rounds/${place}`)
      const specification = scene.read<Signed>(from, `${prefix}/specifications/${place}`)
      if (round === undefined || specification === undefined) return
      const { roundId } = openSigned(message.submission, SUBMISSION).body
      const state = Buffer.from(round.state ?? new Uint8Array()).toString('base64')
      const before = states.get(roundId) ?? state
      states.set(roundId, before)
      scene.check('6 one state', before === state, () => `${from.name} starts ${placeName(message)} from another state`)
      const { body } = openSigned(specification, SPECIFICATION)
      const bound = body.state !== null && opened.has(`${message.job}/${message.round - 1}/${body.state}`)
      scene.check('6 one state', bound, () => `${placeName(message)} is not bound to the state that was opened`)
    },
  }
}

export const submissions: readonly MakeInvariant[] = [oneSubmission, approvedRounds, oneState]
