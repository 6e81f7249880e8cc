import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { listAnalyses } from '@flamesh/protocol/analyses/registry.js'
import { runFederated } from '../protocol/analyses/federation.js'
import { CASES, cut, makeColumns, rowsFrom } from './analyses-cases.js'

describe('the bench of the analyses', () => {
  const names = listAnalyses().map(({ name }) => name)

  it('has a case for each, and R does the same', () => {
    assert.deepEqual(Object.keys(CASES).toSorted(), names.toSorted())
    const script = readFileSync(new URL('analyses.R', import.meta.url), 'utf8')
    const inR = [...script.matchAll(/^ {2}`?([a-z0-9-]+)`? = function/gm)].map(([, name]) => name)
    assert.deepEqual(inR.toSorted(), names.toSorted())
  })

  it('ends each in a number', () => {
    const rows = rowsFrom(makeColumns(4000))
    for (const [name, { parameters, sites = 1, value }] of Object.entries(CASES)) {
      const rules = { minimumCell: 5, minimumContributors: 1 }
      const { result, outcome } = runFederated(name, cut(rows, sites), parameters, rules)
      assert.equal(outcome.kind, 'result', `${name}: ${JSON.stringify(outcome)}`)
      assert.ok(Number.isFinite(value(result)), name)
    }
  })
})
