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
        ['cox-pooled', 1, true],
        ['describe', 1, false],
        ['feasibility', 1, false],
        ['glm', 1, true],
        ['histogram', 1, false],
        ['k-means', 1, true],
        ['linear', 1, false],
        ['log-rank', 1, false],
        ['logistic', 1, true],
        ['mantel-haenszel', 1, false],
        ['meta-analysis', 1, true],
        ['moments', 1, true],
        ['pca', 1, false],
        ['quantiles', 1, true],
        ['rates', 1, false],
        ['ridge', 1, false],
        ['roc', 1, false],
        ['survival', 1, false],
        ['table', 1, false],
        ['table1', 1, false],
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
  'compare-means': '10b1a39f12478dd228ba830c1e1a35b1046018e9521f33ff0b0ac29b80a03357',
  correlation: 'fcb2f73f38653fc69f08b6095258af39a3aad88294d1e009c3b0d95e5ed8e511',
  cox: '17fb8c3451b85538e2da45a1b9346db8a18c605d1964c75391c7c14591be8d04',
  'cox-pooled': '7c49af37214d99130649a4c4c244759caaa80af5bbfcc6a9332c72e47025b683',
  describe: '005e061fe84e5c60930d53ad0680bc8e6d1b0471a45d0f2ef8f99abb85c6892f',
  feasibility: 'b84945dbff7c81c47c2f6307c5623aa3fa57642e91a71c0fdc118e43e6d8922d',
  glm: 'c33f2201c6fecb6c4ea1555f5804beb33b76a72f92959b34c9c2ca7f450e970c',
  histogram: 'ef3542ef03dc1560afef2b4643e18004231f1cfb366171339fb6e52be0918ace',
  'k-means': 'e652638eaef4ed1cf8865ddaace2d8ebd3bcdb82d7c0d13a8b1c00bb639a70e8',
  linear: '562e0e443fac896c1f24458d2db887965cf44c67da8d3bbf71ec75b5bf7e4cf1',
  'log-rank': 'd187dda618e1a2c0bbb4d1b0a9f9db872b13773ef7e1b0540226e5c8bd780e5a',
  logistic: '219538faf8bfb523ab12cbcd44759a0694a54f099d305e5c795313e5aecfb8d9',
  'mantel-haenszel': '7efa1b10656c40f50a627ca63bb7d622fadc3e69100eb4f8b3ce3244b0c23443',
  'meta-analysis': '3b4e783374fccecfd88414c65db81762a7636512b56c79cd3ec49ab5ef510e82',
  moments: '055a79aeddeb50294bd1a7f416fd6cafd2a4e15a34cbe0ba17b3c18fa6160163',
  pca: '4846532253747c0c94b9ad94bea42c294da0d55772f3db0c2a0313aae576c7b9',
  quantiles: '86724ea1de68bd1382ddbc392eb9556931899eedd84f43dfc2aa568f9b971bbe',
  rates: 'd7f27e8730ab197470b081f98e0a1a96a8afe1ce55d4a709af848c0a3de8b4a0',
  ridge: 'c2e715d9bf2021c9ceea4b61b0ff0ae8b44e891c059f24b8c3d789834c77f6a1',
  roc: '6ecae80c85d491bceb8a53c793d623f90f3d25e8521c3969fa47dd4e69ee3d0e',
  survival: '0007a626e32478e4cc302e57ef6da3f89e7d2da355fb67a5a0950f9836ba0256',
  table: '9805d738b0430329636735331aea7500f1e01a8a58d747322971e5a3c9585237',
  table1: 'ad267993a7de6c5708203d6d4b8622f8179a34f59550066876dd50c95d09c87d',
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
      'Σ age (second word)',
      'Σ age²',
      'Σ age² (second word)',
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
