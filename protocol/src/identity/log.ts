/**
 * The log as one holder of it knows it: the hub itself, or a node that follows the hub. Implements
 * docs/spec/identity.md, following the log. A fork is found when two signed checkpoints meet; nothing here fetches, waits
 * or tells others, and a hub that shows each node a consistent log of its own is found only when nodes compare checkpoints.
 */
import type { Hex } from '../crypto/hash.js'
import { FlameshError } from '../errors.js'
import { type Checkpoint, openCheckpoint } from './checkpoint.js'
import { extendRoster } from './fold.js'
import { appendLeaf, EMPTY_FRONTIER, type Frontier, frontierRoot, merkleRoot, verifyInclusion } from './merkle.js'
import { emptyRoster, type Roster } from './roster.js'
import { type OpenedStatement, openStatement, type Statement } from './statements.js'

export interface SignedCheckpoint {
  readonly body: Checkpoint
  /** as the hub signed and sent it */
  readonly bytes: Uint8Array
}

export interface LogState {
  /** leaf hash of each statement: what proofs are made from */
  readonly leaves: readonly Hex[]
  readonly frontier: Frontier
  readonly roster: Roster
  /** the newest verified one of the largest size known; undefined before the first */
  readonly checkpoint: SignedCheckpoint | undefined
}

export const emptyLog: LogState = { leaves: [], frontier: EMPTY_FRONTIER, roster: emptyRoster, checkpoint: undefined }

/** Two things the hub signed that cannot both belong to one log. Keep it: it convicts the hub before anybody. */
export interface ForkEvidence {
  /** the checkpoint held until now */
  readonly held: Uint8Array | undefined
  readonly received: Uint8Array
  /** hub-signed statements that came with `received`, if its root is not theirs */
  readonly statements: readonly Uint8Array[]
}

export type ExtendOutcome =
  /** `added` are the statements that count, as they were signed */
  | { readonly outcome: 'current' | 'extended'; readonly state: LogState; readonly added: readonly Uint8Array[] }
  | { readonly outcome: 'refused'; readonly code: string; readonly message: string; readonly evidence?: ForkEvidence }

const refused = (code: string, message: string, evidence?: ForkEvidence): ExtendOutcome =>
  evidence === undefined ? { outcome: 'refused', code, message } : { outcome: 'refused', code, message, evidence }

/** Root of the first `size` statements. */
export function rootAt(state: LogState, size: number): Hex {
  if (size === state.leaves.length) return frontierRoot(state.frontier)
  const known = roots.get(state.leaves) ?? new Map<number, Hex>()
  const root = known.get(size) ?? merkleRoot(state.leaves, 0, size)
  roots.set(state.leaves, known.set(size, root))
  return root
}

/** A thousand approvals may name one log that has grown since. */
const roots = new WeakMap<readonly Hex[], Map<number, Hex>>()

/** What someone says that they saw, held against the log here. Throws `checkpoint-ahead` or `log-fork`. */
export function checkSeen(state: LogState, { size, root }: Pick<Checkpoint, 'size' | 'root'>): void {
  if (size > state.leaves.length)
    throw new FlameshError('checkpoint-ahead', 'someone has seen more of the log than this node')
  if (rootAt(state, size) !== root) throw new FlameshError('log-fork', 'someone has seen another log of the same size')
}

/** Milliseconds since the hub signed the checkpoint held; infinite before the first. Negative if the clocks differ. */
export function checkpointAge(state: LogState, nowMs: number): number {
  return state.checkpoint === undefined ? Number.POSITIVE_INFINITY : nowMs - state.checkpoint.body.timestamp
}

/**
 * Verifies a checkpoint against what is known, and with it the statements that lead there. `statements` are encoded,
 * consecutive, and may begin before the known size or go on past the checkpoint: only those between count. Codes:
 * `encoding`, `schema`, `signature`, `statement-too-large`; `log-incomplete` (statements are missing: ask for those from
 * the known size on); `log-fork` (with evidence); `log-invalid` (a statement breaks a rule).
 */
export function extendLog(
  state: LogState,
  statements: readonly Uint8Array[],
  checkpoint: Uint8Array,
  hubKey: Hex,
): ExtendOutcome {
  try {
    const received: SignedCheckpoint = { body: openCheckpoint(checkpoint, hubKey), bytes: checkpoint }
    return received.body.size <= state.leaves.length
      ? compare(state, received)
      : extend(state, statements, received, hubKey)
  } catch (error) {
    if (error instanceof FlameshError) return refused(error.code, error.message)
    throw error
  }
}

function fork(state: LogState, received: SignedCheckpoint, statements: readonly Uint8Array[]): ExtendOutcome {
  return refused('log-fork', `the hub signed two different logs of ${received.body.size} statements`, {
    held: state.checkpoint?.bytes,
    received: received.bytes,
    statements,
  })
}

function compare(state: LogState, received: SignedCheckpoint): ExtendOutcome {
  const { size, root, timestamp } = received.body
  if (rootAt(state, size) !== root) return fork(state, received, [])
  const held = state.checkpoint?.body
  const fresher = size === state.leaves.length && timestamp > (held?.timestamp ?? -1)
  return { outcome: 'current', state: fresher ? { ...state, checkpoint: received } : state, added: [] }
}

function extend(
  state: LogState,
  statements: readonly Uint8Array[],
  received: SignedCheckpoint,
  hubKey: Hex,
): ExtendOutcome {
  const known = state.leaves.length
  const { size, root } = received.body
  const opened: OpenedStatement[] = []
  const news: Uint8Array[] = []
  for (const bytes of statements) {
    const one = openStatement(bytes, hubKey)
    if (one.statement.index < known || one.statement.index >= size) continue
    if (one.statement.index !== known + opened.length) break
    opened.push(one)
    news.push(bytes)
  }
  if (known + opened.length < size) {
    return refused(
      'log-incomplete',
      `the checkpoint covers ${size} statements, but only ${known + opened.length} are here`,
    )
  }
  const leaves = opened.map((one) => one.leaf)
  const frontier = leaves.reduce(appendLeaf, state.frontier)
  if (frontierRoot(frontier) !== root) return fork(state, received, news)
  const folded = extendRoster(
    state.roster,
    opened.map((one) => one.statement),
  )
  if (!folded.ok) return refused('log-invalid', `statement ${folded.index}: ${folded.message} (${folded.code})`)
  return {
    outcome: 'extended',
    state: { leaves: [...state.leaves, ...leaves], frontier, roster: folded.roster, checkpoint: received },
    added: news,
  }
}

/**
 * A statement and the proof that it is in the log under a checkpoint: what a receipt carries, checked with the hub's key
 * alone. Throws `encoding`, `schema`, `signature`, `statement-too-large`, or `log-proof` if the proof does not lead there.
 */
export function openProvenStatement(
  statement: Uint8Array,
  proof: readonly Hex[],
  checkpoint: Uint8Array,
  hubKey: Hex,
): { readonly statement: Statement; readonly checkpoint: Checkpoint } {
  const opened = openStatement(statement, hubKey)
  const body = openCheckpoint(checkpoint, hubKey)
  if (!verifyInclusion(opened.leaf, opened.statement.index, body.size, proof, body.root)) {
    throw new FlameshError('log-proof', `statement ${opened.statement.index} is not shown to be in the log`)
  }
  return { statement: opened.statement, checkpoint: body }
}
