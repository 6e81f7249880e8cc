/** What a rule of a site's policy is held against, and what it says. Implements docs/spec/jobs.md, "Policy". */
import type { CommitteeRecord, Roster } from '../identity/roster.js'
import type { DatasetAnnouncement } from './dataset.js'

export interface PolicyContext {
  readonly roster: Roster
  readonly nowMs: number
  /** this site's dataset of the job's name, undefined if it has none */
  readonly dataset: DatasetAnnouncement | undefined
  /** the job was approved on a version of it, which stays for the job whatever became of the dataset */
  readonly bound?: boolean
  /** jobs this site's machine approved during the last 24 hours */
  readonly recentJobs: number
  /** the committee that the job names */
  readonly committee: CommitteeRecord | undefined
  readonly checkpointAgeMs: number
  /**
   * rows that changed since this site last submitted under the job's guard key; undefined if it never did, 0 if none
   * changed. Where they cannot be counted, 1 stands for "some".
   */
  readonly changedRows?: number | undefined
  /** whether the same question was answered at this site in the other way before: on a train, or in a masked sum */
  readonly answeredOtherwise?: boolean
}

export interface RuleOutcome {
  /** stable name of the rule: the `code` of a decision that it brings about */
  readonly rule: string
  readonly outcome: 'pass' | 'ask' | 'refuse'
  readonly message: string
}

export const pass = (rule: string, message: string): RuleOutcome => ({ rule, outcome: 'pass', message })
export const ask = (rule: string, message: string): RuleOutcome => ({ rule, outcome: 'ask', message })
export const refuse = (rule: string, message: string): RuleOutcome => ({ rule, outcome: 'refuse', message })
export const hold = (
  rule: string,
  holds: boolean,
  otherwise: 'ask' | 'refuse',
  passed: string,
  failed: string,
): RuleOutcome => (holds ? pass(rule, passed) : { rule, outcome: otherwise, message: failed })
