/** A peer that holds jobs and does what it is told: enough to exercise the control socket, nothing of the protocol. */
import type { Signed } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { JobBrief } from '@flamesh/protocol/jobs/brief.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { JobResult, JobView, Peer } from '@flamesh/protocol/peer.js'

export const jobBody: Job = {
  name: 'ages',
  purpose: 'a test',
  researcher: '11'.repeat(32),
  nonce: '22'.repeat(32),
  analysis: { name: 'describe', version: 1, hash: '33'.repeat(32) },
  image: null,
  dataset: 'lung',
  where: [],
  parameters: { columns: ['age'] },
  cohort: { sites: [], minimum: 5, approveWithinMs: 1000 },
  route: null,
  committee: 9,
  maxColluding: 1,
  opening: 'committee',
  dropout: 'drop',
  submitWithinMs: 1000,
  privacy: { mechanism: 'none' },
  minimumCell: 5,
  recipients: ['11'.repeat(32)],
  maxRounds: 1,
  maxAttempts: 2,
  notBefore: 1_700_000_000_000,
  notAfter: 1_700_007_200_000,
  checkpoint: { size: 10, root: '44'.repeat(32) },
}

export function jobView(job: string, changes: Partial<JobView> = {}): JobView {
  return {
    job,
    name: 'ages',
    purpose: 'a test',
    researcher: 'researcher-b',
    organisation: 'org-b',
    analysis: 'describe',
    dataset: 'lung',
    body: jobBody,
    status: 'announced',
    code: undefined,
    message: undefined,
    round: 0,
    mine: true,
    consent: false,
    sites: {},
    ...changes,
  }
}

export function jobBrief(job: string, changes: Partial<JobBrief> = {}): JobBrief {
  const ruth = { name: 'researcher-b', organisation: 'org-b' }
  return {
    job,
    researcher: ruth,
    recipients: [ruth],
    analysis: {
      ...jobBody.analysis,
      builtin: true,
      definition: ['parameters: columns', 'released: n'],
      reviewers: null,
    },
    image: null,
    floor: null,
    floorNow: null,
    dataset: { name: 'lung', version: '66'.repeat(32), rows: 40 },
    columns: ['age'],
    where: [],
    leaves: {
      words: 2,
      slots: [
        { name: 'contributors', kind: 'count', length: 1, lower: '0', upper: '1' },
        { name: 'age: n', kind: 'count', length: 1, lower: null, upper: null },
      ],
      rounds: 1,
      iterative: false,
    },
    floors: { minimumCohort: 5, minimumCell: 5, maxColluding: 1 },
    opening: {
      committee: 'default',
      members: ['a', 'b', 'c', 'd'].map((one) => ({
        name: `site-${one}`,
        organisation: `org-${one}`,
        absent: one === 'b',
      })),
      quorum: 3,
      statesToSites: false,
    },
    policy: {
      hash: '77'.repeat(32),
      decision: 'ask',
      code: 'outside-policy',
      message: 'no rule',
      consents: false,
      signatures: 0,
      rules: [{ rule: 'outside-policy', outcome: 'ask', message: 'no rule' }],
    },
    approvals: { needed: 0, operators: [] },
    ...changes,
  }
}

export interface FakePeer extends Peer {
  readonly calls: string[]
  /** what operators signed */
  readonly approvals: Signed[]
  /** what its briefs say otherwise */
  readonly briefs: Partial<JobBrief>
  readonly views: Map<string, JobView>
  readonly results: Map<string, JobResult>
}

export function fakePeer(...views: readonly JobView[]): FakePeer {
  const known = new Map(views.map((view) => [view.job, view] as const))
  const results = new Map<string, JobResult>()
  const calls: string[] = []
  const approvals: Signed[] = []
  const brief: Partial<JobBrief> = {}
  const call = async (text: string): Promise<void> => {
    calls.push(text)
  }
  const unused = (): never => {
    throw new Error('not part of what the control socket calls')
  }
  return {
    key: '55'.repeat(32),
    calls,
    approvals,
    briefs: brief,
    views: known,
    results,
    start: () => call('start'),
    stop: () => call('stop'),
    receive: unused,
    peerConnected: unused,
    learnLog: unused,
    roster: unused,
    checkpoint: () => undefined,
    restoredAt: () => undefined,
    setPolicy: () => call('setPolicy'),
    evaluate: () => ({
      decision: 'ask',
      rules: [],
      code: 'outside-policy',
      message: 'no rule',
      consents: false,
      signatures: 0,
    }),
    setDatasets: () => call('setDatasets'),
    catalogue: () => new Map([['site-a', [{ name: 'lung', columns: [], roundedRows: 40, version: '66'.repeat(32) }]]]),
    async submit(job) {
      const id = 'f'.repeat(64)
      known.set(id, jobView(id, { name: job.name }))
      return id
    },
    async approve(job, { consent = false, approval } = {}) {
      if (approval !== undefined) approvals.push(approval)
      await call(`approve ${job}${consent ? ' consenting' : ''}`)
    },
    async refuse(job, reason) {
      await call(`refuse ${job} ${reason}`)
    },
    async cancel(job) {
      if (!known.get(job)?.mine) throw new FlameshError('not-yours', 'not your job', { hint: 'ask its researcher' })
      await call(`cancel ${job}`)
    },
    jobs: () => [...known.values()],
    job: (id) => known.get(id),
    brief: (id) => jobBrief(id, brief),
    result: async (id) => results.get(id),
    preview: async () => [{ slot: 'contributors', value: 1 }],
  }
}
