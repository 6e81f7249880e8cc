/**
 * The report of a result: one page with pictures, tables and what a methods section needs; it loads nothing and runs nothing.
 * Pure: the same result and facts give the same bytes. Implements docs/reference/results.md, "The report". All names in it come
 * from other people and are shown as text.
 */
import { drawings, figureMarkup, pageMarkup } from '@flamesh/protocol/report/markup.js'
import { formatCount, plural } from '@flamesh/protocol/report/numbers.js'
import { escaped } from '@flamesh/protocol/report/svg.js'
import { toJson } from '../control/json.js'
import { baselineTable } from './baseline.js'
import { dayOf, disclosureOf, type ReportFacts, sitesOf } from './facts.js'
import { picturesOf } from './figures/index.js'
import { coefficientText } from './figures/levels.js'
import { numberOf } from './figures/picture.js'
import { fieldsMarkup, resultTableMarkup } from './markup.js'
import { methodsOf } from './methods.js'
import type { ResultTable, Value } from './result-table.js'
import { STYLE } from './style.js'
import { tablesOf } from './tables.js'
import { conditionText, percent } from './text.js'
import type { Fields } from './values.js'
import { readerLabel } from './words.js'

export function renderReport(result: Fields, facts: ReportFacts): string {
  const { tables, fields } = tablesOf(result)
  const pictures = picturesOf(result).map((picture, at) => figureMarkup(picture, at + 1, drawings(picture)))
  const baseline = baselineTable(result)
  const first = baseline === undefined ? [] : [resultTableMarkup(baseline, 1, BASELINE_NOTE)]
  const other = tables.filter(({ id }) => baseline === undefined || !SHOWN_BY_BASELINE.has(id))
  const shown = [
    ...first,
    ...other.map((table, at) => resultTableMarkup(readable(table, result['factors']), at + 1 + first.length)),
  ]
  const single = fieldsMarkup(
    fields.filter(([name]) => baseline === undefined || !/^(groups|factors_missing)\./.test(name)),
    shown.length + 1,
  )
  const left = pictures.length > 0 ? pictures : shown
  const right = pictures.length > 0 ? [...shown, single] : [single]
  const { name } = facts.view
  const body = `${head(result, facts)}
<main class="figures"><div class="column">${left.join('\n')}${methods(result, facts, withheldIn(tables))}</div>
<div class="column">${right.join('\n')}${provenance(facts)}</div></main>`
  return pageMarkup(`${name}: ${facts.view.analysis} on ${facts.view.dataset}`, STYLE, body)
}

/** Its cells hold their numbers. */
const SHOWN_BY_BASELINE: ReadonlySet<string> = new Set(['factors', 'factors_by'])

const BASELINE_NOTE =
  'Every digit is in describe.csv, factors.csv, factors_by.csv and comparison.csv. SD: standard deviation; percentages are of rows without missing values; SMD: standardised mean difference.'

/** Coefficients by the levels that they are of, methods by their names; the files have them as the result does. */
function readable(table: ResultTable, factors: unknown): ResultTable {
  if (table.columns[0]?.name !== 'name') return table
  const text = (value: Value, at: number): Value => {
    if (typeof value !== 'string') return value
    if (at === 0) return coefficientText(value, factors)
    return WITH_METHODS.has(table.id) ? readerLabel(value) : value
  }
  return { ...table, rows: table.rows.map((row) => row.map(text)) }
}

/** Tables whose texts, but for those of the first column, are an analysis' own words for what it did. */
const WITH_METHODS: ReadonlySet<string> = new Set(['estimates', 'tests', 'comparison'])

/** Nulls in counts and groups; elsewhere a null is a number that does not exist. */
function withheldIn(tables: readonly ResultTable[]): number {
  return tables
    .flatMap(({ columns, rows }) => {
      const at = columns.findIndex(({ name }) => name === 'n' || name === 'counts')
      return at < 0 ? [] : rows.map((row) => row[at])
    })
    .filter((value) => value === null).length
}

interface Tile {
  readonly name: string
  readonly value: string
  readonly detail: string
  readonly alarming?: boolean
}

