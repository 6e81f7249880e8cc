/** Pages of the examples, with the facts of an invented job. */
import assert from 'node:assert/strict'
import type { ReportFacts } from '@flamesh/node/report/facts.js'
import { renderReport } from '@flamesh/node/report/page.js'
import { jobView } from '../control/fake-peer.js'
import { exampleResult } from './examples.js'
import { type Element, elements, parseMarkup, textOf } from './markup.js'

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

export const figures = (page: string): ReadonlyMap<string, Element> =>
  new Map(elements(parseMarkup(page), 'figure').map((one) => [one.attributes['id'] ?? '', one]))

/** All text of the wide drawing of a figure. */
export function drawn(page: string, id: string): readonly string[] {
  const figure = figures(page).get(id)
  assert.ok(figure, `there is a figure ${id}`)
  const [svg] = elements(figure, 'svg').filter(({ attributes }) => attributes['class'] === 'wide')
  assert.ok(svg)
  return elements(svg, 'text').map(textOf)
}

/** Elements of a class in the wide drawing. */
export function marks(page: string, id: string, style: string): readonly Element[] {
  const [svg] = elements(figures(page).get(id) as Element, 'svg')
  const all = ['path', 'rect', 'circle'].flatMap((name) => elements(svg as Element, name))
  return all.filter(({ attributes }) => (attributes['class'] ?? '').split(' ').includes(style))
}
