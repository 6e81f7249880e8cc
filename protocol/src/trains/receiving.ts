/**
 * The end of a train at whoever asked: the first one that most stations confirmed is taken, and another one never. Implements
 * docs/spec/trains.md, "Recipients".
 */
import type { Hex } from '../crypto/hash.js'
import { openSealed } from '../crypto/sealing.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import { accept, ignore, reject, type Verdict } from '../encoding/verdict.js'
import { checkDecision, type KnownLog, type SignedJob, withHeard } from '../jobs/decisions.js'
import type { Job, JobId } from '../jobs/job.js'
import { DECISION } from '../jobs/messages.js'
import type { RequestState } from '../jobs/request-state.js'
import { fittingResult } from '../jobs/result.js'
import type { Context } from '../machine.js'
import { releaseContext } from '../secagg/member/opening.js'
import type { Ending } from '../secagg/record.js'
import type { WireOf } from '../wire.js'
import { statusOf } from './arriving.js'
import { type Chain, checkChain, isConfirmed, standing } from './chain.js'

export interface Received {
  readonly verdict: Verdict
  readonly change?: Pick<RequestState, 'result' | 'release'>
  readonly ending?: Ending
}

/** Throws FlameshError for a chain that breaks a rule. */
export function receiveDelivery(
  state: RequestState,
  message: WireOf<'delivery'>,
  jobId: JobId,
  job: Job,
  context: Context,
): Received {
  const chain = checkChain(message, jobId, job)
  const { arrival } = chain.last.body
  if (arrival === null || !isConfirmed(chain, message.confirmations, jobId, job))
    return { verdict: reject('chain', 'an end that most stations did not confirm') }
  if (state.release !== undefined) return { verdict: ignore('known') }
  const against = standing(chain, { id: jobId, job }, context, context.nowMs)
  if (against !== undefined) return { verdict: against }
  const wanted = arrival.outcome === 'result' && job.recipients.includes(context.self)
  const plain =
    message.box === null
      ? undefined
      : openSealed(message.box, context.self, context.sealingSecret, releaseContext(jobId))
  if (wanted && plain === undefined) return { verdict: ignore('not-for-this-node') }
  const result = wanted && plain !== undefined ? fittingResult(plain, jobId, arrival.commitment ?? '') : undefined
  if (wanted && result === undefined)
    return { verdict: reject('release', 'the numbers do not fit the commitment of the last hop') }
  return {
    verdict: accept,
    ending: { status: statusOf(arrival), code: arrival.code },
    change: {
      result,
      release: {
        records: [],
        decisions: shownDecisions(chain, state, { id: jobId, job }, context),
        survivors: arrival.outcome === 'failed' ? [] : [...chain.contributors].sort(),
        consents: [],
        refused: null,
        train: { hops: message.hops, confirmations: message.confirmations },
      },
    },
  }
}

/** The decisions that the chain relies on, and what this node heard from the stations that it does not. */
function shownDecisions(chain: Chain, { decisions }: RequestState, job: SignedJob, log: KnownLog): readonly Signed[] {
  const relied = chain.decisions.map((signed) => checkDecision(signed, job, log))
  const named = new Map(relied.map((one) => [one.body.site, one]))
  return [...withHeard(named, decisions.values(), job, log).values()].map((one) => one.signed)
}

/** So many stations refused that there will be no train. */
export function isHopeless({ route, cohort }: Job, decisions: ReadonlyMap<Hex, Signed>): boolean {
  if (route === null) return false
  const refusals = [...decisions.values()].filter((one) => openSigned(one, DECISION).body.decision === 'refuse')
  return route.stations.length - refusals.length < cohort.minimum
}
