import assert from 'node:assert/strict'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { analysisHash, findAnalysis, listAnalyses } from '@flamesh/protocol/analyses/registry.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { known, type Loose } from './federation.js'

const announced = new Map([
  ['sex', ['1', '2']],
  ['ph.ecog', ['0', '1', '2']],
])
const levelsOf = (column: string) => announced.get(column) ?? []
const complete = (name: string, written: unknown) =>
  known(name).parameters.parse(known(name).complete(written, levelsOf))
const accepts = (name: string, parameters: unknown) => known(name).parameters.safeParse(parameters).success

const event = { column: 'status', is: '2' }
const sex = { column: 'sex', levels: ['1', '2'] }

describe('parameters as users write them', () => {
  it('get levels, references and defaults', () => {
    assert.deepEqual(complete('table', { rows: 'sex', columns: { column: 'status', is: 2 } }), {
      rows: sex,
      columns: event,
    })
    assert.deepEqual(complete('describe', { columns: ['age'] }), { columns: ['age'] })
    assert.deepEqual(complete('describe', { columns: ['age'], by: 'sex' }), { columns: ['age'], by: sex })
    assert.deepEqual(complete('describe', { columns: ['age'], by: { column: 'arm', levels: [1, 2, true] } }), {
      columns: ['age'],
      by: { column: 'arm', levels: ['1', '2', 'true'] },
    })
    const covariates = ['age', { column: 'ph.ecog' }, { column: 'sex', reference: 2 }]
    const coded = ['age', { column: 'ph.ecog', levels: ['0', '1', '2'], reference: '0' }, { ...sex, reference: '2' }]
    assert.deepEqual(complete('linear', { outcome: 'meal.cal', covariates }), {
      outcome: 'meal.cal',
      covariates: coded,
      strata: 'none',
    })
    assert.deepEqual(complete('logistic', { outcome: { column: 'status', is: 2 }, covariates }), {
      outcome: event,
      covariates: coded,
    })
    assert.deepEqual(complete('cox', { time: 'time', event, covariates }), {
      time: 'time',
      event,
      covariates: coded,
      strata: 'site',
    })
  })

  it('canonical ones stay as they are, and survive their encoding', () => {
    const cases: [string, Loose][] = [
      ['describe', { columns: ['age'], by: sex }],
      ['table', { rows: sex, columns: event }],
      ['linear', { outcome: 'meal.cal', covariates: ['age', { ...sex, reference: '2' }], strata: 'site' }],
      ['logistic', { outcome: 'event', covariates: ['age'] }],
      ['cox', { time: 'time', event: 'event', covariates: ['age'], strata: 'site' }],
    ]
    for (const [name, parameters] of cases) {
      assert.deepEqual(complete(name, parameters), parameters)
      assert.deepEqual(known(name).parameters.parse(decode(encode(parameters))), parameters)
    }
  })

  it('without announced levels are refused with a hint', () => {
    assert.throws(
      () => complete('table', { rows: 'grade', columns: event }),
      (error) => {
        assert.ok(error instanceof FlameshError)
        assert.deepEqual([error.code, error.meta['column']], ['levels-unknown', 'grade'])
        return error.hint?.includes('grade') === true
      },
    )
    assert.throws(() => known('cox').complete({ covariates: [{ column: 'grade' }] }, () => undefined), {
      code: 'levels-unknown',
    })
  })

  it('that make no sense pass through completion and fail the schema', () => {
    for (const { name, complete, parameters } of listAnalyses()) {
      for (const written of [
        undefined,
        null,
        7,
        'text',
        [],
        // nothing at all is a question to an analysis that needs no parameter
        ...(name === 'feasibility' ? [] : [{}]),
        { columns: 7, rows: [], covariates: {}, by: 3, outcome: [], event: null },
      ]) {
        assert.equal(
          parameters.safeParse(complete(written, levelsOf)).success,
          false,
          `${name} ${JSON.stringify(written)}`,
        )
      }
    }
  })

  it('are strict', () => {
    const good = { outcome: 'y', covariates: ['a', 'b'], strata: 'none' }
    assert.ok(accepts('linear', good))
    for (const bad of [
      { ...good, extra: 1 },
      { ...good, covariates: [] },
      { ...good, covariates: ['a', 'a'] },
      { ...good, covariates: ['a', 'y'] },
      { ...good, covariates: [1.5] },
      { ...good, covariates: [{ column: 'a', levels: ['1', '2'], reference: '3' }] },
      { ...good, covariates: [{ column: 'a', levels: ['1', '1'], reference: '1' }] },
      { ...good, covariates: [{ column: 'a', levels: ['1'], reference: '1' }] },
      { ...good, covariates: [{ column: 'a', levels: Array.from({ length: 41 }, (_, i) => `${i}`), reference: '1' }] },
      {
        ...good,
        covariates: Array.from({ length: 6 }, (_, c) => ({
          column: `c${c}`,
          levels: Array.from({ length: 40 }, (_, i) => `${i}`),
          reference: '1',
        })),
      },
      { ...good, strata: 'ward' },
    ]) {
      assert.ok(!accepts('linear', bad), JSON.stringify(bad))
    }
    assert.ok(!accepts('table', { rows: sex, columns: { column: 'sex', is: '1' } }))
    assert.ok(!accepts('table', { rows: { column: 'status', is: 2 }, columns: sex }))
    assert.ok(!accepts('cox', { time: 't', event: 't', covariates: ['a'], strata: 'site' }))
    assert.ok(!accepts('cox', { time: 't', event, covariates: ['t'], strata: 'site' }))
    assert.ok(!accepts('logistic', { outcome: event, covariates: ['status'] }))
    assert.ok(!accepts('describe', { columns: ['a', 'a'] }))
  })

  it('name every column that is read', () => {
    const columns = (name: string, parameters: unknown) =>
      [...new Set(known(name).columns(parameters).map(columnOf))].sort()
    assert.deepEqual(columns('describe', { columns: ['age', 'sex'], by: sex }), ['age', 'sex'])
    assert.deepEqual(columns('table', { rows: sex, columns: event }), ['sex', 'status'])
    assert.deepEqual(
      columns('cox', { time: 't', event, covariates: ['a', { ...sex, reference: '1' }], strata: 'site' }),
      ['a', 'sex', 'status', 't'],
    )
    assert.deepEqual(columns('logistic', { outcome: 'y', covariates: ['a'] }), ['a', 'y'])
    assert.deepEqual(columns('linear', { outcome: 'y', covariates: ['a'], strata: 'none' }), ['a', 'y'])
  })
})