function tiles(result: Fields, facts: ReportFacts): readonly Tile[] {
  const number = (key: string): number | null => numberOf(result[key])
  const [size, missing, events, left] = [
    number('n') ?? number('rows'),
    number('missing'),
    number('events'),
    number('sites_left_out'),
  ]
  const { included, others } = sitesOf(facts)
  const contributors = number('contributors') ?? included.length
  const aside = [
    ...(left === null || left === 0 ? [] : [`${formatCount(left)} below a rule`]),
    ...(others.length === 0 ? [] : [`${formatCount(others.length)} not in the sum`]),
  ]
  return [
    ...(size === null
      ? []
      : [
          {
            name: 'Rows',
            value: formatCount(size),
            detail:
              missing === null
                ? 'in the analysis'
                : missing === 0
                  ? 'none had missing values'
                  : `${formatCount(missing)} more had missing values`,
          },
        ]),
    ...(events === null
      ? []
      : [
          {
            name: 'Events',
            value: formatCount(events),
            detail: size !== null && size >= events && size > 0 ? `${percent(events / size)} of the rows` : 'in all',
          },
        ]),
    {
      name: 'Sites',
      value: formatCount(contributors),
      detail: aside.length === 0 ? 'all that took part' : aside.join(', '),
    },
    proof(facts),
  ]
}

function proof({ receipt }: ReportFacts): Tile {
  if (receipt === null) return { name: 'Receipt', value: 'none', detail: 'there is none yet' }
  const { ok, summary } = receipt.report
  if (!ok) return { name: 'Receipt', value: 'not valid', detail: 'it does NOT prove these numbers', alarming: true }
  const by =
    summary === undefined
      ? ''
      : ` by ${summary.committee.quorum} or more of ${plural(summary.committee.members.length, 'member')}`
  return { name: 'Receipt', value: 'valid', detail: `these numbers were signed${by}` }
}

function head(result: Fields, facts: ReportFacts): string {
  const { view, receipt } = facts
  const list = tiles(result, facts).map(
    ({ name, value, detail, alarming }) =>
      `<div${alarming ? ' class="alarm"' : ''}><dt>${escaped(name)}</dt><dd><b>${escaped(value)}</b><span>${escaped(detail)}</span></dd></div>`,
  )
  const failed = receipt?.report.findings.filter(({ ok }) => !ok) ?? []
  const warning =
    failed.length === 0
      ? ''
      : `<p class="warning" role="alert"><b>The receipt does not verify.</b> ${escaped(failed.map(({ check, message }) => `${check}: ${message}`).join('; '))}</p>`
  const purpose = view.purpose === '' ? '' : `<p class="plain-text">${escaped(view.purpose)}</p>`
  return `<header><p class="eyebrow"><b>${escaped(view.analysis)}</b> on ${escaped(view.dataset)}, ${dayOf(facts.madeMs)}</p><h1>${escaped(view.name)}</h1>${purpose}${warning}<dl class="answers">${list.join('')}</dl></header>`
}

function methods(result: Fields, facts: ReportFacts, withheld: number): string {
  const told = methodsOf(result, facts).join(' ')
  const items = disclosureOf(result, withheld).map((item) => `<li>${escaped(item)}</li>`)
  return `<section class="methods" aria-labelledby="methods"><h2 id="methods">Methods</h2><p class="plain-text">${escaped(told)}</p><h2>What was kept back</h2><ul>${items.join('')}</ul></section>`
}

function provenance(facts: ReportFacts): string {
  const { view, receipt, version, madeMs } = facts
  const { body } = view
  const { included, others } = sitesOf(facts)
  const rows: readonly (readonly [string, string])[] = [
    ['asked by', view.organisation === '' ? view.researcher : `${view.researcher} (${view.organisation})`],
    ['asked on', dayOf(body.notBefore)],
    ['analysis', `${body.analysis.name} version ${body.analysis.version}: docs/spec/analyses.md`],
    ['hash of the analysis', body.analysis.hash],
    ...(body.image === null ? [] : [['image', body.image.image] as const]),
    ['dataset', body.dataset],
    ['rows', body.where.length === 0 ? 'all' : body.where.map(conditionText).join('; ')],
    ['sites in the sum', included.join(', ') || 'not told'],
    ...(others.length === 0 ? [] : [['not in the sum', others.join(', ')] as const]),
    ['job', view.job],
    ['receipt (SHA-256)', receipt?.sha256 ?? 'none yet'],
    ['made with', `flamesh ${version} on ${dayOf(madeMs)}`],
  ]
  const list = rows.map(([name, value]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`)
  const cannot = receipt?.report.summary?.cannotShow ?? []
  const limits =
    cannot.length === 0
      ? ''
      : `<details><summary>What no receipt can show</summary><ul>${cannot.map((one) => `<li>${escaped(one)}</li>`).join('')}</ul></details>`
  return `<section class="facts" aria-labelledby="provenance"><h2 id="provenance">Where it comes from</h2><dl>${list.join('')}</dl><p>To check it, with the hub’s key from the hub and without a network:</p><pre class="command"><code>flamesh receipt verify receipt.json --result result.json --hub-key KEY</code></pre>${limits}<details><summary>Parameters</summary><pre tabindex="0"><code>${escaped(toJson(body.parameters, 2))}</code></pre></details></section>`
}
