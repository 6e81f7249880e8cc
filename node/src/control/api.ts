/**
 * The calls of the control socket over a running daemon. Implements docs/reference/cli.md, "The daemon". Job ids may be
 * given by a prefix of six digits or more that only one known job has.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decodeSigned } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { decodeBase64 } from '@flamesh/protocol/identity/base.js'
import type { JobBrief } from '@flamesh/protocol/jobs/brief.js'
import { fitsOf } from '@flamesh/protocol/jobs/schema-fit.js'
import type { JobView, Peer } from '@flamesh/protocol/peer.js'
import { z } from 'zod'
import type { Daemon } from './daemon.js'
import {
  type CheckedJobDocument,
  jobDocument,
  type PreviewDocument,
  type ResultDocument,
  type ShownJobDocument,
} from './documents.js'
import { type Lines, type Route, route } from './router.js'
import { watchJob } from './watch.js'

const documentSchema = z.strictObject({ document: z.unknown() })
const checkSchema = z.strictObject({ document: z.unknown(), researcher: z.string().optional() })

const approveSchema = z.strictObject({
  consent: z.boolean().default(false),
  /** signed by an operator: the encoded object in base64 */
  approval: z.string().max(4096).optional(),
})

export function controlRoutes(daemon: Daemon): readonly Route[] {
  const { peer } = daemon
  const shown = (job: Hex): ShownJobDocument => {
    const view = findJob(peer, job)
    return { ...jobDocument(view), brief: peer.brief(view.job) as JobBrief }
  }
  const named = (parameters: Readonly<Record<string, string>>): JobView => findJob(peer, parameters['job'] as string)
  return [
    route('GET', '/status', undefined, async () => daemon.status()),
    route('POST', '/stop', undefined, async () => {
      // answered first: the caller then waits for the process to be gone
      setImmediate(() => daemon.stop())
      return { pid: process.pid }
    }),
    route('GET', '/peers', undefined, async () => ({ peers: await daemon.peers() })),
    route('GET', '/catalogue', undefined, async () => ({ datasets: peer.catalogue() })),
    route('POST', '/reload', undefined, async () => daemon.reload()),
    route('POST', '/policy/check', checkSchema, async ({ body }) =>
      peer.evaluate(daemon.compile(body.document, daemon.researcher(body.researcher))),
    ),
    route('POST', '/jobs/check', documentSchema, async ({ body }): Promise<CheckedJobDocument> => {
      const job = daemon.compile(body.document)
      return { body: job, sites: fitsOf(job, peer.roster(), peer.catalogue()) }
    }),
    route('GET', '/jobs', undefined, async () => ({ jobs: peer.jobs().map(jobDocument) })),
    route('POST', '/jobs', documentSchema, async ({ body }) => {
      const job = await peer.submit(daemon.compile(body.document))
      return jobDocument(findJob(peer, job))
    }),
    route('GET', '/jobs/:job', undefined, async ({ parameters }) => shown(named(parameters).job)),
    route('GET', '/jobs/:job/watch', undefined, async ({ parameters, signal }): Promise<Lines> => {
      return { lines: watchJob(daemon, named(parameters).job, signal) }
    }),
    route('GET', '/jobs/:job/preview', undefined, async ({ parameters }): Promise<PreviewDocument> => {
      const { job } = named(parameters)
      return { job, slots: await peer.preview(job) }
    }),
    route('GET', '/jobs/:job/result', undefined, async ({ parameters }) => resultDocument(peer, named(parameters))),
    route('POST', '/jobs/:job/approve', approveSchema, async ({ parameters, body }) => {
      const { job } = named(parameters)
      const approval = body.approval === undefined ? undefined : decodeSigned(decodeBase64(body.approval))
      await peer.approve(job, { consent: body.consent, approval })
      return shown(job)
    }),
    route(
      'POST',
      '/jobs/:job/refuse',
      z.strictObject({ reason: z.string().max(500) }),
      async ({ parameters, body }) => {
        const { job } = named(parameters)
        await peer.refuse(job, body.reason)
        return shown(job)
      },
    ),
    route('POST', '/jobs/:job/cancel', undefined, async ({ parameters }) => {
      const { job } = named(parameters)
      await peer.cancel(job)
      return shown(job)
    }),
  ]
}

/** The job of a full id or a prefix of it. Throws `not-found`, `id-too-short` or `id-ambiguous`. */
export function findJob(peer: Pick<Peer, 'job' | 'jobs'>, text: string): JobView {
  const id = text.toLowerCase()
  const exact = peer.job(id as Hex)
  if (exact !== undefined) return exact
  if (!/^[0-9a-f]{6,64}$/.test(id)) {
    throw new FlameshError('id-too-short', `"${text}" is not a job id`, {
      hint: 'give the id, or at least its first six hexadecimal digits ("flamesh job list" shows them)',
    })
  }
  const found = peer.jobs().filter((view) => view.job.startsWith(id))
  if (found.length > 1) {
    throw new FlameshError('id-ambiguous', `${found.length} jobs begin with ${id}`, {
      meta: { jobs: found.map((view) => view.job) },
      hint: 'give more digits of the id',
    })
  }
  const [only] = found
  if (only !== undefined) return only
  throw new FlameshError('not-found', `this node knows no job ${id}`, {
    hint: '"flamesh job list" shows those it knows',
  })
}

async function resultDocument(peer: Peer, view: JobView): Promise<ResultDocument> {
  const found = await peer.result(view.job)
  const { job, status, sites, code, message } = jobDocument(view)
  return {
    job,
    status: found?.status ?? status,
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    result: found?.result ?? null,
    sites,
    receipt: found === undefined ? null : Buffer.from(found.receipt).toString('utf8'),
  }
}
