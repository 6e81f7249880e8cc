/** The ledger in a daemon: what it is told of jobs and their ends, and the policy in force that it asks. */
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { hashOf } from '@flamesh/protocol/encoding/canonical.js'
import { assert } from '@flamesh/protocol/errors.js'
import { analysisOf } from '@flamesh/protocol/jobs/analysis-of.js'
import type { Policy } from '@flamesh/protocol/jobs/policy.js'
import type { JobStatus } from '@flamesh/protocol/jobs/status.js'
import type { AuditEntry, JobView, Peer, PeerEvent } from '@flamesh/protocol/peer.js'
import type { Runner } from '@flamesh/protocol/ports.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Log } from '../log.js'
import { type LedgerFacts, ledgerRunner } from '../runner/ledger-runner.js'
import type { WorkerRunner } from '../runner/worker-runner.js'

const ENDED: ReadonlySet<JobStatus> = new Set(['released', 'suppressed', 'failed', 'expired', 'cancelled'])

export class LedgerKeeper {
  constructor(
    private readonly ledger: Ledger,
    /** in force */
    public policy: Policy,
    private readonly log: Log,
    private readonly peer: () => Peer,
  ) {}

  runner(runner: Runner, rows: Pick<WorkerRunner, 'screen'>): Runner {
    return ledgerRunner({
      runner,
      ledger: this.ledger,
      screen: (request) => rows.screen(request),
      facts: (job) => this.#facts(job),
      onWithheld: ({ job, code }) => this.log('warn', 'rows-withheld', { job, code }),
    })
  }

  /** What ended while the node was off, or in the moment before it was killed. */
  catchUp(): void {
    for (const job of this.ledger.open()) {
      const view = this.peer().job(job)
      if (view !== undefined && ENDED.has(view.status)) this.#ended(job, view.status, view.code)
    }
  }

  onEvent({ event, job, fields }: PeerEvent): void {
    const status = String(fields['status']) as JobStatus
    if (event === 'job-status' && job !== undefined && ENDED.has(status))
      this.#ended(job, status, String(fields['code']))
  }

  /** A site's word that a job ended says whether it is in the sum. */
  onAudit({ event, fields }: AuditEntry): void {
    const { job, status, code, included } = fields
    if (event === 'job-ended' && typeof included === 'boolean')
      this.#ended(String(job), String(status), String(code), included)
  }

  #ended(job: Hex, status: string, code = '', included?: boolean): void {
    this.ledger.ended(job, status, code, included).catch((error: unknown) => {
      this.log('error', 'ledger-failed', { reason: String(error) })
    })
  }

  #facts(job: Hex): LedgerFacts {
    const view = this.peer().job(job)
    assert(view !== undefined, 'a job that is computed is known')
    const { name, purpose, researcher, organisation } = view
    const about = {
      name,
      purpose,
      researcher,
      organisation,
      analysis: nameOf(view),
      columns: columnsOf(view),
      asked: askedOf(view),
    }
    const { minimumCell, ledger } = this.policy
    // the site's own: whoever asks could else have zeros answered, for good, to what others will ask
    const minimum = Math.max(ledger.minimumDifference, minimumCell)
    return { ...about, rule: { minimum, eachSide: ledger.eachSide } }
  }
}

const nameOf = ({ body }: JobView): string => body.image?.image ?? body.analysis.name

const askedOf = ({ body: { analysis, image, parameters } }: JobView): Hex =>
  hashOf([analysis.hash, image === null ? parameters : null])

function columnsOf({ body }: JobView): readonly string[] {
  const read = analysisOf(body)?.columns(body.parameters).map(columnOf) ?? []
  return [...new Set([...read, ...body.where.map(({ column }) => column)])]
}
