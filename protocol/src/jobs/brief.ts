/**
 * What whoever approves a job has to know, as data: who asks and who receives, what runs and who reviewed it, what is read,
 * what leaves, who sees what during the opening, and what the policy says. Implements docs/spec/jobs.md, "What an operator
 * sees". It is worked out from the signed job, the log and the policy alone: it sees no row.
 */
import type { RoundPlan } from '../analyses/analysis.js'
import { columnOf } from '../analyses/columns.js'
import { valuesOf } from '../analyses/layout.js'
import type { Hex } from '../crypto/hash.js'
import type { Signed } from '../encoding/signed.js'
import { attestationOf, type PolicyFloor, type Roster } from '../identity/roster.js'
import { digestOf, type ImageDescription, repositoryOf } from '../images/description.js'
import type { Context, Table } from '../machine.js'
import { profileOf } from '../secagg/committee.js'
import { analysisOf } from './analysis-of.js'
import { absentSeats } from './check.js'
import type { PolicyDecision } from './evaluate.js'
import type { Job, JobId } from './job.js'
import { countedApprovals } from './operators.js'
import { decidePolicy, termsOf } from './site/deciding.js'
import type { Condition } from './where.js'

export interface Person {
  readonly name: string
  readonly organisation: string
}

export interface ImageBrief {
  /** REPOSITORY@sha256:DIGEST */
  readonly reference: string
  readonly repository: string
  readonly digest: string
  readonly source: string
  readonly commit: string
  readonly sbom: Hex
  readonly combine: ImageDescription['combine']
  /** what it needs beside the contract */
  readonly resources: readonly string[]
}

/** One name of the vector; several words for what is a list or a sum. */
export interface SlotBrief {
  readonly name: string
  readonly kind: 'count' | 'sum'
  /** values under this name */
  readonly length: number
  /** what each value of a site lies between; null: the bound of every built-in analysis, 2^55 in magnitude */
  readonly lower: string | null
  readonly upper: string | null
}

export interface FloorBrief {
  readonly needed: number
  readonly reviewers: readonly string[]
}

export interface JobBrief {
  readonly job: JobId
  readonly researcher: Person
  readonly recipients: readonly Person[]
  readonly analysis: {
    readonly name: string
    readonly version: number
    readonly hash: Hex
    readonly builtin: boolean
    /** what is summed in all rounds and released, in the fixed words that the hash is of; empty if it is an image */
    readonly definition: readonly string[]
    /** names, as an attestation in the log has them; null: the log holds none */
    readonly reviewers: readonly string[] | null
  }
  /** null: the analysis is built in */
  readonly image: ImageBrief | null
  /** what the log asked of its attestation when that was made; null: nothing, or there is none */
  readonly floor: FloorBrief | null
  /** what the log asks now, if that is something else; `met`: the reviewers above would still do */
  readonly floorNow: (FloorBrief & { readonly met: boolean }) | null
  readonly dataset: {
    readonly name: string
    /** what this site approved the job on, else the current one; null: this node has none of that name */
    readonly version: Hex | null
    /** rounded, before `where`; null: not known of a version that is no longer current */
    readonly rows: number | null
  }
  /** all that the analysis and `where` read */
  readonly columns: readonly string[]
  readonly where: readonly Condition[]
  /** null: this node does not know the analysis */
  readonly leaves: {
    /** numbers of 128 bits that leave, masked, in the first round */
    readonly words: number
    readonly slots: readonly SlotBrief[]
    /** at most, or exactly so many if it is an image */
    readonly rounds: number
    readonly iterative: boolean
  } | null
  readonly floors: {
    /** organisations in every sum */
    readonly minimumCohort: number
    /** no smaller count is released */
    readonly minimumCell: number
    readonly maxColluding: number
  }
  readonly opening: {
    readonly committee: string
    /** they see the sum before small counts are withheld */
    readonly members: readonly (Person & { readonly absent: boolean })[]
    /** so many must agree on what is opened */
    readonly quorum: number
    /** every site of the cohort sees what each round but the last came to */
    readonly statesToSites: boolean
  }
  /** what the policy in force says now; null: this node is no site of the job, or refuses it before any policy is asked */
  readonly policy: ({ readonly hash: Hex } & PolicyDecision) | null
  /** signatures of operators; `needed` is 0 where the policy asks for none */
  readonly approvals: {
    readonly needed: number
    readonly operators: readonly { readonly name: string; readonly key: Hex; readonly signed: boolean }[]
  }
}

function personOf(roster: Roster, key: Hex): Person {
  const member = roster.members.get(key)
  return { name: member?.name ?? key, organisation: member?.organisation ?? '' }
}

function imageBrief(image: ImageDescription): ImageBrief {
  return {
    reference: image.image,
    repository: repositoryOf(image),
    digest: digestOf(image),
    source: image.source.location,
    commit: image.source.commit,
    sbom: image.sbom,
    combine: image.combine,
    resources: image.resources,
  }
}

