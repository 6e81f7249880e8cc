/** Pages of the examples, with the facts of an invented job. */
import type { ReportFacts } from '@flamesh/node/report/facts.js'
import { renderReport } from '@flamesh/node/report/page.js'
import { jobView } from '../control/fake-peer.js'
import { exampleResult } from './examples.js'

export const JOB = 'ab'.repeat(32)

export function factsOf(analysis: string, parameters: unknown, changes: Partial<ReportFacts> = {}): ReportFacts {
  const view = jobView(JOB, {
    name: `${analysis} of the example`,
    purpose: 'an example for the tests',
    analysis,
    status: 'released',
  })
  const body = { ...view.body, analysis: { ...view.body.analysis, name: analysis }, parameters: parameters as never }
  const { code: _, message: __, ...rest } = view
  return {
    view: { ...rest, body },
    sites: {
      'site-a': { status: 'submitted', included: true },
      'site-b': { status: 'submitted', included: true },
      'site-c': { status: 'submitted', included: true },
      'site-d': { status: 'submitted', included: true },
      'site-e': { status: 'refused', code: 'policy-never' },
    },
    receipt: { sha256: 'cd'.repeat(32), report: { ok: true, findings: [], summary: undefined } },
    version: '0.1.0',
    madeMs: Date.UTC(2026, 10, 29),
    ...changes,
  }
}

export function pageOf(title: string, changes: Partial<ReportFacts> = {}): string {
  const { analysis, parameters, result } = exampleResult(title)
  return renderReport(result, factsOf(analysis, parameters, changes))
}
