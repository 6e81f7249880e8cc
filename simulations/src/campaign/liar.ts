/** What a dishonest node does to the messages that pass it. */
import type { WireMessage } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '../node.js'
import type { Deed } from './case.js'

export type LieDeed = Extract<Deed, { do: 'lie' }>

/** One dishonest node, one way to lie. */
export interface Liar {
  /** what it says in the place of a message; undefined: nothing */
  says(from: SimulatedNode, to: SimulatedNode, message: WireMessage): WireMessage | undefined
  /** what reaches it */
  hears(from: SimulatedNode, to: SimulatedNode, message: WireMessage): void
}

export type Says = (from: SimulatedNode, to: SimulatedNode, message: WireMessage) => WireMessage | undefined