function slotsOf(plan: RoundPlan, image: ImageDescription | null): readonly SlotBrief[] {
  const [contributors, ...others] = valuesOf(plan).map(
    ({ name, kind }): SlotBrief => ({ name, kind, length: 1, lower: null, upper: null }),
  )
  const first = { ...(contributors as SlotBrief), lower: '0', upper: '1' }
  return image === null ? [first, ...others] : [first, ...image.output]
}

/** The analysis, if this node has it and the parameters fit: what a job that was refused aloud holds is anyone's guess. */
function knownAnalysis(job: Job) {
  const analysis = analysisOf(job)
  return analysis?.parameters.safeParse(job.parameters).success ? analysis : undefined
}

function openingOf(job: Job, roster: Roster): JobBrief['opening'] {
  const committee = roster.committees.get(job.committee)
  const absent = committee === undefined ? [] : absentSeats(job, committee, roster)
  return {
    committee: committee?.name ?? '',
    members: (committee?.members ?? []).map((key, seat) => ({
      ...personOf(roster, key),
      absent: absent.includes(seat),
    })),
    quorum: profileOf(committee?.members.length ?? 0)?.quorum ?? 0,
    statesToSites: job.maxRounds > 1,
  }
}

function approvalsOf(id: JobId, job: Job, context: Context, approvals: Table<Signed>): JobBrief['approvals'] {
  const { needed, operators } = context.policy.approvals
  const terms = termsOf(id, job, context)
  const given = terms === undefined ? [] : countedApprovals(approvals, terms, context.policy)
  return {
    needed,
    operators: operators.map(({ name, key }) => ({ name, key, signed: given.some((one) => one.key === key) })),
  }
}

const floorBrief = ({ threshold, reviewers }: PolicyFloor): FloorBrief => ({ needed: threshold, reviewers })

/** The floor that the attestation of an analysis was made under, and the one in force. */
function floorsOf({ policyFloor: now, ...roster }: Roster, hash: Hex): Pick<JobBrief, 'floor' | 'floorNow'> {
  const attestation = attestationOf(roster, hash)
  const floor = attestation?.floor
  const names = attestation?.reviewers ?? []
  // one name may have another key by now: an image's reviewers are their keys
  const keyed = attestation !== undefined && 'description' in attestation
  const stillCounts = (name: string, of: PolicyFloor): boolean => {
    const at = of.reviewers.indexOf(name)
    return at >= 0 && (!keyed || of.keys?.[at] === floor?.keys?.[floor.reviewers.indexOf(name)])
  }
  const isNews = now !== undefined && now.index !== floor?.index
  const met = isNews && names.filter((name) => stillCounts(name, now)).length >= now.threshold
  return {
    floor: floor === undefined ? null : floorBrief(floor),
    floorNow: isNews ? { ...floorBrief(now), met } : null,
  }
}

/**
 * `approvals`: what operators of this site have signed so far; undefined if this node is no site of the job. `bound`: the version
 * that this site approved it on.
 */
export function briefOf(
  id: JobId,
  job: Job,
  context: Context,
  approvals: Table<Signed> | undefined,
  bound?: Hex,
): JobBrief {
  const { roster, policyHash } = context
  const { name, version, hash } = job.analysis
  const analysis = knownAnalysis(job)
  const plan = analysis?.plan(job.parameters, undefined)
  const dataset = context.datasets.find((one) => one.name === job.dataset)
  const read = [
    ...(analysis?.columns(job.parameters).map(columnOf) ?? []),
    ...job.where.map((condition) => condition.column),
  ]
  return {
    job: id,
    researcher: personOf(roster, job.researcher),
    recipients: job.recipients.map((key) => personOf(roster, key)),
    analysis: {
      name,
      version,
      hash,
      builtin: job.image === null && analysis !== undefined,
      definition: analysis?.definition ?? [],
      reviewers: attestationOf(roster, hash)?.reviewers ?? null,
    },
    image: job.image === null ? null : imageBrief(job.image),
    ...floorsOf(roster, hash),
    dataset: {
      name: job.dataset,
      version: bound ?? dataset?.version ?? null,
      rows: bound === undefined || bound === dataset?.version ? (dataset?.roundedRows ?? null) : null,
    },
    columns: [...new Set(read)].sort(),
    where: job.where,
    leaves:
      analysis === undefined || plan === undefined
        ? null
        : {
            words: plan.slots.length,
            slots: slotsOf(plan, job.image),
            rounds: job.maxRounds,
            iterative: analysis.iterative,
          },
    floors: {
      minimumCohort: job.cohort.minimum,
      minimumCell: job.minimumCell,
      maxColluding: job.maxColluding,
    },
    opening: openingOf(job, roster),
    policy:
      analysis === undefined || approvals === undefined
        ? null
        : { hash: policyHash, ...decidePolicy(job, id, context, bound) },
    approvals: approvals === undefined ? { needed: 0, operators: [] } : approvalsOf(id, job, context, approvals),
  }
}
