/**
 * What a site's processor takes for what it does, in milliseconds. The constants come from the production node, by
 * `npm run bench -- costs` (test/bench/costs.ts): Node.js 20, two shared cores, medians. Take them anew for
 * a machine of your own; what is measured in one process leaves signatures out, which are added here one by one.
 */
import { wireType } from './wire-type.js'

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
  /** masking a vector and sealing its seeds, beside what the round itself costs */
  readonly masking: (seats: number, slots: number) => number
}

/** Infinitely fast machines: for tests of rules, not of times. */
export const FREE: Costs = {
  send: () => 0,
  receive: () => 0,
  frame: () => 0,
  announcement: () => 0,
  handshakeMs: 0,
  analysis: () => 0,
  masking: () => 0,
}

/** Ed25519, in OpenSSL: one signature made, one verified. */
const SIGN_MS = 0.045
const VERIFY_MS = 0.14
/** A message of 500 bytes between two hosts: Noise, multiplexer, stream and digest, at either end. */
const STREAM_MS = 0.5
const STREAM_MS_PER_KIB = 0.01
/** A gossip frame: Noise and multiplexer, and what the router does with a message it knows. */
const FRAME_MS = 0.15
/** An announcement in the router, beside its signature. */
const ROUTER_MS = 0.6
const HANDSHAKE_MS = 7
/** One synced write of a store; an engine writes before it answers. */
const WRITE_MS = 0.2
const DECODE_MS_PER_KIB = 0.03

/** The engine: a message with what follows from it at once, and the signatures it carries. */
const ENGINE: Readonly<Record<string, { readonly ms: number; readonly signatures: number }>> = {
  job: { ms: 0.68, signatures: 1 },
  decision: { ms: 0.09, signatures: 1 },
  hello: { ms: 0.04, signatures: 1 },
  datasets: { ms: 0.03, signatures: 1 },
  prekeys: { ms: 0.5, signatures: 16 },
  specification: { ms: 0.17, signatures: 5 },
  round: { ms: 1.1, signatures: 12 },
  submit: { ms: 0.48, signatures: 1 },
  progress: { ms: 0.05, signatures: 0 },
  have: { ms: 0.09, signatures: 1 },
  consensus: { ms: 0.25, signatures: 5 },
  partials: { ms: 1.8, signatures: 2 },
  opened: { ms: 0.19, signatures: 1 },
  outcome: { ms: 0.16, signatures: 10 },
  release: { ms: 0.06, signatures: 10 },
  seen: { ms: 0.08, signatures: 1 },
  ended: { ms: 0.08, signatures: 0 },
  behind: { ms: 0.1, signatures: 0 },
}
const OTHER = { ms: 0.1, signatures: 1 }

/** An analysis: to be started, and a pass over its rows for each value of the answer. */
const ANALYSIS_MS = 1
const ANALYSIS_MS_PER_CELL = 2e-5

/** One seat's share of the seeds, of the masks and of the envelopes. */
const MASKING_MS_PER_SEAT = 0.3
const MASKING_MS_PER_SLOT = 1.2e-4

function engineMs(message: Uint8Array): number {
  const { ms, signatures } = ENGINE[wireType(message) ?? ''] ?? OTHER
  return ms + signatures * VERIFY_MS + WRITE_MS + (message.length / 1024) * DECODE_MS_PER_KIB
}

const streamMs = (bytes: number): number => STREAM_MS + (bytes / 1024) * STREAM_MS_PER_KIB

export const MEASURED: Costs = {
  send: streamMs,
  receive: (message) => streamMs(message.length) + engineMs(message) + SIGN_MS,
  frame: (bytes) => FRAME_MS + (bytes / 1024) * STREAM_MS_PER_KIB,
  announcement: (message) => ROUTER_MS + VERIFY_MS + engineMs(message),
  handshakeMs: HANDSHAKE_MS,
  analysis: (rows, values) => ANALYSIS_MS + rows * values * ANALYSIS_MS_PER_CELL,
  masking: (seats, slots) => seats * (MASKING_MS_PER_SEAT + slots * MASKING_MS_PER_SLOT),
}
