/** Jobs of the end-to-end tests: a question nobody has asked before, its way to an answer, and the answer that is right. */
import assert from 'node:assert/strict'
import type { ResultDocument } from '@flamesh/node/control/documents.js'
import { type Moments, momentsOf, SITES } from './data.js'
import { BY_HAND, COMMITTEE, type Federation } from './federation.js'
import { eventually } from './processes.js'

let asked = 0

/**
 * The mean age of everyone. Every patient is older than the changing condition asks, so each job is about the same rows and
 * yet another question to the guard against differencing, which knows only the question.
 */
function freshDocument(change: object): object {
  asked += 1
  return {
    name: `mean age ${asked}`,
    purpose: 'research',
    analysis: 'describe',
    dataset: 'patients',
    where: [{ column: 'age', 'at-least': -asked }],
    parameters: { columns: ['age'] },
    cohort: { sites: 'any', minimum: 5, approveWithin: '2m' },
    submitWithin: '60s',
    expires: '10m',
    ...change,
  }
}

/** Signs and announces a fresh job; resolves with its id. */
export async function submit(federation: Federation, change: object = {}): Promise<string> {
  const document = freshDocument(change)
  const file = await federation.file(`job-${asked}.yaml`, JSON.stringify(document))
  const { job } = await federation.researcher.document<{ job: string }>('job', 'submit', file)
  return job
}

export async function approve(federation: Federation, job: string): Promise<void> {
  const site = federation.node(BY_HAND)
  await eventually(`the job reaches ${BY_HAND}`, async () => (await site.view(job))?.status === 'waiting' || undefined)
  await site.document('job', 'approve', job)
}

/** Every member of the committee that runs holds the approval of this site. */
export async function approvalRecorded(federation: Federation, job: string, name: string): Promise<void> {
  for (const member of federation.members.filter(({ alive }) => alive)) {
    await eventually(`${member.name} hears that ${name} approved`, async () => {
      return (await member.view(job))?.sites[name]?.status === 'approved' || undefined
    })
  }
}

/** Every member of the committee that runs holds the submission of this site. */
export async function submissionReceived(federation: Federation, job: string, name: string): Promise<void> {
  for (const member of federation.members.filter(({ alive }) => alive)) {
    await member.until(job, 'submission-received', { site: name, whole: true })
  }
}

export type Outcome = Omit<ResultDocument, 'receipt'> & {
  readonly exit: number | null
  /** where the files lie; null if there are none */
  readonly receipt: string | null
  readonly resultFile: string | null
}

/** Waits for the end of a job at the researcher. */
export async function outcomeOf(federation: Federation, job: string): Promise<Outcome> {
  const { exit, stdout, stderr } = await federation.researcher.flamesh(
    'job',
    'result',
    job,
    '--wait',
    '--timeout',
    '90s',
  )
  const document = JSON.parse(stdout) as Omit<Outcome, 'exit'> | { error: unknown }
  if ('error' in document) assert.fail(`${stderr}\n${situation(federation, job)}`)
  return { exit, ...document }
}

/** What every node's record says about a job, for whoever looks for the cause of a failure. */
function situation({ nodes }: Federation, job: string): string {
  const lines = nodes.map((node) => {
    const own = node.audit().filter(({ fields }) => fields['job'] === job)
    const words = own.map(({ event, fields }) =>
      [event, fields['round'], fields['attempt'], fields['code']].filter(Boolean),
    )
    return `${node.name}: ${words.map((parts) => parts.join(' ')).join(', ')}`
  })
  return lines.join('\n')
}

const within = (found: number, expected: number): boolean => Math.abs(found - expected) <= 1e-9 * Math.abs(expected)

/** The job released the moments of these sites' rows, and of nobody else's. */
export async function assertReleased(
  federation: Federation,
  job: string,
  survivors: readonly string[] = SITES,
): Promise<Outcome> {
  const outcome = await outcomeOf(federation, job)
  assert.equal(outcome.status, 'released', `${outcome.code}: ${situation(federation, job)}`)
  assert.equal(outcome.exit, 0)
  const included = Object.keys(outcome.sites).filter((name) => outcome.sites[name]?.included === true)
  assert.deepEqual(included.sort(), [...survivors])
  assert.ok(outcome.result)
  const { age } = outcome.result['describe'] as { age: Moments }
  const expected = momentsOf(survivors)
  assert.equal(age.n, expected.n)
  assert.ok(
    within(age.mean, expected.mean) && within(age.variance, expected.variance),
    JSON.stringify({ age, expected }),
  )
  return outcome
}

/** Whoever was away, and is back, learns how the job ended. */
export async function assertEnded(
  federation: Federation,
  job: string,
  names: readonly string[],
  status = 'released',
): Promise<void> {
  for (const name of names) {
    await eventually(`${name} learns that the job is ${status}`, async () => {
      return (await federation.node(name).view(job))?.status === status || undefined
    })
    if (COMMITTEE.includes(name)) await federation.node(name).until(job, 'job-ended', { status })
  }
}
