/** What a site's processor takes for what it does, in milliseconds. */

export interface Costs {
  /** putting a direct message on its way, or its verdict */
  readonly send: (bytes: number) => number
  /** taking in a direct message and deciding upon it */
  readonly receive: (message: Uint8Array) => number
  /** a gossip frame, at either end */
  readonly frame: (bytes: number) => number
  /** an announcement this site had not seen: signature and engine */
  readonly announcement: (message: Uint8Array) => number
  /** a connection, at either end */
  readonly handshakeMs: number
  /** one analysis over so many rows */
  readonly analysis: (rows: number, values: number) => number
}

/** Infinitely fast machines: for tests of rules, not of times. */
export const FREE: Costs = {
  send: () => 0,
  receive: () => 0,
  frame: () => 0,
  announcement: () => 0,
  handshakeMs: 0,
  analysis: () => 0,
}
