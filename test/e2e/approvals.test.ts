/** What an operator is told and does, by the real commands: policies held against a job of an image, and four eyes. */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ShownJobDocument } from '@flamesh/node/control/documents.js'
import type { PolicyDecision } from '@flamesh/protocol/jobs/evaluate.js'
import { attest } from './attesting.js'
import { SITES } from './data.js'
import { BY_HAND, Federation } from './federation.js'
import { assertReleased, submit } from './jobs.js'
import { eventually, type Run, run } from './processes.js'

const FLAMESH = fileURLToPath(new URL('../../node/bin/flamesh.js', import.meta.url))
const EXAMPLES = fileURLToPath(new URL('../../docs/examples/policies/', import.meta.url))
/** Has one policy after the other put in force. */
const CHECKED = 'site-e'
const DIGEST = `sha256:${'1f'.repeat(32)}`
const IMAGE = `registry.example.org/cohorts/ages@${DIGEST}`
const DESCRIPTION = {
  contract: 1,
  image: IMAGE,
  source: { location: 'https://git.example.org/cohorts/ages', commit: 'c0'.repeat(20) },
  sbom: '5b'.repeat(32),
  output: [{ name: 'age', kind: 'sum', lower: 0, upper: 1e6 }],
  combine: 'sum',
  resources: ['gpu'],
}
const JOB = { name: 'ages', purpose: 'research', image: IMAGE, columns: ['age'], dataset: 'patients' }

describe('what an operator sees and signs, end to end', function () {
  this.timeout(180_000)
  let federation: Federation
  before(async () => {
    federation = await Federation.create()
  })
  after(() => federation?.close())

  /** What a policy that is in force at a site says to a job of a file, and with which exit code. */
  async function check(
    site: string,
    policy: string,
    document: object,
  ): Promise<PolicyDecision & { exit: number | null }> {
    const node = federation.node(site)
    await node.document('policy', 'set', policy)
    const file = await federation.file('check.yaml', JSON.stringify(document))
    const { exit, stdout } = await node.flamesh('policy', 'check', file)
    return { exit, ...(JSON.parse(stdout) as PolicyDecision) }
  }

  it('policy check explains what becomes of a job of an image, and what is missing if the hub attests none', async () => {
    const file = await federation.file('job.yaml', JSON.stringify(JOB))
    const site = federation.node(CHECKED)
    const { exit, stderr } = await site.flamesh('policy', 'check', file)
    assert.equal(exit, 2)
    assert.match(stderr, /error: image: the hub attests no image with the digest sha256:1f/)
    assert.match(stderr, /hint: its reviewers sign its description \("flamesh-hub review"\)/)
    await attest(federation, DESCRIPTION)
    await eventually('the site hears of the attestation', async () => {
      const { exit: now } = await site.flamesh('policy', 'check', file)
      return now !== 2 || undefined
    })
    const liberal = await check(CHECKED, `${EXAMPLES}liberal.yaml`, JOB)
    assert.deepEqual([liberal.exit, liberal.decision, liberal.code], [0, 'approve', 'policy'])
    const rules = new Map(liberal.rules.map((one) => [one.rule, one.message]))
    assert.equal(rules.get('resource-not-granted'), 'granted: gpu')
    assert.equal(rules.get('outside-policy'), '"approve" rule 2 covers the job')
    const strict = { ...JOB, minimumCell: 10, maxColluding: 2, cohort: { minimum: 8 } }
    const cautious = await check(CHECKED, `${EXAMPLES}cautious.yaml`, strict)
    assert.deepEqual([cautious.exit, cautious.decision, cautious.code], [6, 'refuse', 'resource-not-granted'])
    assert.match(cautious.message, /needs gpu, which the policy does not grant/)
    assert.deepEqual(
      cautious.rules.filter((one) => one.outcome !== 'pass').map((one) => [one.outcome, one.rule]),
      [
        ['refuse', 'resource-not-granted'],
        ['ask', 'outside-policy'],
        ['ask', 'four-eyes'],
      ],
    )
    // nobody was asked anything, and nothing ran
    for (const node of federation.nodes) assert.deepEqual((await node.document<{ jobs: [] }>('job', 'list')).jobs, [])
  })

  it('four eyes: a job waits for the second operator, over a kill, and the receipt names both', async () => {
    const node = federation.node(BY_HAND)
    const keyFile = (name: string): string => join(federation.folder, `operator-${name}`)
    const operators: object[] = []
    for (const name of ['ada', 'bo', 'cleo']) {
      const { key } = await node.document<{ key: string }>('operator', 'key', keyFile(name))
      operators.push({ name, key })
      assert.equal(statSync(keyFile(name)).mode & 0o777, 0o600)
    }
    const approve = (name: string): Promise<Run> => node.flamesh('job', 'approve', job, '--key', keyFile(name))
    const policy = { version: 1, approvals: { needed: 2, operators: operators.slice(0, 2) } }
    await node.document('policy', 'set', await federation.file('four-eyes.yaml', JSON.stringify(policy)))
    const job = await submit(federation)
    await eventually('the job waits', async () => (await node.view(job))?.status === 'waiting' || undefined)

    const { stdout: told } = await run([FLAMESH, 'job', 'show', job, '--dir', node.dir])
    assert.match(told, /^columns read +age$/m)
    assert.match(told, /^approvals +2 operators must sign; signed: nobody; not yet: ada, bo$/m)
    assert.match(told, /committee default sees the sum over all sites of each round.*site-a \(org-site-a\)/)
    const without = await node.flamesh('job', 'approve', job)
    assert.deepEqual([without.exit, JSON.parse(without.stdout).error.code], [2, 'operator-key-needed'])
    const stranger = await approve('cleo')
    assert.deepEqual([stranger.exit, JSON.parse(stranger.stdout).error.code], [6, 'operator-unknown'])

    const { exit, stdout } = await approve('ada')
    assert.equal(exit, 0, stdout)
    assert.equal((JSON.parse(stdout) as ShownJobDocument).status, 'waiting')
    await node.kill()
    await node.start()
    const { brief } = await node.document<ShownJobDocument>('job', 'show', job)
    assert.deepEqual(
      brief.approvals.operators.map((one) => [one.name, one.signed]),
      [
        ['ada', true],
        ['bo', false],
      ],
    )
    assert.equal((await approve('bo')).exit, 0)
    assert.deepEqual(
      node.auditOf(job, 'operator-approved').map((line) => [line.fields['operator'], line.fields['missing']]),
      [
        ['ada', 1],
        ['bo', 0],
      ],
    )
    // the cautious policy asks for more organisations
    const outcome = await assertReleased(
      federation,
      job,
      SITES.filter((name) => name !== CHECKED),
    )
    const verified = await run([FLAMESH, 'receipt', 'verify', outcome.receipt as string, '--dir', node.dir])
    assert.equal(verified.exit, 0, verified.stdout)
    assert.match(verified.stdout, /^signed by operators +at site-f ada and bo$/m)
  })
})
