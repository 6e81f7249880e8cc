/**
 * States of rounds on a disk: sealed under a key of the job that lies in the vault alone and is erased when the job is over at
 * this node, so that no key that stays on the disk opens what a log-structured store still holds. Implements
 * docs/spec/secure-aggregation.md, "At rest". Whoever has the disk while the job runs can read them.
 */
import type { Hex } from '../crypto/hash.js'
import { openUnder, sealUnder } from '../crypto/sealing.js'
import { decode, encode } from '../encoding/canonical.js'
import type { Context, Effect } from '../machine.js'

/** The canonical bytes of a state, and the salt of its commitment. */
export interface RoundState {
  readonly state: Uint8Array
  readonly salt: Uint8Array
}

/** What of a step in the making this needs. */
interface Keeper {
  readonly effects: Effect[]
  readonly context: Context
  readonly jobId: Hex
}

const KEY_BYTES = 32

/** The vault's name for the key of a job's states. */
export const stateKeyName = (job: Hex): string => `states-${job}`

/** What is sealed under the key is bound to. */
export const keptContext = (job: Hex): Uint8Array => encode(['flamesh kept state', job])

/** The key, made with the first state of the job. */
function keyFor({ effects, context, jobId }: Keeper): Uint8Array {
  const name = stateKeyName(jobId)
  const made = effects.find((one) => one.type === 'keep-secret' && one.name === name)
  const known = made?.type === 'keep-secret' ? made.secret : context.secret(name)
  if (known !== undefined) return known
  const secret = context.random(KEY_BYTES)
  effects.push({ type: 'keep-secret', name, secret })
  return secret
}

export function keepState(keeper: Keeper, { state, salt }: RoundState): Uint8Array {
  const kept = sealUnder(keyFor(keeper), keptContext(keeper.jobId), encode({ state, salt }), keeper.context.random)
  opened.set(kept, { state, salt })
  return kept
}

/** The state; undefined if the key is gone, as from a disk that was put back to a copy. */
export function openKept({ context, jobId }: Keeper, kept: Uint8Array): RoundState | undefined {
  const before = opened.get(kept)
  if (before !== undefined) return before
  const key = context.secret(stateKeyName(jobId))
  const plain = key && openUnder(key, keptContext(jobId), kept)
  if (plain === undefined) return undefined
  const found = decode(plain) as unknown as RoundState
  opened.set(kept, found)
  return found
}

/** Many steps look at a state that is kept once; it leaves memory with its sealed bytes. */
const opened = new WeakMap<Uint8Array, RoundState>()
