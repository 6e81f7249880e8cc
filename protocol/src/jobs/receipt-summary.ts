/**
 * What a checked receipt says, for a person: who asked what, who took part under which rules, how it ended, and what none
 * of that can show. Implements docs/spec/jobs.md, "Receipt". It only repeats what was checked.
 */
import type { Hex } from '../crypto/hash.js'
import { attestationOf, type Member } from '../identity/roster.js'
import { digestOf, repositoryOf } from '../images/description.js'
import { profileOf } from '../secagg/committee.js'
import type { Ending } from '../secagg/record.js'
import { type StationFinding, TRAIN_CANNOT_SHOW, type Travelled } from '../trains/receipt.js'
import { absentSeats } from './check.js'
import type { KnownLog, SignedJob, SiteDecision } from './decisions.js'
import type { Rounds } from './receipt-rounds.js'

export interface ReceiptSite {
  readonly name: string
  readonly organisation: string
  readonly decision: 'approve' | 'refuse'
  readonly by: 'policy' | 'operator'
  readonly code: string
  readonly message: string
  readonly policyHash: Hex
  /** the rows that an approval is about; null in a refusal */
  readonly datasetVersion: Hex | null
  /** who signed the approval as operators of this site, by their names in its policy */
  readonly operators: readonly { readonly name: string; readonly key: Hex }[]
  /** its update is in the sum that was opened last */
  readonly included: boolean
}

export interface ReceiptSummary {
  readonly job: Hex
  readonly name: string
  readonly purpose: string
  readonly researcher: { readonly name: string; readonly organisation: string }
  readonly recipients: readonly { readonly name: string; readonly organisation: string }[]
  readonly analysis: {
    readonly name: string
    readonly version: number
    readonly hash: Hex
    readonly reviewers: readonly string[]
  }
  /** what ran, by its digest; null: the analysis is built in */
  readonly image: { readonly repository: string; readonly digest: string } | null
  readonly dataset: string
  readonly minimumCohort: number
  readonly minimumCell: number
  readonly maxColluding: number
  readonly privacy: string
  readonly sites: readonly ReceiptSite[]
  readonly committee: {
    readonly name: string
    readonly members: readonly string[]
    readonly absent: readonly string[]
    readonly quorum: number
  }
  readonly rounds: number
  /** of a job with a route: its stations in order, and what became of each */
  readonly stations: readonly StationFinding[]
  /** sites that let their own aggregate become derivable, and on whose consent a round relied */
  readonly consents: readonly string[]
  readonly outcome: Ending['status']
  /** why nothing was released, or `released` */
  readonly code: string
  readonly cannotShow: readonly string[]
}

export const CANNOT_SHOW: readonly string[] = [
  'that what the sites put in was true: masking hides what a liar adds',
  'that no more members of the committee colluded than it withstands: those could have learned single sites’ numbers',
  'that members kept to themselves the sum they saw before small cells were withheld',
  'whose the keys of a site’s operators are',
  'that the hub showed everyone the same log, that its members are who it says, or that nobody was revoked in the meantime',
  'what the result reveals together with other results',
]

export const titled = (member: Member | undefined) => ({
  name: member?.name ?? 'unknown',
  organisation: member?.organisation ?? 'unknown',
})

export function summarise(
  { roster }: KnownLog,
  { id, job }: SignedJob,
  decisions: ReadonlyMap<Hex, SiteDecision>,
  rounds: Rounds | Travelled,
): ReceiptSummary {
  const committee = roster.committees.get(job.committee)
  const members = committee?.members.map((key) => titled(roster.members.get(key)).name) ?? []
  const absent = committee === undefined ? [] : absentSeats(job, committee, roster)
  return {
    job: id,
    name: job.name,
    purpose: job.purpose,
    researcher: titled(roster.members.get(job.researcher)),
    recipients: job.recipients.map((key) => titled(roster.members.get(key))),
    analysis: { ...job.analysis, reviewers: attestationOf(roster, job.analysis.hash)?.reviewers ?? [] },
    image: job.image === null ? null : { repository: repositoryOf(job.image), digest: digestOf(job.image) },
    dataset: job.dataset,
    minimumCohort: job.cohort.minimum,
    minimumCell: job.minimumCell,
    maxColluding: job.maxColluding,
    privacy: job.privacy.mechanism,
    sites: [...decisions.values()]
      .map(({ member, body }) => ({
        ...titled(member),
        decision: body.decision,
        by: body.by,
        code: body.code,
        message: body.message,
        policyHash: body.policyHash,
        datasetVersion: body.datasetVersion,
        operators: body.operators.map(({ name, key }) => ({ name, key })),
        included: rounds.survivors.includes(body.site),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    committee: {
      name: committee?.name ?? 'unknown',
      members,
      absent: absent.map((seat) => members[seat] as string),
      quorum: profileOf(members.length)?.quorum ?? 0,
    },
    rounds: rounds.rounds,
    stations: 'stations' in rounds ? rounds.stations : [],
    consents: rounds.consents.map((key) => titled(roster.members.get(key)).name).sort(),
    outcome: rounds.ending.status,
    code: rounds.ending.code,
    cannotShow: job.route === null ? CANNOT_SHOW : TRAIN_CANNOT_SHOW,
  }
}
