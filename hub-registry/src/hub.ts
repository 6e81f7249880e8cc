/**
 * The hub itself: one log, one key, one writer. Everything it says is checked by the same fold its readers use before it is
 * signed, is on disk before anybody sees it, and is never unsaid. Implements docs/spec/identity.md. It keeps no secret of
 * any member and relays nothing.
 */
import { randomBytes } from 'node:crypto'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { extendRoster } from '@flamesh/protocol/identity/fold.js'
import { MAX_PEER_RECORDS } from '@flamesh/protocol/identity/hub-api.js'
import { formatInvite, INVITE_RANDOM_BYTES, makeInvite, openEnrolment } from '@flamesh/protocol/identity/invite.js'
import { extendLog, type LogState } from '@flamesh/protocol/identity/log.js'
import { appendLeaf, EMPTY_ROOT, frontierRoot } from '@flamesh/protocol/identity/merkle.js'
import { openPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import { activeMember, memberByName } from '@flamesh/protocol/identity/roster.js'
import { type Entry, openStatement, signStatement } from '@flamesh/protocol/identity/statements.js'
import { MAX_CLOCK_SKEW_MS } from '@flamesh/protocol/limits.js'
import type { Write } from '@flamesh/protocol/ports.js'
import { folderPaths, keepCheckpoint, keepKey, makeFolder, readKey } from './folder.js'
import { checkInvite, decodeInviteRecord, encodeInviteRecord, type InviteRecord, requestHash } from './invites.js'
import { drawKey } from './key-file.js'
import { CHECKPOINT_KEY, type HubStore, inviteKey, openStore, peerKey, statementKey } from './store.js'
import { loadLog } from './stored-log.js'

export interface InviteRequest {
  readonly name: string
  readonly organisation: string
  readonly roles: InviteRecord['roles']
  readonly validForMs: number
  readonly expiresInMs: number
}

interface StoredPeer {
  readonly sequence: number
  readonly bytes: Uint8Array
}

/** Makes a hub in a folder and returns its public key. Throws `hub-exists`. */
export async function initHub(dir: string, now: () => number): Promise<Hex> {
  await makeFolder(dir)
  const { seed, signer } = drawKey()
  const store = await openStore(folderPaths(dir).log, true)
  try {
    const checkpoint = signCheckpoint(0, EMPTY_ROOT, now(), signer)
    await store.write([{ key: CHECKPOINT_KEY, value: checkpoint }])
    await keepCheckpoint(dir, checkpoint)
    await keepKey(dir, seed)
  } finally {
    await store.close()
  }
  return signer.publicKey
}

/** Opens the hub in a folder for this process alone and verifies its whole log. */
export async function openHub(dir: string, now: () => number): Promise<Hub> {
  const signer = await readKey(dir)
  const store = await openStore(folderPaths(dir).log, false)
  try {
    const { state, statements } = await loadLog(dir, store, signer.publicKey)
    const invites = (await store.list('invite/')).map(([, bytes]) => decodeInviteRecord(bytes))
    const peers = (await store.list('peer/')).map(([, bytes]) => bytes)
    return new Hub(dir, store, signer, now, state, [...statements], invites, peers)
  } catch (error) {
    await store.close()
    throw error
  }
}

export class Hub {
  readonly key: Hex
  private readonly invites: Map<string, InviteRecord>
  private readonly peers: Map<Hex, StoredPeer>
  /** writes happen one after the other */
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    readonly dir: string,
    private readonly store: HubStore,
    private readonly signer: Signer,
    readonly now: () => number,
    private log: LogState,
    /** encoded, by index; only ever grows, so a slice up to the log's size is a consistent view */
    private readonly encoded: Uint8Array[],
    invites: readonly InviteRecord[],
    peers: readonly Uint8Array[],
  ) {
    this.key = signer.publicKey
    this.invites = new Map(invites.map((invite) => [invite.id, invite]))
    this.peers = new Map(
      peers.map((bytes) => {
        const { key, sequence } = openPeerRecord(bytes)
        return [key, { sequence, bytes }]
      }),
    )
  }

  get state(): LogState {
    return this.log
  }

  /** The newest checkpoint as signed. */
  get checkpoint(): Uint8Array {
    return (this.log.checkpoint as NonNullable<LogState['checkpoint']>).bytes
  }

  /** Encoded statements from `from` (inclusive) to `to` (exclusive). */
  statements(from: number, to: number): readonly Uint8Array[] {
    return this.encoded.slice(from, to)
  }

  /** Invites nobody has used yet, expired ones included. */
  openInvites(): readonly InviteRecord[] {
    return [...this.invites.values()].filter((invite) => invite.status.kind === 'open')
  }

  /** Appends one statement and signs a checkpoint over it; resolves with its index. Throws the rule it would break. */
  append(entry: Entry): Promise<number> {
    return this.exclusively(() => this.write(entry, () => []))
  }

  /** Signs the log's state anew, so that it stays young enough for new jobs. */
  refreshCheckpoint(): Promise<void> {
    return this.exclusively(async () => {
      const { leaves, frontier } = this.log
      await this.commit([], signCheckpoint(leaves.length, frontierRoot(frontier), this.timestamp(), this.signer), [])
    })
  }

  /** A new one-time invite, as text. It replaces any unused invite for the same name. Throws `name-taken`. */
  invite(request: InviteRequest): Promise<{ readonly invite: string; readonly expiresAt: number }> {
    return this.exclusively(async () => {
      const { name, organisation, roles, validForMs, expiresInMs } = request
      if (memberByName(this.log.roster, name) !== undefined) {
        throw new FlameshError('name-taken', `there is a member named ${name} already`, {
          hint: `to enrol it again, revoke it first: flamesh-hub revoke --name ${name} --reason TEXT`,
        })
      }
      const made = makeInvite(new Uint8Array(randomBytes(INVITE_RANDOM_BYTES)))
      const expiresAt = this.now() + expiresInMs
      const status = { kind: 'open' as const, secret: made.secret }
      const record: InviteRecord = { id: made.id, name, organisation, roles, validForMs, expiresAt, status }
      const replaced = this.openInvites().filter((invite) => invite.name === name)
      await this.store.write([
        ...replaced.map((invite) => ({ key: inviteKey(invite.id), value: null })),
        { key: inviteKey(made.id), value: encodeInviteRecord(record) },
      ])
      for (const invite of replaced) this.invites.delete(invite.id)
      this.invites.set(made.id, record)
      return { invite: formatInvite(made), expiresAt }
    })
  }

  /** Enrols whoever proves possession of an invite; resolves with the index of the statement. Throws what is wrong. */
  enrol(request: Uint8Array): Promise<{ readonly index: number; readonly repeated: boolean }> {
    return this.exclusively(async () => {
      const enrolment = openEnrolment(request)
      if (enrolment.hubKey !== this.key) {
        throw new FlameshError('hub-key-mismatch', 'the request is meant for another hub', {
          meta: { hubKey: this.key },
        })
      }
      const check = checkInvite(this.invites.get(enrolment.invite), enrolment, request, this.now())
      if (check.kind === 'repeat') return { index: check.index, repeated: true }
      const { id, name, organisation, roles, validForMs } = check.invite
      const { key, sealingKey } = enrolment
      const at = this.timestamp()
      // Members whose clocks are a little behind see a certificate that is valid at once.
      const notBefore = Math.max(0, at - MAX_CLOCK_SKEW_MS)
      const certificate = { name, organisation, roles, key, sealingKey, notBefore, notAfter: at + validForMs }
      const used = (index: number): InviteRecord => ({
        ...check.invite,
        status: { kind: 'used', request: requestHash(request), index },
      })
      const index = await this.write({ type: 'enrol', certificate }, (index) => [
        { key: inviteKey(id), value: encodeInviteRecord(used(index)) },
      ])
      this.invites.set(id, used(index))
      return { index, repeated: false }
    })
  }

  /** Keeps a member's signed record if it is newer than the one held. Throws `not-a-member` or what is wrong with it. */
  keepPeer(bytes: Uint8Array): Promise<boolean> {
    return this.exclusively(async () => {
      const record = openPeerRecord(bytes)
      if (activeMember(this.log.roster, record.key, this.now()) === undefined) {
        throw new FlameshError('not-a-member', 'only active members have peer records here')
      }
      const held = this.peers.get(record.key)
      if (held !== undefined && held.sequence >= record.sequence) return false
      if (held === undefined && this.peers.size >= MAX_PEER_RECORDS) {
        throw new FlameshError('too-many-records', 'this hub holds as many peer records as it can')
      }
      await this.store.write([{ key: peerKey(record.key), value: bytes }])
      this.peers.set(record.key, { sequence: record.sequence, bytes })
      return true
    })
  }

  /** Records of active members, each signed by the member itself. */
  peerRecords(): readonly Uint8Array[] {
    const active = [...this.peers].filter(([key]) => activeMember(this.log.roster, key, this.now()) !== undefined)
    return active.map(([, peer]) => peer.bytes)
  }

  /** Reads everything back from disk and recomputes it, against the key the caller expects. */
  verify(hubKey: Hex): Promise<LogState> {
    return this.exclusively(async () => (await loadLog(this.dir, this.store, hubKey)).state)
  }

  async close(): Promise<void> {
    await this.last
    await this.store.close()
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work)
    this.last = result.catch(() => undefined)
    return result
  }

  /** The hub's clock, never going back along the log. */
  private timestamp(): number {
    return Math.max(this.now(), this.log.checkpoint?.body.timestamp ?? 0)
  }

  private async write(entry: Entry, more: (index: number) => readonly Write[]): Promise<number> {
    const index = this.log.leaves.length
    const statement = { index, timestamp: this.timestamp(), entry }
    const bytes = signStatement(statement, this.signer)
    const folded = extendRoster(this.log.roster, [statement])
    if (!folded.ok) throw new FlameshError(folded.code, folded.message)
    const frontier = appendLeaf(this.log.frontier, openStatement(bytes, this.key).leaf)
    const checkpoint = signCheckpoint(frontier.size, frontierRoot(frontier), statement.timestamp, this.signer)
    await this.commit([bytes], checkpoint, [{ key: statementKey(index), value: bytes }, ...more(index)])
    return index
  }

  private async commit(
    statements: readonly Uint8Array[],
    checkpoint: Uint8Array,
    writes: readonly Write[],
  ): Promise<void> {
    const extended = extendLog(this.log, statements, checkpoint, this.key)
    if (extended.outcome === 'refused')
      throw new FlameshError('internal', `the hub refuses its own log: ${extended.message}`)
    await this.store.write([...writes, { key: CHECKPOINT_KEY, value: checkpoint }])
    this.log = extended.state
    this.encoded.push(...statements)
    await keepCheckpoint(this.dir, checkpoint)
  }
}
