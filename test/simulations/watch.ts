/**
 * Looks at every message that leaves a node of a simulated federation and checks what must never happen: said before it was
 * on disk, two submissions, two certificates, two partial sums of one slot, a partial after openBy, an honest node accused.
 */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, payloadHash } from '@flamesh/protocol/encoding/signed.js'
import { profileOf } from '@flamesh/protocol/secagg/committee.js'
import { type Certificate, VOTE, valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { PARTIAL, SPECIFICATION } from '@flamesh/protocol/secagg/messages.js'
import { decodeWire, type WireMessage, type WireOf } from '@flamesh/protocol/wire.js'
import type { Federation, SimulatedNode } from '@flamesh/simulations/federation.js'
import type { Tamper } from '@flamesh/simulations/network/network.js'

type Place = { readonly job: Hex; readonly round: number; readonly attempt: number }
const nameOf = ({ job, round, attempt }: Place): string => `${job.slice(0, 6)}/${round}.${attempt}`

export class Watch {
  readonly problems: string[] = []
  /** of every message that left: who, to whom, what */
  readonly seen: { readonly from: string; readonly to: string; readonly message: WireMessage }[] = []
  /** an attacker's hand: what it returns travels on */
  meddle: (from: SimulatedNode, to: SimulatedNode, message: WireMessage) => WireMessage | undefined | Uint8Array = (
    _from,
    _to,
    message,
  ) => message
  /** nodes whose messages do not leave them any more */
  readonly cutOff = new Set<string>()
  private readonly claims = new Map<string, string>()
  private readonly openBy = new Map<Hex, number>()
  private readonly byKey: ReadonlyMap<Hex, SimulatedNode>
  private readonly quorum: number

  constructor(
    private readonly federation: Federation,
    readonly dishonest: ReadonlySet<string> = new Set(),
  ) {
    this.byKey = new Map([...federation.nodes.values()].map((node) => [node.key, node]))
    this.quorum = profileOf(federation.options.committee.length)?.quorum ?? 0
    federation.network.tamper = this.tamper
  }

  private readonly tamper: Tamper = (from, to, bytes) => {
    const sender = this.byKey.get(from) as SimulatedNode
    const receiver = this.byKey.get(to) as SimulatedNode
    if (this.cutOff.has(sender.name)) return undefined
    const message = decodeWire(bytes)
    if (!this.dishonest.has(sender.name)) this.look(sender, message)
    this.seen.push({ from: sender.name, to: receiver.name, message })
    const after = this.meddle(sender, receiver, message)
    if (after === message) return bytes
    return after === undefined || after instanceof Uint8Array ? after : encode(after)
  }

  /** The same question may have only one answer, for ever. */
  private once(question: string, answer: string): void {
    const before = this.claims.get(question)
    if (before === undefined) this.claims.set(question, answer)
    else if (before !== answer) this.problems.push(`two answers: ${question}`)
  }

  private look(node: SimulatedNode, message: WireMessage): void {
    switch (message.type) {
      case 'round':
      case 'specification': {
        const { body, hash } = openSigned(message.specification, SPECIFICATION)
        this.openBy.set(hash, body.openBy)
        const mine = message.specification.signatures.some((one) => one.signer === node.key)
        if (mine && message.type === 'specification') this.once(`${node.name} signs ${nameOf(body)}`, hash)
        return
      }
      case 'submit':
        return this.lookAtSubmit(node, message)
      case 'have':
        // a member passes on the Haves of others that a proposer lacked
        if (!message.have.signatures.some((one) => one.signer === node.key)) return
        return this.once(`${node.name} has ${nameOf(message)}`, payloadHash(message.have))
      case 'consensus':
        return this.lookAtVotes(node, message)
      case 'partials':
        return this.lookAtPartials(node, message)
      case 'outcome':
        return this.lookAtCertificate(message.record, message.record.certificate)
      case 'release':
        for (const record of message.records) this.lookAtCertificate(record, record.certificate)
        return
      default:
        return
    }
  }

  private lookAtSubmit(node: SimulatedNode, message: WireOf<'submit'>): void {
    this.once(`${node.name} submits ${nameOf(message)}`, payloadHash(message.submission))
    const prefix = `job/${message.job}/site/rounds/${message.round}.${message.attempt}`
    const round = node.disk.entries.get(prefix)
    const status = round === undefined ? undefined : (decode(round) as { status?: string }).status
    if (status !== 'submitted') this.problems.push(`${node.name} submits before it is on disk`)
  }

  private lookAtVotes(node: SimulatedNode, message: WireOf<'consensus'>): void {
    for (const signed of message.message.votes) {
      const vote = openSigned(signed, VOTE).body
      if (!signed.signatures.some((one) => one.signer === node.key)) continue
      this.once(`${node.name} votes ${nameOf(vote)} ${vote.phase} ${vote.view}`, String(vote.value))
    }
    const { value, votes } = message.message
    const decided = votes.find((one) => {
      const { body } = openSigned(one, VOTE)
      return body.phase === 'precommit' && value !== null && body.value === valueId(value)
    })
    if (decided !== undefined && value !== null && decided.signatures.length >= this.quorum)
      this.lookAtCertificate(message, { value, precommits: decided })
  }

  private lookAtCertificate(place: Place, certificate: Certificate): void {
    this.once(`certificate ${nameOf(place)}`, valueId(certificate.value))
  }

  private lookAtPartials(node: SimulatedNode, message: WireOf<'partials'>): void {
    const member = `job/${message.job}/member`
    const finished = `${member}/records/${message.round}.${message.attempt}`
    if (!node.disk.entries.has(`${member}/certificate`) && !node.disk.entries.has(finished))
      this.problems.push(`${node.name} sends partials without a certificate`)
    for (const partial of message.partials) {
      const { body } = openSigned(partial, PARTIAL)
      // every honest holder's partial of a slot is the same, so the sender is not part of the question
      this.once(`partial ${body.roundId.slice(0, 6)} ${body.slice} ${body.part}`, body.tag)
      this.once(`set of ${body.roundId.slice(0, 6)}`, body.survivors)
      const openBy = this.openBy.get(body.roundId) ?? 0
      if (this.federation.clock.now() >= openBy) this.problems.push(`${node.name} sends partials after openBy`)
    }
  }

  /** Every piece of evidence that an honest node put on record. */
  evidence(): readonly { readonly by: string; readonly kind: string; readonly against: string }[] {
    return [...this.federation.nodes.values()]
      .filter((node) => !this.dishonest.has(node.name))
      .flatMap((node) =>
        node.audit
          .filter((one) => one.event === 'evidence')
          .map(({ fields }) => ({ by: node.name, kind: String(fields.kind), against: String(fields.against ?? '') })),
      )
  }

  /** Nothing that must never happen did. */
  check(): void {
    const named = this.evidence().filter((one) => one.against !== '' && !this.dishonest.has(one.against))
    const faults = [...this.federation.nodes.values()].flatMap((node) =>
      node.events.filter((one) => one.event === 'internal-error').map((one) => `${node.name}: ${one.fields.error}`),
    )
    assert.deepEqual({ problems: this.problems, named, faults }, { problems: [], named: [], faults: [] })
  }
}