describe('the registry', () => {
  it('finds analyses by name and version, or the newest', () => {
    assert.deepEqual(
      listAnalyses().map(({ name, version, iterative }) => [name, version, iterative]),
      [
        ['compare-means', 1, false],
        ['correlation', 1, false],
        ['cox', 1, true],
        ['describe', 1, false],
        ['feasibility', 1, false],
        ['glm', 1, true],
        ['histogram', 1, false],
        ['linear', 1, false],
        ['logistic', 1, true],
        ['mantel-haenszel', 1, false],
        ['moments', 1, true],
        ['pca', 1, false],
        ['quantiles', 1, true],
        ['rates', 1, false],
        ['ridge', 1, false],
        ['roc', 1, false],
        ['survival', 1, false],
        ['table', 1, false],
      ],
    )
    for (const analysis of listAnalyses()) {
      assert.equal(findAnalysis(analysis.name), analysis)
      assert.equal(findAnalysis(analysis.name, 1), analysis)
    }
    assert.deepEqual([findAnalysis('cox', 2), findAnalysis('toString')], [undefined, undefined])
    assert.throws(() => analysisHash('cox', 2), { code: 'analysis-unknown' })
  })

  it('gives identities that change only with a version', () => {
    const hashes = Object.fromEntries(listAnalyses().map(({ name, version }) => [name, analysisHash(name, version)]))
    // what a definition says is signed into jobs: whoever changes one raises the version and adds a line
    assert.deepEqual(hashes, HASHES)
  })
})

