/** What the control socket reaches of a running daemon: its parts, told as the documents that commands print. */
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { activeMember, type Member } from '@flamesh/protocol/identity/roster.js'
import { compileJob } from '@flamesh/protocol/jobs/compile.js'
import { policyHash } from '@flamesh/protocol/jobs/policy.js'
import type { JobStatus } from '@flamesh/protocol/jobs/status.js'
import type { JobView, Peer } from '@flamesh/protocol/peer.js'
import { currentPolicy } from '../config/policy-file.js'
import type { Config } from '../config/settings.js'
import type { StateFolder } from '../config/state-folder.js'
import type { Daemon } from '../control/daemon.js'
import type { PeerDocument, StatusDocument } from '../control/documents.js'
import type { DatasetStore } from '../data/datasets.js'
import type { Host } from '../network/network.js'
import { VERSION } from '../version.js'
import type { HubFollower } from './hub-follower.js'
import type { LedgerKeeper } from './ledger.js'
import { realRandom } from './real-ports.js'

export interface FaceParts {
  readonly folder: StateFolder
  readonly config: Config
  readonly peer: Peer
  readonly host: Host
  readonly follower: HubFollower
  readonly datasets: DatasetStore
  readonly listeners: Set<() => void>
  readonly stop: () => void
  /** holds the policy in force */
  readonly keeper: LedgerKeeper
}

export function createFace(parts: FaceParts): Daemon {
  const { folder, peer, datasets, listeners } = parts
  const upSinceMs = Date.now()
  const status = (): StatusDocument => statusDocument(parts, upSinceMs)
  return {
    peer,
    status,
    peers: async () => peerDocuments(parts),
    researcher: (name) => researcherKey(peer, name),
    compile: (document, researcher = peer.key) => {
      const checkpoint = peer.checkpoint()
      if (checkpoint === undefined) {
        throw new FlameshError('no-checkpoint', "this node has not seen the hub's log yet", {
          hint: 'wait until the hub can be reached ("flamesh status" says)',
        })
      }
      return compileJob(document, {
        roster: peer.roster(),
        researcher,
        catalogue: peer.catalogue(),
        nowMs: Date.now(),
        nonce: bytesToHex(realRandom.bytes(32)),
        checkpoint: { size: checkpoint.size, root: checkpoint.root },
      })
    },
    async reload() {
      const next = (await currentPolicy(folder)).policy
      const described = await datasets.describeDatasets()
      // before a job that it approves begins
      parts.keeper.policy = next
      await peer.setPolicy(next)
      await peer.setDatasets(described)
      await datasets.prune(busyDatasets(peer.jobs()))
      return status()
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop: parts.stop,
  }
}

const OPEN: ReadonlySet<JobStatus> = new Set(['announced', 'waiting', 'approved', 'preparing', 'submitted'])

/** The datasets whose versions an open job may have been approved on. */
export const busyDatasets = (jobs: readonly Pick<JobView, 'dataset' | 'status'>[]): ReadonlySet<string> =>
  new Set(jobs.filter(({ status }) => OPEN.has(status)).map(({ dataset }) => dataset))

function researcherKey(peer: Peer, name: string | undefined): Hex {
  const roster = peer.roster()
  const may = [...roster.members.values()].filter(
    (member) => member.roles.includes('researcher') && activeMember(roster, member.key, Date.now()) !== undefined,
  )
  const found =
    name === undefined ? (may.find((one) => one.key === peer.key) ?? may[0]) : may.find((one) => one.name === name)
  if (found !== undefined) return found.key
  throw new FlameshError(
    'not-found',
    name === undefined ? 'no member is a researcher' : `no researcher is called ${name}`,
    {
      hint: 'see "flamesh peers"',
    },
  )
}

function statusDocument({ config, peer, host, follower, keeper }: FaceParts, upSinceMs: number): StatusDocument {
  const roster = peer.roster()
  const nowMs = Date.now()
  const self = roster.members.get(peer.key)
  const others = [...roster.members.keys()].filter((key) => key !== peer.key && activeMember(roster, key, nowMs))
  const connected = new Set(host.connections().map(({ key }) => key))
  const jobs: Partial<Record<JobStatus, number>> = {}
  for (const view of peer.jobs()) jobs[view.status] = (jobs[view.status] ?? 0) + 1
  return {
    version: VERSION,
    pid: process.pid,
    upSinceMs,
    name: self?.name ?? config.name,
    organisation: self?.organisation ?? '',
    roles: self?.roles ?? [],
    key: peer.key,
    member: activeMember(roster, peer.key, nowMs) !== undefined,
    listen: host.listenAddresses(),
    hub: follower.status(),
    log: { size: roster.size, checkpointMs: peer.checkpoint()?.timestamp ?? null },
    peers: { connected: others.filter((key) => connected.has(key)).length, members: others.length },
    datasets: (peer.catalogue().get(self?.name ?? config.name) ?? []).map(({ name }) => name),
    policy: policyHash(keeper.policy),
    jobs,
    restoredMs: peer.restoredAt() ?? null,
  }
}

function peerDocuments({ peer, host }: FaceParts): readonly PeerDocument[] {
  const roster = peer.roster()
  const catalogue = peer.catalogue()
  const views = new Map(host.peers().map((view) => [view.key, view] as const))
  const state = (member: Member): PeerDocument['state'] => {
    if (member.key === peer.key) return 'self'
    if (member.revokedAt !== undefined) return 'revoked'
    if (activeMember(roster, member.key, Date.now()) === undefined) return 'expired'
    const view = views.get(member.key)
    if (view?.connectedSinceMs === undefined) return 'away'
    return view.mismatch === undefined ? 'connected' : 'other-version'
  }
  return [...roster.members.values()].map((member) => ({
    name: member.name,
    organisation: member.organisation,
    roles: member.roles,
    key: member.key,
    state: state(member),
    addresses: member.key === peer.key ? host.listenAddresses() : (views.get(member.key)?.addresses ?? []),
    datasets: (catalogue.get(member.name) ?? []).map(({ name }) => name),
  }))
}
