/** Members that lie to sites about a round: a specification that nobody else signed, a state that was never opened. */
import { sealFor } from '@flamesh/protocol/crypto/sealing.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { activeMember } from '@flamesh/protocol/identity/roster.js'
import { openState, stateContext } from '@flamesh/protocol/secagg/member/collecting.js'
import { SPECIFICATION, type Specification } from '@flamesh/protocol/secagg/messages.js'
import { seededRandom } from '../kernel/random.js'
import type { Director } from './director.js'
import type { Says } from './liar.js'
import { resign } from './resign.js'

/** As soon as it sees a specification it sends the victims a round of its own making, under its signature alone. */
export function privateRound(
  director: Director,
  victims: ReadonlySet<string>,
  change: (body: Specification) => Specification,
): Says {
  const done = new Set<string>()
  return (from, _to, message) => {
    if (message.type !== 'specification') return message
    const { body, hash } = openSigned(message.specification, SPECIFICATION)
    if (body.round > 1 || done.has(hash)) return message
    done.add(hash)
    const specification = resign(from, message.specification, SPECIFICATION, change)
    for (const name of victims)
      director.say(from, director.federation.node(name), { type: 'round', specification, previous: null })
    return message
  }
}

/** To the victims it seals another state than the one that was opened, beside the true opening. */
export function otherState(director: Director, victims: ReadonlySet<string>): Says {
  return (from, to, message) => {
    if (message.type !== 'round' || message.previous === null || !victims.has(to.name)) return message
    const roster = from.peer?.roster()
    const { body } = openSigned(message.specification, SPECIFICATION)
    const member = roster && activeMember(roster, to.key, director.federation.clock.now())
    const state = director.scene.read<{ previous: { state: Uint8Array | null; salt: Uint8Array | null } | null }>(
      from,
      `job/${body.job}/member/progress`,
    )?.previous
    const commitment = body.state
    if (!member || !state?.state || !state.salt || commitment === null) return message
    const random = seededRandom(body.round, `other state/${to.name}`)
    const box = sealFor(
      [member],
      stateContext(commitment),
      encode({ state: encode(changed(decode(state.state))), salt: state.salt }),
      (length) => random.bytes(length),
    )
    // whoever cannot open it is told nothing new
    return openState(box, to.key, to.sealingSecret, commitment) === undefined
      ? message
      : { ...message, previous: { ...message.previous, box } }
  }
}

/** The same state with its first number changed. */
function changed(value: unknown): never {
  let done = false
  const walk = (one: unknown): unknown => {
    if (!done && typeof one === 'number' && !Number.isInteger(one)) {
      done = true
      return one + 0.25
    }
    if (Array.isArray(one)) return one.map(walk)
    if (one !== null && typeof one === 'object' && !(one instanceof Uint8Array))
      return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, walk(inner)]))
    return one
  }
  return walk(value) as never
}
