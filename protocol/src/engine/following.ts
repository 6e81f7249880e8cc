/**
 * Following the log: what a node does with statements and checkpoints, and what a changed roster sets in motion. Implements
 * docs/spec/identity.md, "Following the log", and docs/spec/secure-aggregation.md, "Prekeys".
 */
import { equalBytes } from '../crypto/hash.js'
import { encode } from '../encoding/canonical.js'
import { type Signed, signObject } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { emptyLog, extendLog, type ForkEvidence, rootAt } from '../identity/log.js'
import type { LogOutcome } from '../peer.js'
import type { Write } from '../ports.js'
import { RETIREMENT } from '../secagg/messages.js'
import { encodeWire } from '../wire.js'
import { announceDatasets } from './catalogue.js'
import { replenish } from './desk.js'
import { fellowships, offerPrekeys } from './greeting.js'
import { dueRetirements, keepRetirement, sendRetirement } from './handover.js'
import type { Kernel } from './kernel.js'
import { askGreetings } from './restored.js'
import { ROLES } from './roles.js'

const LOG_PREFIX = 'log/'
const CHECKPOINT_KEY = 'checkpoint'
const logKey = (index: number): string => LOG_PREFIX + String(index).padStart(10, '0')

/** Throws if what the store holds does not verify. */
export async function restoreLog(kernel: Kernel): Promise<void> {
  const { hubKey, ports } = kernel.options
  const checkpoint = await ports.store.get(CHECKPOINT_KEY)
  if (checkpoint === undefined) return
  const statements = (await ports.store.list(LOG_PREFIX)).map(([, bytes]) => bytes)
  const outcome = extendLog(emptyLog, statements, checkpoint, hubKey)
  if (outcome.outcome === 'refused') {
    throw new FlameshError(outcome.code, `the log in this node's store does not verify: ${outcome.message}`)
  }
  kernel.log = outcome.state
  kernel.statements.push(...statements.slice(0, outcome.state.leaves.length))
}

/** What another node of this process has verified, if this very checkpoint leads there from what this node knows. */
function adopt(kernel: Kernel, checkpoint: Uint8Array) {
  const found = kernel.options.verifiedLog?.()
  const held = found?.state.checkpoint
  if (found === undefined || held === undefined || !equalBytes(held.bytes, checkpoint)) return undefined
  const { log } = kernel
  const { state, statements } = found
  const size = log.leaves.length
  if (size >= state.leaves.length || (size > 0 && rootAt(state, size) !== rootAt(log, size))) return undefined
  return { outcome: 'extended', state, added: statements.slice(size) } as const
}

/** Within a turn: verifies, writes, and tells the machines if the roster grew. */
export async function extend(
  kernel: Kernel,
  statements: readonly Uint8Array[],
  checkpoint: Uint8Array,
): Promise<LogOutcome> {
  const { hubKey, ports } = kernel.options
  const before = kernel.log.leaves.length
  const outcome = adopt(kernel, checkpoint) ?? extendLog(kernel.log, statements, checkpoint, hubKey)
  if (outcome.outcome === 'refused') {
    if (outcome.code === 'log-fork' && !kernel.desk.forked) await noteFork(kernel, outcome.message, outcome.evidence)
    return { outcome: 'refused', code: outcome.code, message: outcome.message }
  }
  const { state } = outcome
  const size = state.leaves.length
  if (state === kernel.log) return { outcome: 'current', size }
  const { added } = outcome
  const writes: Write[] = added.map((value, at) => ({ key: logKey(before + at), value }))
  if (state.checkpoint !== undefined) writes.push({ key: CHECKPOINT_KEY, value: state.checkpoint.bytes })
  await kernel.commit(writes, kernel.desk)
  kernel.statements.push(...added)
  kernel.log = state
  if (state.checkpoint !== undefined)
    ports.transport.publish(encodeWire({ type: 'checkpoint', checkpoint: state.checkpoint.bytes }))
  if (added.length > 0) await rosterChanged(kernel)
  return { outcome: outcome.outcome, size }
}

/** Evidence for a person: both signed checkpoints stay in the store. */
async function noteFork(kernel: Kernel, message: string, evidence: ForkEvidence | undefined): Promise<void> {
  const { onAudit, onEvent } = kernel.options
  onAudit({ event: 'log-fork', fields: { message } })
  onEvent({ event: 'log-fork', fields: { message } })
  const value = encode({ ...evidence, held: evidence?.held ?? null })
  await kernel.commit([{ key: 'evidence/log-fork', value }], { ...kernel.desk, forked: true })
}

async function rosterChanged(kernel: Kernel): Promise<void> {
  kernel.options.onEvent({ event: 'roster-changed', fields: { size: kernel.log.leaves.length } })
  await housekeep(kernel)
  const floor = kernel.floor((statements, checkpoint) => extend(kernel, statements, checkpoint))
  askGreetings(kernel, floor, new Set(kernel.known.keys()))
  // a job that expired may still wait for an opening
  for (const id of kernel.known.keys()) await kernel.deliver(id, ROLES, { type: 'resume', restarted: false })
  await retire(kernel)
}

/** Signs what is due to be signed by a member that leaves, and tells the successor. */
export async function retire(kernel: Kernel): Promise<void> {
  const { log, key, known } = kernel
  const { desk, bodies: due } = dueRetirements(kernel.desk, log.roster, key, known)
  if (due.length === 0) return
  const signed = due.map((body) => signObject(RETIREMENT.kind, RETIREMENT.version, body, kernel.options.signer))
  await kernel.commit([], signed.reduce(keepRetirement, desk))
  const floor = kernel.floor((statements, checkpoint) => extend(kernel, statements, checkpoint))
  for (const [at, body] of due.entries()) {
    const { predecessor, successor, datasets, sets } = body
    const fields = { predecessor, successor, datasets: datasets.length, sets: sets.length }
    kernel.options.onAudit({ event: 'retired', fields })
    const told = [predecessor, successor].flatMap((index) => log.roster.committees.get(index)?.members ?? [])
    for (const to of new Set(told)) if (to !== key) sendRetirement(floor, to, signed[at] as Signed)
  }
  for (const id of kernel.openJobs().keys()) await kernel.deliver(id, ['member'], { type: 'resume', restarted: false })
}

/** Tops up prekeys and announces datasets. A prekey's secret is in the vault before anyone hears of the key. */
export async function housekeep(kernel: Kernel): Promise<void> {
  const { signer, ports } = kernel.options
  const random = (length: number): Uint8Array => ports.random.bytes(length)
  const { desk, secrets, fresh } = replenish(kernel.desk, kernel.log.roster, signer, random)
  const next = announceDatasets(desk, signer, kernel.now(), kernel.datasets)
  if (next === kernel.desk) return
  const own = next.datasets.get(kernel.key)
  const announce = own !== undefined && own !== kernel.desk.datasets.get(kernel.key)
  for (const { name, secret } of secrets) await kernel.secrets.keep(name, secret)
  await kernel.commit([], next)
  if (announce) ports.transport.publish(encodeWire({ type: 'datasets', announcement: own }))
  if (fresh.length === 0) return
  const floor = kernel.floor((statements, checkpoint) => extend(kernel, statements, checkpoint))
  for (const { key } of kernel.log.roster.members.values()) {
    if (key !== kernel.key && fellowships(kernel.log.roster, kernel.key, key).length > 0) offerPrekeys(next, floor, key)
  }
}
