import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { descriptionHash, digestOf } from '@flamesh/protocol/images/description.js'
import { type CompileContext, compileJob } from '@flamesh/protocol/jobs/compile.js'
import { jobSchema } from '@flamesh/protocol/jobs/job.js'
import { parse } from 'yaml'
import { description } from '../images/fixtures.js'
import {
  attesting,
  compile,
  compileImage,
  context,
  DESCRIBE,
  keyOf,
  LUNG,
  NOW,
  roster,
  SITES,
  thrown,
  thrownCode,
} from './support.js'

const COX = {
  analysis: 'cox',
  parameters: { time: 'time', event: { column: 'status', is: 2 }, covariates: ['age', 'sex'] },
}

describe('compiling a job of an image', () => {
  const image = description()
  const refusal = (of: ReturnType<typeof attesting>) =>
    thrown(() =>
      compileJob(
        { name: 'a report', dataset: 'lung', image: image.image, columns: ['age'] },
        { ...context, roster: of },
      ),
    )

  it('takes the description that the hub attests for its digest, wherever it is found', () => {
    const job = compileImage(image, { image: `mirror.example.org/tree@${digestOf(image)}`, rounds: 3 })
    assert.deepEqual(job.image, image)
    assert.equal(job.analysis.hash, descriptionHash(image))
    assert.deepEqual([job.maxRounds, job.dropout], [3, 'pause'])
  })

  it('says what to do where the hub attests no such image, or does no more', () => {
    const unknown = refusal(roster)
    assert.equal(unknown.code, 'job-invalid')
    assert.match(unknown.message, /attests no image with the digest sha256:1f/)
    assert.match(unknown.hint ?? '', /flamesh-hub review.*flamesh-hub attest --image/)
    const near = refusal(attesting(description({ image: `${image.image.slice(0, -1)}e` })))
    assert.match(near.hint ?? '', /1f1e"/)
    const withdrawn = refusal(attesting(image, true))
    assert.match(withdrawn.message, /withdrew its attestation/)
    assert.match(withdrawn.hint ?? '', /ask the hub's operator/)
  })
})

describe('compiling a job', () => {
  it('resolves names, times and defaults', () => {
    const job = compile({
      cohort: { sites: [...SITES].reverse(), minimum: 6, approveWithin: '5m' },
      recipients: ['ruth', 'bea'],
      expires: '1d',
    })
    assert.deepEqual(job.cohort, { sites: SITES.map(keyOf).sort(), minimum: 6, approveWithinMs: 300_000 })
    assert.deepEqual(job.recipients, [keyOf('ruth'), keyOf('bea')].sort())
    assert.equal(job.researcher, keyOf('ruth'))
    assert.equal(job.committee, 12)
    assert.deepEqual([job.notBefore, job.notAfter], [NOW, NOW + 86_400_000])
    assert.deepEqual(job.checkpoint, context.checkpoint)
    assert.deepEqual([job.dropout, job.maxRounds, job.opening, job.privacy.mechanism], ['drop', 1, 'committee', 'none'])
    assert.equal(jobSchema.safeParse(job).success, true)
  })

  it('waits for missing sites in an analysis of several rounds', () => {
    const job = compile(COX)
    assert.equal(job.dropout, 'pause')
    assert.ok(job.maxRounds > 1)
    assert.deepEqual(compile({ ...COX, dropout: 'pause' }), job)
  })

  it('asks for more organisations where more may collude', () => {
    assert.equal(compile().cohort.minimum, 5)
    assert.equal(compile({ maxColluding: 6 }).cohort.minimum, 8)
  })

  it('writes fractions as text, and conditions in their one form', () => {
    const job = compile({
      where: [
        { column: 'sex', in: ['2', 1] },
        { column: 'age', 'at-least': 18.5, below: 80 },
      ],
    })
    assert.deepEqual(job.where, [
      { column: 'age', operator: 'at-least', values: ['18.5'] },
      { column: 'age', operator: 'below', values: [80] },
      { column: 'sex', operator: 'in', values: [1, 2] },
    ])
  })

  const wrong: readonly [string, Record<string, unknown>, string, RegExp][] = [
    ['an unknown analysis', { analysis: 'descibe' }, 'analysis', /"describe"/],
    ['an unknown dataset', { dataset: 'lungs' }, 'dataset', /"lung"/],
    ['an unknown column in a condition', { where: [{ column: 'ages', is: 3 }] }, 'where', /"age"/],
    ['an unknown column in the parameters', { parameters: { columns: ['wt_loss'] } }, 'parameters', /"wt.loss"/],
    ['parameters of another shape', { parameters: { columns: 7 } }, 'parameters.columns', /./],
    [
      'a parameter that does not exist',
      { parameters: { columns: ['age'], colour: 'red' } },
      'parameters.colour',
      /no such field/,
    ],
    ['an unknown site', { cohort: { sites: ['site-a', 'site-x'] } }, 'cohort.sites[1]', /"site-/],
    ['a member that is no site', { cohort: { sites: ['ruth'] } }, 'cohort.sites[0]', /not a site/],
    ['an unknown recipient', { recipients: ['beo'] }, 'recipients[0]', /"bea"/],
    ['fewer sites than the minimum', { cohort: { sites: SITES.slice(0, 4) } }, 'cohort.minimum', /4/],
    [
      'two sites of one organisation',
      { cohort: { sites: [...SITES.slice(0, 5), 'site-a2'] } },
      'cohort.sites',
      /organisation/,
    ],
    ['a minimum that colluders could beat', { cohort: { minimum: 5 }, maxColluding: 4 }, 'cohort.minimum', /6/],
    ['a pause where none is needed', { dropout: 'pause' }, 'dropout', /drop/],
    ['a dropout that would show a site', { ...COX, dropout: 'drop' }, 'dropout', /pause/],
    ['too long a life', { expires: '31d' }, 'expires', /30 days/],
    ['an expiry before the cohort is fixed', { expires: '10m' }, 'expires', /cohort/],
    ['recipients in two seats of the committee', { recipients: ['adam', 'bea'] }, 'recipients', /organisation/],
  ]
  for (const [what, document, path, said] of wrong) {
    it(`explains ${what}`, () => {
      const error = thrown(() => compile(document))
      assert.equal(error.code, 'job-invalid')
      assert.equal(error.meta['path'], path)
      assert.match(`${error.message} ${error.hint ?? ''}`, said)
    })
  }

  it('explains what the mesh lacks', () => {
    const lacking = (changes: Partial<CompileContext>) => thrown(() => compile({}, changes))
    assert.match(lacking({ catalogue: new Map() }).hint ?? '', /connected/)
    assert.match(lacking({ roster: { ...roster, committees: new Map() } }).message, /committee/)
    assert.match(lacking({ researcher: keyOf('site-e') }).message, /researcher/)
    assert.match(lacking({ nowMs: NOW + 100 * 86_400_000 }).message, /researcher/)
  })

  it('refuses what is not offered before anything else', () => {
    assert.equal(
      thrownCode(() => compileJob({ opening: 'recipients', nonsense: 1 }, context)),
      'opening-not-offered',
    )
    assert.equal(
      thrownCode(() => compile({ opening: 'recipients' })),
      'opening-not-offered',
    )
    assert.equal(
      thrownCode(() => compile({ privacy: { mechanism: 'skellam' } })),
      'privacy-not-offered',
    )
  })

  it('fits into one message', () => {
    const values = (at: number) => Array.from({ length: 40 }, (_, n) => `${at} ${n}`.padEnd(100, '.'))
    const where = Array.from({ length: 32 }, (_, at) => ({ column: 'age', in: values(at) }))
    assert.equal(compile({ where: where.slice(0, 10) }).where.length, 10)
    assert.match(thrown(() => compile({ where })).message, /larger/)
  })

  it('takes the levels of a factor from every site that announced the dataset, and from no other', () => {
    const announce = (levels: string[]) => ({
      ...LUNG,
      columns: LUNG.columns.map((one) => (one.name === 'ph.ecog' ? { ...one, levels } : one)),
    })
    const catalogue = new Map([
      ['site-a', [announce(['1', '0'])]],
      ['site-b', [announce(['2', '1']), { ...announce(['9']), name: 'other' }]],
    ])
    const table = { analysis: 'table', parameters: { rows: 'ph.ecog', columns: 'sex' } }
    const text = JSON.stringify(compile(table, { catalogue }).parameters)
    assert.match(text, /"0","1","2"/)
    assert.doesNotMatch(text, /9/)
    const ordered = (levels: string[]) =>
      JSON.stringify(compile(table, { catalogue: new Map([['site-a', [announce(levels)]]]) }).parameters)
    assert.match(ordered(['10', '9', '1']), /"1","9","10"/)
    assert.match(ordered(['10', '9', 'x']), /"10","9","x"/)
  })
})

describe('example jobs', () => {
  const folder = new URL('../../../docs/examples/jobs/', import.meta.url)
  for (const file of readdirSync(folder)) {
    it(`compiles ${file}`, () => {
      const job = compileJob(parse(readFileSync(new URL(file, folder), 'utf8')), context)
      assert.equal(jobSchema.safeParse(job).success, true)
    })
  }

  it('are there, one for each analysis', () => {
    assert.ok(readdirSync(folder).length >= 5)
    assert.ok(DESCRIBE.analysis === 'describe')
  })
})
