/** The result of a job and its receipt, as this node can show them to its own people. */
import { openSigned } from '../encoding/signed.js'
import { JOB, type JobId } from '../jobs/job.js'
import { buildReceipt, presentResult } from '../jobs/receipt-document.js'
import type { JobResult } from '../peer.js'
import type { Kernel } from './kernel.js'

/** What a recipient holds of a job that ended: the result, if there is one that can be read, and the receipt in any case. */
export function resultOf(kernel: Kernel, id: JobId): JobResult | undefined {
  const request = kernel.known.get(id)?.request
  const { checkpoint } = kernel.log
  if (request?.release === undefined || checkpoint === undefined) return undefined
  const { body } = openSigned(request.job, JOB)
  const { decisions, records, consents, train } = request.release
  const receipt = buildReceipt({
    job: request.job,
    decisions,
    consents,
    records,
    train,
    roster: kernel.log.roster,
    leaves: kernel.log.leaves,
    checkpoint: checkpoint.bytes,
    hubKey: kernel.options.hubKey,
    statementAt: (index) => kernel.statements[index] as Uint8Array,
  })
  const result = request.result && presentResult(body, request.result.released, request.result.salt)
  return { job: id, status: request.status.status, result, receipt }
}
