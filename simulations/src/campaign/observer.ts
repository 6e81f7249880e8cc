/**
 * What is seen of a case while it runs: every message as it leaves a node, every write as it reaches a disk. The invariants
 * are told of both, one by one, and look at disks where they need more. An honest node's word is never enough: what it says
 * is held against what it signed before, what its disk holds and what the sites really sent.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { openStatement } from '@flamesh/protocol/identity/statements.js'
import { JOB } from '@flamesh/protocol/jobs/job.js'
import type { WireMessage } from '@flamesh/protocol/wire.js'
import type { Federation, SimulatedNode } from '../federation.js'
import { type Case, dishonestOf } from './case.js'

export interface Violation {
  /** of the invariant, as simulations/src/campaign/invariants names it */
  readonly invariant: string
  readonly message: string
  /** events of the clock until then */
  readonly step: number
}

export interface Committee {
  /** of its statement in the log */
  readonly index: number
  /** names in seat order */
  readonly members: readonly string[]
  readonly succeeds: number | undefined
}

export interface Saying {
  readonly from: SimulatedNode
  readonly to: SimulatedNode
  readonly honest: boolean
  readonly message: WireMessage
}

export interface Writing {
  readonly node: SimulatedNode
  /** key of the store, or `vault/` and the name of a secret */
  readonly key: string
  readonly value: Uint8Array | null
}

/** One rule that must hold after every step; a fresh one for each case, since most remember what they saw. */
export interface Invariant {
  readonly name: string
  /** a message leaves */
  said?(saying: Saying): void
  /** something honest is on disk now */
  wrote?(writing: Writing): void
  /** the case is over: everything that was to end has had its time */
  ended?(): void | Promise<void>
}

export type MakeInvariant = (scene: Scene) => Invariant

/** What invariants may look at, and where they complain. */
export class Scene {
  readonly violations: Violation[] = []
  readonly checks: Record<string, number> = {}
  readonly byKey: ReadonlyMap<Hex, SimulatedNode>
  readonly dishonest: ReadonlySet<string>
  private readonly named: { read: number; readonly list: Committee[] } = { read: 0, list: [] }
  private readonly ofJobs = new Map<Hex, Committee>()
  private readonly complaints = new Set<string>()

  constructor(
    readonly federation: Federation,
    readonly one: Case,
  ) {
    this.byKey = new Map([...federation.nodes.values()].map((node) => [node.key, node]))
    this.dishonest = dishonestOf(one)
  }

  isHonest(node: SimulatedNode): boolean {
    return !this.dishonest.has(node.name)
  }

  get honest(): readonly SimulatedNode[] {
    return [...this.federation.nodes.values()].filter((node) => this.isHonest(node))
  }

  /** Every committee that the hub has named by now, in its order. */
  get committees(): readonly Committee[] {
    const { statements, hubKey } = this.federation
    for (let index = this.named.read; index < statements.length; index++) {
      const { entry } = openStatement(statements[index] as Uint8Array, hubKey).statement
      if (entry.type !== 'name-committee') continue
      const members = entry.members.map((key) => this.byKey.get(key)?.name ?? '')
      this.named.list.push({ index, members, succeeds: entry.succeeds?.[0] })
    }
    this.named.read = statements.length
    return this.named.list
  }

  /** The committee of a job, as the job itself says; the first where nobody holds the job. */
  committeeOf(job: Hex): Committee {
    const known = this.ofJobs.get(job)
    if (known !== undefined) return known
    const holder = [...this.federation.nodes.values()].find((node) => node.disk.entries.has(`job/${job}/signed`))
    const signed = holder && this.read<Signed>(holder, `job/${job}/signed`)
    const index = signed && openSigned(signed, JOB).body.committee
    const committee = this.committees.find((one) => one.index === index) ?? (this.committees[0] as Committee)
    if (signed !== undefined) this.ofJobs.set(job, committee)
    return committee
  }

  /** How many of these do not keep to the protocol. */
  liarsAmong(names: readonly string[]): number {
    return names.filter((name) => this.dishonest.has(name)).length
  }

  /** One more look; false is a violation. */
  check(invariant: string, holds: boolean, message: () => string): void {
    this.checks[invariant] = (this.checks[invariant] ?? 0) + 1
    if (holds) return
    const text = message()
    if (this.complaints.has(`${invariant}/${text}`)) return
    this.complaints.add(`${invariant}/${text}`)
    this.violations.push({ invariant, message: text, step: this.federation.clock.events })
  }

  /** What a node's disk holds under a key, decoded; undefined if nothing. */
  read<T>(node: SimulatedNode, key: string): T | undefined {
    const bytes = node.disk.entries.get(key)
    return bytes === undefined ? undefined : (decode(bytes) as T)
  }
}

/** t, q, Haves a site needs: the table of the design, written out so that nothing here leans on what is being tested. */
const TABLE = {
  3: { colluding: 1, quorum: 3, haves: 3, replicas: 2 },
  4: { colluding: 1, quorum: 3, haves: 3, replicas: 3 },
  7: { colluding: 2, quorum: 5, haves: 5, replicas: 5 },
} as const

export type Row = (typeof TABLE)[keyof typeof TABLE]
export const rowFor = (members: number): Row => TABLE[members as keyof typeof TABLE]

export interface Place {
  readonly job: Hex
  readonly round: number
  readonly attempt: number
}
export const placeName = ({ job, round, attempt }: Place): string => `${job.slice(0, 6)}/${round}.${attempt}`
