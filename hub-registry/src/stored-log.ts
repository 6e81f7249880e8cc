/**
 * Reads the stored log and recomputes everything: signatures, indices, rules, the root against the stored checkpoint, and
 * the checkpoint kept apart. The hub does this whenever it opens its folder, and `flamesh-hub log verify` on demand.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decodeSigned } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { emptyLog, extendLog, type LogState } from '@flamesh/protocol/identity/log.js'
import type { Store } from '@flamesh/protocol/ports.js'
import { readCheckpoint } from './folder.js'
import { CHECKPOINT_KEY, RESTORE_HINT, statementKey } from './store.js'

export interface StoredLog {
  readonly state: LogState
  /** encoded, by index */
  readonly statements: readonly Uint8Array[]
}

const damaged = (message: string) => new FlameshError('log-damaged', message, { hint: RESTORE_HINT })

/** Throws `log-damaged`, or `hub-key-mismatch` if another key signed this log. */
export async function loadLog(dir: string, store: Store, hubKey: Hex): Promise<StoredLog> {
  const checkpoint = await store.get(CHECKPOINT_KEY)
  const apart = await readCheckpoint(dir)
  if (checkpoint === undefined || apart === undefined) throw damaged('the log has no checkpoint')
  checkSigner(checkpoint, hubKey)
  const stored = await store.list('statement/')
  stored.forEach(([key], index) => {
    if (key !== statementKey(index)) throw damaged(`statement ${index} is missing from the log`)
  })
  const statements = stored.map(([, bytes]) => bytes)
  const extended = extendLog(emptyLog, statements, checkpoint, hubKey)
  if (extended.outcome === 'refused') throw damaged(`the log does not verify: ${extended.message} (${extended.code})`)
  if (extended.state.leaves.length !== statements.length) {
    throw damaged(
      `the log holds ${statements.length} statements, but its checkpoint covers ${extended.state.leaves.length}`,
    )
  }
  // A kill between the two writes leaves the one apart behind; nothing honest leaves it ahead.
  const compared = extendLog(extended.state, [], apart, hubKey)
  if (compared.outcome === 'refused') {
    throw damaged(`the log does not fit the checkpoint kept beside it: ${compared.message} (${compared.code})`)
  }
  return { state: extended.state, statements }
}

function checkSigner(checkpoint: Uint8Array, hubKey: Hex): void {
  let signer: Hex | undefined
  try {
    signer = decodeSigned(checkpoint).signatures[0]?.signer
  } catch {
    throw damaged('the checkpoint of the log is not readable')
  }
  if (signer !== hubKey) {
    throw new FlameshError('hub-key-mismatch', `the log was signed by ${signer}, not by ${hubKey}`, {
      hint: 'restore hub.key from your backup, or check the key you expect',
    })
  }
}
