/** Jobs that must not run, or not again. */
import assert from 'node:assert/strict'
import { SITES } from '../data.js'
import { BY_HAND, type Federation, PICKY } from '../federation.js'
import { approve, assertEnded, assertReleased, outcomeOf, submit } from '../jobs.js'
import { eventually } from '../processes.js'
import { visit } from '../visitor.js'

const REFUSED_BY_POLICY = 6
const TOO_FEW = 7

/** The job ended without a result because too few organisations approved, with this exit code; its receipt proves that. */
async function assertTooFew(
  federation: Federation,
  job: string,
  exit: number,
  refused: Readonly<Record<string, string>>,
): Promise<void> {
  const outcome = await outcomeOf(federation, job)
  assert.deepEqual([outcome.exit, outcome.status, outcome.code], [exit, 'failed', 'cohort-below-minimum'])
  assert.equal(outcome.result, null)
  const codes = Object.entries(outcome.sites).flatMap(([name, { status, code }]) =>
    status === 'refused' ? [[name, code]] : [],
  )
  assert.deepEqual(Object.fromEntries(codes), refused)
  for (const node of federation.nodes) assert.deepEqual(node.auditOf(job, 'submitted'), [])
  const { verified } = await federation.researcher.document('receipt', 'verify', String(outcome.receipt))
  assert.equal(verified, true)
}

export function refusals(federation: () => Federation): void {
  it('a job no site may run is refused by each, with the rule', async () => {
    const job = await submit(federation(), { purpose: 'insurance rating' })
    await assertTooFew(
      federation(),
      job,
      REFUSED_BY_POLICY,
      Object.fromEntries(SITES.map((name) => [name, 'policy-never'])),
    )
  })

  it('a job is held against the schema of every site before anybody signs it', async () => {
    const parameters = { columns: ['age'], by: { column: 'centre', levels: ['1', '2'] } }
    const job = { name: 'ages', analysis: 'describe', dataset: 'patients', parameters }
    const { researcher } = federation()
    const file = await federation().file('checked.yaml', JSON.stringify(job))
    const known = (await researcher.flamesh('job', 'check', file)).exit
    assert.notEqual(known, 0, 'no site has a column centre')
    const fitting = { ...job, parameters: { columns: ['age'] } }
    const fits = await federation().file('checked.yaml', JSON.stringify(fitting))
    const { sites } = await researcher.document<{ sites: object[] }>('job', 'check', fits)
    assert.deepEqual(
      sites.map((one) => ({ ...one, roundedRows: 0 })),
      SITES.map((site) => ({ site, roundedRows: 0, columns: ['age'], misfits: [] })),
    )
  })

  it('a cohort one below the minimum computes nothing', async () => {
    const job = await submit(federation(), { purpose: 'marketing' })
    const operator = federation().node(BY_HAND)
    await eventually(
      'the job reaches the operator',
      async () => (await operator.view(job))?.status === 'waiting' || undefined,
    )
    await operator.document('job', 'refuse', job, '--reason', 'not for us')
    await assertTooFew(federation(), job, TOO_FEW, { [PICKY]: 'policy-never', [BY_HAND]: 'operator' })
  })

  it('a job that is replayed, or altered in one byte, changes nothing', async () => {
    const job = await submit(federation())
    await approve(federation(), job)
    const { receipt } = await assertReleased(federation(), job)
    await assertEnded(federation(), job, SITES)
    await visit(federation(), async (visitor) => {
      const signed = await visitor.jobOf(String(receipt))
      assert.deepEqual(await visitor.send('site-a', signed), { verdict: 'ignore', code: 'known' })
      for (const at of [signed.length >> 2, signed.length >> 1, signed.length - 1]) {
        const altered = Uint8Array.from(signed, (byte, index) => (index === at ? byte ^ 1 : byte))
        assert.equal((await visitor.send('site-a', altered)).verdict, 'reject')
      }
    })
    assert.equal(federation().node('site-a').auditOf(job, 'submitted').length, 1)
    assert.equal(federation().node('site-a').auditOf(job, 'opened').length, 1)
  })
}
