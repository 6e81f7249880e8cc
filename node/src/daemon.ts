/**
 * The daemon: one folder of state, and everything a node consists of wired together around the protocol's engine. The lock
 * of the store comes first, so that two daemons on one folder never touch anything else of it; the control socket comes
 * last, so that whoever reaches it reaches a node that is ready.
 */
import './shim.js'
import { createPeer } from '@flamesh/protocol/engine.js'
import type { FlameshError } from '@flamesh/protocol/errors.js'
import { activeMember } from '@flamesh/protocol/identity/roster.js'
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { Policy } from '@flamesh/protocol/jobs/policy.js'
import type { AuditEntry, Peer, PeerEvent } from '@flamesh/protocol/peer.js'
import type { Store, Transport } from '@flamesh/protocol/ports.js'
import { dropFirstLog, readFirstLog } from './config/first-log.js'
import { currentPolicy } from './config/policy-file.js'
import type { Config } from './config/settings.js'
import type { StateFolder } from './config/state-folder.js'
import { controlRoutes } from './control/api.js'
import { openControlSocket } from './control/control-socket.js'
import { busyDatasets, createFace } from './daemon/face.js'
import { followHub } from './daemon/hub-follower.js'
import { openImages } from './daemon/images.js'
import { LedgerKeeper } from './daemon/ledger.js'
import { createLog } from './daemon/log.js'
import { realClock, realRandom } from './daemon/real-ports.js'
import { DatasetStore } from './data/datasets.js'
import { sweepScratch } from './data/spool.js'
import { createHubClient } from './hub-client/hub-client.js'
import { Ledger } from './ledger/ledger.js'
import type { Log } from './log.js'
import { AddressBook } from './network/address-book.js'
import { createHost } from './network/host.js'
import type { Host } from './network/network.js'
import { parsePeerAddress } from './network/peer-id.js'
import { siteRunner } from './runner/site-runner.js'
import { WorkerRunner } from './runner/worker-runner.js'
import { AuditLog } from './store/audit-log.js'
import { type Identity, loadIdentity } from './store/identity.js'
import { openStore } from './store/level-store.js'
import { openVault } from './store/vault.js'

export interface DaemonOptions {
  readonly folder: StateFolder
  readonly config: Config
}

export interface RunningDaemon {
  readonly name: string
  readonly listen: readonly string[]
  /** path of the control socket */
  readonly control: string
  stop(): void
  /** resolves with the exit code when everything is closed */
  readonly stopped: Promise<number>
}

/** What was opened, closed in the reverse order. */
class Opened {
  readonly #closers: (() => Promise<void>)[] = []

  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  async closeAll(log: Log): Promise<void> {
    for (const close of this.#closers.reverse()) {
      await close().catch((error: unknown) => log('error', 'closing-failed', { reason: String(error) }))
    }
  }
}

/** What every part of one daemon shares. */
interface Frame {
  readonly folder: StateFolder
  readonly config: Config
  readonly log: Log
  readonly opened: Opened
  readonly listeners: Set<() => void>
  /** ends the daemon with an exit code */
  readonly end: (exitCode: number) => void
}

/** Throws `already-running`, `listen-failed`, or what any part says is wrong with the folder; nothing stays open then. */
export async function startDaemon({ folder, config }: DaemonOptions): Promise<RunningDaemon> {
  const log = createLog(config.logLevel)
  const opened = new Opened()
  const ended = Promise.withResolvers<number>()
  const frame: Frame = { folder, config, log, opened, listeners: new Set(), end: ended.resolve }
  // A stray failure inside a library costs what it was about, not the node; every state is on disk before it is acted on.
  process.on('unhandledRejection', (reason) => log('error', 'unhandled-rejection', { reason: String(reason) }))
  try {
    const ready = await compose(frame)
    log('info', 'ready', { name: ready.name, pid: process.pid, listen: ready.listen.join(' ') })
    const stopped = ended.promise.then(async (exitCode) => {
      log('info', 'stopping')
      await opened.closeAll(log)
      log('info', 'stopped')
      return exitCode
    })
    return { ...ready, stop: () => frame.end(0), stopped }
  } catch (error) {
    await opened.closeAll(log)
    throw error
  }
}

async function compose(frame: Frame): Promise<Pick<RunningDaemon, 'name' | 'listen' | 'control'>> {
  const { folder, config, log, opened, listeners } = frame
  const store = await openStore(folder.storeDir)
  opened.add(() => store.close())
  const identity = await loadIdentity(folder.keysDir)
  const datasets = await DatasetStore.open(folder.datasetsDir, identity.datasetSalt)
  const { policy } = await currentPolicy(folder)
  const transport = lateTransport()
  const { peer, keeper } = await openPeer(frame, {
    store,
    transport,
    identity,
    policy,
    datasets: await datasets.describeDatasets(),
  })
  await datasets.prune(busyDatasets(peer.jobs()))
  await sweepScratch(folder.scratchDir)

  const noticeRoster = rosterWatch(peer, () => host.hangUpRevoked())
  const host = await openHost(frame, identity, peer, noticeRoster)
  transport.connect(host)
  await host.start()
  opened.add(() => host.stop())

  const client = createHubClient({ url: config.hub, hubKey: config.hubKey, allowInsecure: config.insecureHub })
  const follower = followHub({
    url: config.hub,
    pollMs: config.hubPollMs,
    client,
    peer,
    host,
    onLog: noticeRoster,
    log,
  })
  opened.add(() => follower.stop())

  const stop = (): void => frame.end(0)
  const parts = { folder, config, peer, host, follower, datasets, listeners, stop, keeper }
  const face = createFace(parts)
  const control = await openControlSocket(folder, controlRoutes(face))
  opened.add(() => control.close())
  return { name: face.status().name, listen: host.listenAddresses(), control: control.path }
}

