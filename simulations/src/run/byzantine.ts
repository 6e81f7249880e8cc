/** Members of the committee that lie, with their own real keys: what they say is changed on its way out of the house. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, signObject } from '@flamesh/protocol/encoding/signed.js'
import { VOTE } from '@flamesh/protocol/secagg/consensus-messages.js'
import { PARTIAL } from '@flamesh/protocol/secagg/messages.js'
import { decodeWire, type WireMessage } from '@flamesh/protocol/wire.js'
import type { Federation, SimulatedNode } from '../federation.js'
import type { Byzantine } from '../scenarios/schema.js'

/** What only members of a committee say. */
const OF_MEMBERS = [
  'specification',
  'have',
  'consensus',
  'fetch',
  'supply',
  'partials',
  'opened',
  'outcome',
  'ended',
  'release',
]

/** From now on the member lies. Several members may, each in its way. */
export function turnByzantine(federation: Federation, name: string, how: Byzantine): void {
  const { network } = federation
  const liar = federation.node(name)
  const others = federation.options.committee.filter((one) => one !== name).map((one) => federation.node(one).key)
  const before = network.tamper
  network.tamper = (from, to, bytes) => {
    if (from !== liar.key) return before(from, to, bytes)
    const message = decodeWire(bytes)
    const said = LIES[how](liar, message, others.indexOf(to))
    return said === message ? bytes : said && encode(said)
  }
}

/** `seat`: of the receiver among the other members, -1 if it is none. */
type Lie = (liar: SimulatedNode, message: WireMessage, seat: number) => WireMessage | undefined

const LIES: Readonly<Record<Byzantine, Lie>> = {
  silent: (_liar, message) => (OF_MEMBERS.includes(message.type) ? undefined : message),
  /** votes for one value to some, for nothing at all to others */
  equivocates: (liar, message, seat) => {
    if (message.type !== 'consensus' || seat % 2 !== 0) return message
    const votes = message.message.votes.map((signed) => {
      const own = signed.signatures.some(({ signer }: { readonly signer: Hex }) => signer === liar.key)
      if (!own || signed.signatures.length > 1) return signed
      const { body } = openSigned(signed, VOTE)
      return signObject(VOTE.kind, VOTE.version, { ...body, value: body.value === null ? body.job : null }, liar.signer)
    })
    return { ...message, message: { ...message.message, votes } }
  },
  'wrong-partials': (liar, message) => {
    if (message.type !== 'partials') return message
    const partials = message.partials.map((signed) => {
      const { body } = openSigned(signed, PARTIAL)
      return signObject(PARTIAL.kind, PARTIAL.version, { ...body, tag: body.roundId }, liar.signer)
    })
    return { ...message, partials }
  },
}
