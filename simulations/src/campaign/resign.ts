/** A signed object of a node's own, changed and signed anew with the node's real key: what every lie is made of. */
import { type Kind, openSigned, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import type { SimulatedNode } from '../node.js'

export function resign<T>(node: SimulatedNode, signed: Signed, kind: Kind<T>, change: (body: T) => T): Signed {
  return signObject(kind.kind, kind.version, change(openSigned(signed, kind).body), node.signer)
}