interface PeerParts {
  readonly store: Store
  readonly transport: Transport
  readonly identity: Identity
  readonly policy: Policy
  readonly datasets: readonly DatasetDescription[]
}

async function openPeer(
  frame: Frame,
  parts: PeerParts,
): Promise<{ readonly peer: Peer; readonly keeper: LedgerKeeper }> {
  const { folder, config, log, opened, listeners } = frame
  const { store, transport, identity, policy, datasets } = parts
  const audit = await AuditLog.open(folder.auditFile)
  opened.add(() => audit.close())
  const ledger = await Ledger.open(folder.ledgerDir)
  opened.add(() => ledger.close())
  const runner = new WorkerRunner({
    datasetsFolder: folder.datasetsDir,
    memoryLimitMb: config.analysisMemoryMb,
    timeLimitMs: config.analysisTimeoutMs,
    ledger: { folder: folder.ledgerDir, salt: identity.datasetSalt },
  })
  opened.add(() => runner.close())
  const images = await openImages(frame, identity.signer.publicKey, runner)
  opened.add(async () => images?.close())
  const keeper = new LedgerKeeper(ledger, policy, log, () => peer)
  const peer: Peer = createPeer({
    hubKey: config.hubKey,
    signer: identity.signer,
    sealingSecret: identity.sealingSecret,
    ports: {
      store,
      vault: openVault(folder.vaultDir),
      transport,
      clock: realClock,
      random: realRandom,
      runner: keeper.runner(siteRunner(runner, images), runner),
    },
    policy,
    datasets,
    onAudit: (entry) => {
      record(audit, entry, log, () => frame.end(1))
      keeper.onAudit(entry)
    },
    onEvent: (event) => {
      logEvent(log, event)
      keeper.onEvent(event)
      // a job is on its way: its analysis shall find the thread ready
      if (event.job !== undefined) runner.warm()
      for (const listener of [...listeners]) listener()
    },
  })
  await peer.start()
  opened.add(() => peer.stop())
  keeper.catchUp()
  await learnFirstLog(folder, peer)
  return { peer, keeper }
}

/** The engine needs a transport before there is one: what it sends until then is tried again by the engine itself. */
function lateTransport(): Transport & { connect(host: Host): void } {
  let host: Host | undefined
  return {
    connect(opened) {
      host = opened
    },
    async send(to, message) {
      if (host === undefined) throw new Error('the network is not open yet')
      return host.send(to, message)
    },
    publish(message) {
      host?.publish(message)
    },
  }
}

async function openHost(frame: Frame, identity: Identity, peer: Peer, noticeRoster: () => void): Promise<Host> {
  const { folder, config, log } = frame
  const addressBook = await AddressBook.open({ path: folder.addressBookFile, log })
  for (const { key, address } of config.peers.map(parsePeerAddress)) addressBook.pin(key, address)
  return createHost({
    identitySeed: identity.seed,
    listen: config.listen,
    announce: config.announce,
    isMember: (key) => activeMember(peer.roster(), key, Date.now()) !== undefined,
    onMessage: async (from, message, via) => {
      const verdict = await peer.receive(from, message, via)
      noticeRoster()
      return verdict
    },
    onPeer: (key, connected) => {
      if (connected) peer.peerConnected(key)
    },
    onMismatch: ({ key, theirs, ours }) =>
      log('error', 'version-mismatch', {
        peer: key,
        name: peer.roster().members.get(key)?.name,
        theirs: theirs.join(' '),
        ours: ours.join(' '),
      }),
    addressBook,
    log,
  })
}

/** Calls back when the roster is another than last time, whoever told: the hub, or a peer that knew more. */
function rosterWatch(peer: Peer, changed: () => void): () => void {
  let last = peer.roster()
  return () => {
    if (peer.roster() === last) return
    last = peer.roster()
    changed()
  }
}

/** The log that `init` verified, until the store has it: a first start needs no hub. */
async function learnFirstLog(folder: StateFolder, peer: Peer): Promise<void> {
  const first = await readFirstLog(folder)
  if (first === undefined) return
  if (peer.roster().size < first.statements.length) await peer.learnLog(first.statements, first.checkpoint)
  if (peer.roster().size >= first.statements.length) await dropFirstLog(folder)
}

/** A node whose own record cannot be written stops: it could not answer for what it does. */
function record(audit: AuditLog, entry: AuditEntry, log: Log, fail: () => void): void {
  audit.append(entry).catch((error: FlameshError) => {
    log('error', 'audit-failed', { reason: error.message })
    fail()
  })
}

function logEvent(log: Log, { event, job, fields }: PeerEvent): void {
  log('info', event, job === undefined ? fields : { job, ...fields })
}
