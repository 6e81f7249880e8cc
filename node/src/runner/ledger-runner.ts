/**
 * The `Runner` port with the ledger in front of it: what a job's conditions keep is looked at and written down before anything is
 * handed on. Implements docs/spec/jobs.md, "The ledger". A site whose rows are too similar to those of earlier jobs contributes
 * zeros in every round of the job, after the same work and the same failures as ever.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { ContributeOutcome, ContributeRequest, Run, Runner } from '@flamesh/protocol/ports.js'
import { MIN_SUBSET_ROWS } from '@flamesh/protocol/privacy/disclosure.js'
import type { LedgerJob, Withheld } from '../ledger/entries.js'
import type { Kept, Ledger } from '../ledger/ledger.js'
import type { DifferenceRule } from '../ledger/row-set.js'
import type { ScreenOutcome, ScreenRequest } from '../ledger/screening.js'

/** What the node knows of a job beside the request. */
export interface LedgerFacts extends Omit<LedgerJob, 'job' | 'dataset' | 'version' | 'where'> {
  readonly rule: DifferenceRule
}

export interface LedgerRunnerOptions {
  readonly runner: Runner
  readonly ledger: Ledger
  /** in the thread that holds rows; never rejects */
  readonly screen: (request: ScreenRequest) => Promise<ScreenOutcome>
  readonly facts: (job: Hex) => LedgerFacts
  /** for the operator: this site's rows are not in the job's sums */
  readonly onWithheld: (what: { readonly job: Hex; readonly code: Withheld }) => void
}

/** Whether a job's rows go into its sums; `fresh`: it was entered just now. */
type Admission =
  | { readonly ok: true; readonly withheld: Withheld | null; readonly fresh: boolean }
  | (ContributeOutcome & { readonly ok: false })

const CANCELLED = { ok: false, code: 'cancelled', message: 'nobody waits for the analysis any more' } as const

export function ledgerRunner(options: LedgerRunnerOptions): Runner {
  /** settles when the jobs so far are entered: of two that are similar the second one meets the first */
  let entering: Promise<unknown> = Promise.resolve()
  const inTurn = (work: () => Promise<Admission>): Promise<Admission> => {
    const admitted = entering.then(work).catch(failure)
    entering = admitted
    return admitted
  }
  return {
    reduce: (request) => options.runner.reduce(request),
    contribute: (request) => {
      let cancelled = false
      let run: Run | undefined
      const answer = async (): Promise<ContributeOutcome> => {
        const admission = await inTurn(async () => (cancelled ? CANCELLED : admit(request, options)))
        if (!admission.ok) return admission
        run = options.runner.contribute(request)
        if (cancelled) run.cancel()
        const found = await run.outcome
        if (!found.ok && admission.fresh) await options.ledger.nothingSent(request.job)
        return found.ok && admission.withheld !== null ? zeros(found.values) : found
      }
      return {
        outcome: answer().catch(failure),
        cancel: () => {
          cancelled = true
          run?.cancel()
        },
      }
    },
  }
}

const zeros = ({ length }: Float64Array): ContributeOutcome => ({ ok: true, values: new Float64Array(length) })

/** Without its line nothing is handed on. */
function failure(error: unknown): ContributeOutcome & { readonly ok: false } {
  if (error instanceof FlameshError) return { ok: false, code: error.code, message: error.message }
  return { ok: false, code: 'ledger-failed', message: 'the ledger of this site cannot be written' }
}

/** What was decided once holds for every round and attempt of a job, and after a restart. */
async function admit(request: ContributeRequest, options: LedgerRunnerOptions): Promise<Admission> {
  const { ledger, screen, facts, onWithheld } = options
  const { job, dataset, datasetVersion: version, where, round, preview } = request
  const known = ledger.entry(job)
  if (known !== undefined) {
    if (!preview) await ledger.round(job, round)
    return { ok: true, withheld: known.withheld, fresh: false }
  }
  const { rule, ...about } = facts(job)
  const found = await screen({ request, sets: ledger.sets(dataset, version), rule })
  if (!found.ok) return found
  const { kept, close } = found
  // in a difference of two sums, zeros beside a vector would be the vector
  const before = ledger.answer(dataset, about.asked, kept)
  const withheld = before === undefined ? reasonAgainst(kept, close, ledger.hasRoom(dataset, kept)) : before.withheld
  if (preview) return { ok: true, withheld, fresh: false }
  const entry: LedgerJob = { ...about, job, dataset, version, where: JSON.stringify(where) }
  if (withheld === null) await ledger.contribute(entry, kept, round)
  else {
    await ledger.withhold(entry, kept, withheld, ledger.jobsOf(dataset, close), round)
    onWithheld({ job, code: withheld })
  }
  return { ok: true, withheld, fresh: true }
}

function reasonAgainst({ rows }: Kept, close: readonly Hex[], hasRoom: boolean): Withheld | null {
  if (rows < MIN_SUBSET_ROWS) return 'too-few-rows'
  if (close.length > 0) return 'too-similar'
  return hasRoom ? null : 'ledger-full'
}