const HASHES = {
  'compare-means': '939280a3cd7f3c1c074fb356856d5d412fe2813497bc3c15c51f1b5149d7b9d0',
  correlation: '21d89bfba110d2aa0df20398256ebbd1bd1185132eb7687223b61f9916865c3f',
  cox: '6910430f167185c0b3adf44e095338599b5fcf67f2c08eae19bbc981d8c488e6',
  describe: 'f8aef21697e3c9834b08e3c4988da2318235397f0eea452c4170751aa7b5cdc0',
  feasibility: '9ad7b5cd3858ef293cc8e711c4d46897dc510176aaf31a1153077ff0c6f847b9',
  glm: '36384d7cf277575432a57e974514a43391485336a82f95aa83887b34ecfa0f21',
  histogram: 'cef8c26c0d9667fb8c799fcf455101e8bc4d7f0fd3b0ecac2331b9f42fa3d179',
  linear: '97da2c7bf4a35ade4e70125b0202be3c872104968ca3f22fd54951c6b87f314d',
  logistic: '2f60ebfa18f6a5cbb40b94669e3d03073017425b1178ff28347de10a2befb249',
  'mantel-haenszel': 'b93fb8b53427b22b080bdf6667cfb28a762e42870a7f40cbb0df0d9899b6037b',
  moments: '15ae4122e269f9873031ddcc0813404a1893dbb30043b876e3b0a1a45cd5b014',
  pca: '62810f5e87e9be0ec763cf7b6fe1a058300ec87c7907103ae6f0c39f20a4c388',
  quantiles: 'f151219adcd780936d2aea05524f2ee7de99586c9bf2de8637349ab051cd6015',
  rates: '18e79f65e63c48e0f93b375e0c36d6edab00d7cab337650efb3901ca4fd505b2',
  ridge: '922adb18aa9bf4ba4b403947757f75826a5d592405a3666c7b807199c809cb44',
  roc: 'ceeac18c84ac40e006f5460dc9552b5ca9df46e34ad0a47e36a31ae0ad47f349',
  survival: 'bb87925b80b309908a25f6f5f5d30e7a13e8f93058dcd3ce840825a9665dffbf',
  table: '90933616f693fff56324a43343284b422129c2243f1bac04f29a4ff6e543d97c',
}

describe('slots', () => {
  it('are named for people', () => {
    const names = (name: string, parameters: unknown, state?: unknown) =>
      known(name)
        .plan(parameters, state)
        .slots.map((slot) => slot.name)
    assert.deepEqual(names('describe', { columns: ['age'] }), [
      'contributors',
      'rows',
      'sites with age',
      'missing age',
      'n age',
      'sites with any age',
      'Σ age',
      'Σ age (rest × 2^50)',
      'Σ age²',
      'Σ age² (rest × 2^50)',
    ])
    assert.ok(
      names('linear', { outcome: 'y', covariates: ['age', { ...sex, reference: '1' }], strata: 'none' }).includes(
        'Σ age × sex2',
      ),
    )
    assert.ok(names('table', { rows: sex, columns: event }).includes('sex=1, (status=2)=1'))
    const cox = { time: 't', event, covariates: ['age', 'sex'], strata: 'site' }
    assert.deepEqual(names('cox', cox), [
      'contributors',
      'rows',
      'missing',
      'events',
      'sites with events',
      'sites with rows without event',
    ])
    assert.ok(names('cox', cox, { iteration: 0, beta: [0, 0], best: null }).includes('information age × sex'))
  })
})
