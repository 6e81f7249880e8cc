/**
 * What a site's policy says to trains, whoever decides. Implements docs/spec/trains.md, "Consent of a site". The claims of the
 * masked sum do not cover a train, and a question is asked in one of the two ways alone: between a sum and a train of the same
 * question the aggregate of a site that never agreed to travel could be told.
 */

import type { Job } from '../jobs/job.js'
import type { Policy } from '../jobs/policy.js'
import type { PolicyContext, RuleOutcome } from '../jobs/rules.js'

/** What a site that lets its rows travel has to know; shown with the job, and with what the policy says to it. */
export const TRAIN_WARNING =
  'a train: the next station sees the state in the clear, the aggregate of a station that was left out can be told by difference, and the claims of the masked sum do not cover it'

export function trainRules(policy: Policy, job: Job, context: PolicyContext): RuleOutcome[] {
  const outcomes: RuleOutcome[] = []
  if (job.route !== null)
    outcomes.push({
      rule: 'train-not-allowed',
      outcome: policy.trains ? 'pass' : 'refuse',
      message: policy.trains ? TRAIN_WARNING : `the policy does not let rows of this site travel (${TRAIN_WARNING})`,
    })
  if (context.answeredOtherwise)
    outcomes.push({
      rule: 'answered-otherwise',
      outcome: 'refuse',
      message:
        job.route === null
          ? 'this question travelled by a train before: it is not answered by a masked sum as well'
          : 'this question was answered by a masked sum before: it does not travel by a train as well',
    })
  return outcomes
}
