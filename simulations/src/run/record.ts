/**
 * What happens in a run, written down as it happens: what nodes put on record and tell, what was announced and who heard of
 * it when, who was up. Looks on only; a run is the same without it.
 */
import { bytesToHex, type Hex, sha256 } from '@flamesh/protocol/crypto/hash.js'
import type { AuditEntry, PeerEvent } from '@flamesh/protocol/peer.js'
import { decodeWire } from '@flamesh/protocol/wire.js'
import type { Federation, SimulatedNode } from '../federation.js'

export interface Seen {
  readonly atMs: number
  readonly node: string
  readonly event: string
  readonly job: Hex | undefined
  readonly fields: AuditEntry['fields']
}

export interface Heard {
  readonly message: string
  readonly kind: string
  readonly site: string
  readonly delayMs: number
}

/** Announcements of one kind whose way is written down: a thousand sites announce a thousand datasets to a thousand sites. */
const MESSAGES_A_KIND = 20

export class Record {
  readonly audits: Seen[] = []
  readonly events: { readonly atMs: number; readonly event: string; readonly node: string }[] = []
  readonly heard: Heard[] = []
  /** hooks that act on what was just seen; before it has left the node */
  readonly onAudit: ((seen: Seen) => void)[] = []
  /** the researcher's jobs that have ended, and when */
  readonly ended = new Map<Hex, number>()
  readonly gossipReceived = new Map<Hex, number>()
  private readonly announced = new Map<
    string,
    { readonly kind: string; readonly atMs: number; readonly sites: Set<Hex> }
  >()
  private readonly kinds = new Map<string, number>()
  private readonly names: ReadonlyMap<Hex, string>
  private readonly upSince = new Map<string, number>()
  private readonly upMs = new Map<string, number>()
  private zeroMs = 0

  constructor(private readonly federation: Federation) {
    this.names = new Map([...federation.nodes.values()].map((node) => [node.key, node.name]))
    for (const node of federation.nodes.values()) this.watch(node)
    federation.network.onAnnounced = (from, message) => this.onAnnounced(from, message)
    federation.network.onHeard = (to, message) => this.onHeard(to, message)
  }

  /** Everyone is up: what is measured begins here. */
  begin(): void {
    this.zeroMs = this.federation.clock.now()
    for (const node of this.federation.nodes.values()) if (node.peer !== undefined) this.upSince.set(node.name, 0)
  }

  nowMs(): number {
    return Math.round(1000 * (this.federation.clock.exact() - this.zeroMs)) / 1000
  }

  happened(event: string, node = ''): void {
    this.events.push({ atMs: this.nowMs(), event, node })
  }

  up(name: string): void {
    if (!this.upSince.has(name)) this.upSince.set(name, this.nowMs())
  }

  down(name: string): void {
    const since = this.upSince.get(name)
    if (since === undefined) return
    this.upMs.set(name, (this.upMs.get(name) ?? 0) + this.nowMs() - since)
    this.upSince.delete(name)
  }

  upShare(name: string): number {
    const now = this.nowMs()
    const since = this.upSince.get(name)
    const up = (this.upMs.get(name) ?? 0) + (since === undefined ? 0 : now - since)
    return now === 0 ? Number(since !== undefined) : Math.min(1, up / now)
  }

  private watch(node: SimulatedNode): void {
    const audits = node.audit.push.bind(node.audit)
    node.audit.push = (...entries: AuditEntry[]) => {
      const length = audits(...entries)
      for (const { event, fields } of entries) this.saw(node.name, event, fields['job'] as Hex | undefined, fields)
      return length
    }
    const told = node.events.push.bind(node.events)
    node.events.push = (...entries: PeerEvent[]) => {
      const length = told(...entries)
      for (const { event, job, fields } of entries) this.wasTold(node, event, job, fields)
      return length
    }
  }

  private saw(node: string, event: string, job: Hex | undefined, fields: AuditEntry['fields']): void {
    const seen = { atMs: this.nowMs(), node, event, job, fields }
    this.audits.push(seen)
    for (const hook of this.onAudit) hook(seen)
  }

  private wasTold(node: SimulatedNode, event: string, job: Hex | undefined, fields: AuditEntry['fields']): void {
    if (event === 'internal-error')
      this.happened(`internal error: ${String(fields['error']).split('\n')[0]}`, node.name)
    if (event === 'log-fork') this.happened('two logs of the hub', node.name)
    if (node.rows === undefined && job !== undefined) {
      const status = String(fields['status'])
      const over = ['released', 'suppressed', 'failed', 'expired', 'cancelled'].includes(status)
      if (event === 'job-status' && over && !this.ended.has(job)) this.ended.set(job, this.nowMs())
    }
    for (const hook of this.onAudit) hook({ atMs: this.nowMs(), node: node.name, event, job, fields })
  }

  private onAnnounced(from: Hex, bytes: Uint8Array): void {
    const message = bytesToHex(sha256(bytes)).slice(0, 16)
    if (this.announced.has(message)) return
    const kind = decodeWire(bytes).type
    const known = (this.kinds.get(kind) ?? 0) + 1
    this.kinds.set(kind, known)
    if (known <= MESSAGES_A_KIND)
      this.announced.set(message, { kind, atMs: this.federation.clock.exact(), sites: new Set([from]) })
  }

  private onHeard(to: Hex, bytes: Uint8Array): void {
    this.gossipReceived.set(to, (this.gossipReceived.get(to) ?? 0) + 1)
    const message = bytesToHex(sha256(bytes)).slice(0, 16)
    const known = this.announced.get(message)
    if (known === undefined || known.sites.has(to)) return
    known.sites.add(to)
    const delayMs = Math.round(1000 * (this.federation.clock.exact() - known.atMs)) / 1000
    this.heard.push({ message, kind: known.kind, site: this.names.get(to) ?? to, delayMs })
  }
}
