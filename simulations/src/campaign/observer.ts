/**
 * What is seen of a case while it runs: every message as it leaves a node, every write as it reaches a disk. The invariants
 * are told of both, one by one, and look at disks where they need more. An honest node's word is never enough: what it says
 * is held against what it signed before, what its disk holds and what the sites really sent.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import type { WireMessage } from '@flamesh/protocol/wire.js'
import type { Federation, SimulatedNode } from '../federation.js'
import { type Case, committeeNames, dishonestOf } from './case.js'

export interface Violation {
  /** of the invariant, as simulations/src/campaign/invariants names it */
  readonly invariant: string
  readonly message: string
  /** events of the clock until then */
  readonly step: number
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

  /** The seats that lie, of the first committee. */
  get liars(): readonly string[] {
    return committeeNames(this.one.shape).filter((name) => this.dishonest.has(name))
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
