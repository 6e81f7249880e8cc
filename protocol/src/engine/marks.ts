/**
 * Marks: how much a node has said, told to every peer with what it says, so that a node which runs on an old copy of its disk
 * is told so. Implements docs/spec/secure-aggregation.md, "Restored nodes". A peer that holds the newest mark and keeps it
 * to itself is not caught.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { decode } from '../encoding/canonical.js'
import { type Kind, openSigned, type Signed, type Signer, signObject } from '../encoding/signed.js'
import { isSeated, type Roster } from '../identity/roster.js'
import type { JobId } from '../jobs/job.js'
import { MAX_OPEN_JOBS } from '../limits.js'
import { withEntry } from '../machine.js'
import type { WireMessage, WireOf } from '../wire.js'
import type { DeskState } from './desk.js'
import type { RoleEvent } from './roles.js'

export const markSchema = z.strictObject({
  /** grows with every write after which something signed is sent */
  counter: z.int().min(0),
  /** when the node was started (milliseconds): copies of one node do not share it */
  life: z.int().min(0),
})
export type Mark = z.infer<typeof markSchema>
export const MARK: Kind<Mark> = { kind: 'mark', version: 1, schema: markSchema }

/** A mark's body is two numbers. */
const MAX_MARK_BYTES = 64

/** What a node says in a job on its own authority, and must not say differently after it was put back. */
const MARKED: ReadonlySet<WireMessage['type']> = new Set([
  'specification',
  'have',
  'consensus',
  'partials',
  'opened',
  'standing',
  'submit',
  'withdrawal',
  'decision',
  'train',
  'travelling',
  'confirmation',
])
export const isMarked = (message: WireMessage): boolean => MARKED.has(message.type)

/** The sender's mark in what it says; not looked at yet. */
const markIn = (message: WireMessage): Signed | undefined =>
  message.type !== 'seen' && 'mark' in message ? message.mark : undefined

/** This life of a node: what it had said before it started, and who has told it what they know of that. */
export class Marks {
  readonly greeted = new Set<Hex>()
  /** jobs that they knew of then */
  readonly jobs = new Set<Hex>()
  /** everything up to here was said by lives that this one remembers */
  remembered = 0
  private last: { readonly counter: number; readonly signed: Signed } | undefined
  private readonly stamped = new WeakMap<WireMessage, { readonly counter: number; readonly message: WireMessage }>()

  constructor(
    readonly life: number,
    private readonly signer: Signer,
  ) {}

  /** The message with this node's mark in it. One message goes to several peers and is encoded once. */
  stamp(message: WireMessage, counter: number): WireMessage {
    if (!isMarked(message)) return message
    const known = this.stamped.get(message)
    if (known?.counter === counter) return known.message
    if (this.last?.counter !== counter)
      this.last = { counter, signed: signObject(MARK.kind, MARK.version, { counter, life: this.life }, this.signer) }
    const stamped = { ...message, mark: this.last.signed } as WireMessage
    this.stamped.set(message, { counter, message: stamped })
    return stamped
  }

  /** The counter of a mark that was made by a life which this one does not remember. Throws what opening it throws. */
  forgotten(signed: Signed): number | undefined {
    const { body, signers } = openSigned(signed, MARK)
    const own = signers.length === 1 && signers[0] === this.signer.publicKey && body.life !== this.life
    return own && body.counter > this.remembered ? body.counter : undefined
  }
}

/**
 * The body of a mark whose signature nobody looked at: it came from the node itself, is shown to that node alone, and that one
 * checks it. Undefined if it is not such a mark.
 */
function readMark(from: Hex, { kind, version, payload, signatures }: Signed): Mark | undefined {
  const own = signatures.length === 1 && signatures[0]?.signer === from
  if (kind !== MARK.kind || version !== MARK.version || !own || payload.length > MAX_MARK_BYTES) return undefined
  const parsed = markSchema.safeParse(decode(payload))
  return parsed.success ? parsed.data : undefined
}

export interface Heard {
  readonly desk: DeskState
  /** a mark that this peer's present life has not reached: it may not remember it */
  readonly show: { readonly to: Hex; readonly mark: Signed; readonly life: number } | undefined
}

/** What a member of a committee is told: the highest mark of each peer is kept. Throws `encoding`. */
export function hear(desk: DeskState, self: Hex, roster: Roster, event: RoleEvent): Heard {
  const nothing = { desk, show: undefined }
  if (event.type !== 'message' || event.from === self || !isSeated(roster, self)) return nothing
  const { from, message } = event
  const signed = markIn(message)
  const mark = signed && readMark(from, signed)
  if (signed === undefined || mark === undefined) return nothing
  const held = desk.marks.get(from)
  const known = held && readMark(from, held)
  if (held === undefined || known === undefined || known.counter < mark.counter)
    return { desk: { ...desk, marks: withEntry(desk.marks, from, signed) }, show: undefined }
  const behind = known.counter > mark.counter && known.life < mark.life
  return { desk, show: behind ? { to: from, mark: held, life: mark.life } : undefined }
}

export function seenMessage(
  { life, mark }: { readonly life: number; readonly mark: Signed | null },
  jobs: ReadonlyMap<JobId, unknown>,
): WireOf<'seen'> {
  return { type: 'seen', life, mark, jobs: [...jobs.keys()].slice(0, MAX_OPEN_JOBS) }
}
