/** What `flamesh feasibility` makes of its words, and of an answer. */
import assert from 'node:assert/strict'
import { feasibilityDocument, feasibilityText } from '@flamesh/node/cli/feasibility-job.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { canonicalWhere } from '@flamesh/protocol/jobs/check.js'
import { readDocument } from '@flamesh/protocol/jobs/document.js'
import { jobBody } from '../control/fake-peer.js'

const documentOf = async (where: readonly string[], more: object = {}) =>
  readDocument(await feasibilityDocument({ dataset: 'lung', where, ...more }))

describe('feasibility in words', () => {
  it('is the job document that a file would hold', async () => {
    const words = await documentOf([
      'age at-least 18',
      'sex in f, m',
      'stage is II b',
      'ph.ecog present',
      'wt loss is-not 0',
    ])
    const yaml = await documentOf([
      '[{column: age, at-least: 18}, {column: sex, in: [f, m]}]',
      '{column: stage, is: "II b"}',
      '{column: ph.ecog, present: true}',
      '{column: wt loss, is-not: 0}',
    ])
    assert.deepEqual(canonicalWhere(words.where), canonicalWhere(yaml.where))
    assert.deepEqual(canonicalWhere(words.where)[0], { column: 'age', operator: 'at-least', values: [18] })
    assert.equal(words.analysis, 'feasibility')
  })

  it('has its own cohort and strata', async () => {
    const more = {
      by: ['sex', '{column: stage, levels: [I, II]}'],
      sites: 'site-a, site-b',
      minimum: 4,
      approveWithin: '30s',
    }
    const { parameters, cohort } = await documentOf([], more)
    assert.deepEqual(parameters, { by: ['sex', { column: 'stage', levels: ['I', 'II'] }] })
    assert.deepEqual(cohort, { sites: ['site-a', 'site-b'], minimum: 4, approveWithin: 30_000 })
  })

  it('is refused where it is no condition, with one that would be', async () => {
    for (const text of ['age', 'age > 18', 'at-least 18', 'age at-least'])
      await assert.rejects(feasibilityDocument({ dataset: 'lung', where: [text] }), { code: 'usage' }, text)
    await assert.rejects(feasibilityDocument({ dataset: 'lung', where: ['{column: age'] }), { code: 'yaml-invalid' })
  })
})

describe('an answer about feasibility', () => {
  const present = (released: object, by: readonly object[] = []): Readonly<Record<string, unknown>> =>
    findAnalysis('feasibility')?.present(
      { contributors: 6, leftOut: 1, minimum: 5, n: 120, cells: [], rowTotals: [], columnTotals: [], ...released },
      { by },
    ) ?? {}
  const text = (result: Readonly<Record<string, unknown>> | null, code?: string): string =>
    feasibilityText({ result, ...(code === undefined ? {} : { code }) }, jobBody) ?? ''

  it('is the number of rows, and of how many sites', () => {
    assert.equal(
      text(present({})),
      'rows   120\nsites  6 contributed; 1 approved and have fewer than 3 such rows, not counted\n',
    )
  })

  it('has strata, and what the withheld ones have together', () => {
    const sex = { column: 'sex', levels: ['f', 'm'] }
    const lines = text(present({ cells: [null, 50, null] }, [sex])).split('\n')
    assert.match(lines.join('\n'), /^m +50$/m)
    assert.match(lines.join('\n'), /^withheld +70 of these/m)
  })

  it('is no number where there are too few, and then no hint of one either', () => {
    const few = text(null, 'too-few-contributors')
    assert.equal(few, 'rows  fewer than 5, perhaps none, or fewer than 5 sites have three of them\n')
    assert.match(text(present({ n: null })), /^rows +all that there are, but for fewer than 5, perhaps none/m)
    assert.equal(feasibilityText({ result: null, code: 'guard' }, jobBody), undefined)
  })
})
