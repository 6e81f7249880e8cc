/** What a methods section says, in a few sentences: what was asked of which rows, how it was protected, under which limits. */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { formatCount, plural } from '@flamesh/protocol/report/numbers.js'
import { type ReportFacts, sitesOf } from './facts.js'
import { columnOf, eventText, numberOf } from './figures/picture.js'
import { conditionText } from './text.js'
import { type Fields, isFields, isList, isP, listOf } from './values.js'
import { sentence } from './words.js'

export function methodsOf(result: Fields, facts: ReportFacts): readonly string[] {
  const { body } = facts.view
  const { name, version } = body.analysis
  const method = body.image === null ? (findAnalysis(name, version)?.method ?? name) : imageText(body.image.image)
  const where =
    body.where.length === 0 ? '' : `, restricted to rows with ${body.where.map(conditionText).join(' and ')},`
  const { included } = sitesOf(facts)
  const count = included.length > 0 ? plural(included.length, 'site') : 'the sites of the cohort'
  const asked = body.image === null ? questionOf(body.parameters) : []
  return [
    `Dataset ${body.dataset} of ${count}${where} was analysed by ${method}, with flamesh ${facts.version} (${name}, version ${version}).`,
    ...(asked.length === 0 ? [] : [`${sentence(asked.join('; '))}.`]),
    ...rowsText(result),
    ...iterationText(result),
    ...(hasTest(result) ? ['Intervals are at 95\u00a0%; p values are not adjusted for multiple testing.'] : []),
    body.route === null ? SUMMED : TRAVELLED,
    rulesText(facts),
  ]
}

const imageText = (image: string): string => `the container image ${image}`

const SUMMED =
  'Rows never left their site: each site computed its contribution to a sum and masked it, and a committee of members opened nothing but the sum over all sites (secure aggregation).'
const TRAVELLED =
  'Rows never left their site: a sum travelled from site to site, and each added its contribution to that of the sites before it.'

function rowsText(result: Fields): readonly string[] {
  const [n, rows, events, missing] = ['n', 'rows', 'events', 'missing'].map((key) => numberOf(result[key]))
  const size = n ?? rows
  if (typeof size !== 'number') return []
  const happened = typeof events === 'number' ? ` with ${plural(events, 'event')}` : ''
  const without =
    typeof missing !== 'number'
      ? ''
      : missing === 0
        ? '; none had missing values'
        : `; ${plural(missing, 'row')} with missing values ${missing === 1 ? 'was' : 'were'} left out`
  return [`${sentence(plural(size, 'row'))}${happened} entered${without}.`]
}

function iterationText({ converged, iterations }: Fields): readonly string[] {
  if (typeof iterations !== 'number' || typeof converged !== 'boolean') return []
  const steps = plural(iterations, 'step')
  return [
    converged ? `The iteration converged after ${steps}.` : `The iteration ended after ${steps}, before it converged.`,
  ]
}

function rulesText({ view: { body } }: ReportFacts): string {
  return `Results needed at least ${formatCount(body.cohort.minimum)} organisations, and counts from 1 to ${formatCount(body.minimumCell - 1)} were not released; sites could only raise these limits.`
}

/** Beside what `lower` is the end of an interval; of a quantile it is a bound. */
const BOUNDED = ['estimate', 'surv', 'difference']

/** Somewhere in it is a p value or an interval. */
function hasTest(value: unknown): boolean {
  if (isList(value)) return value.some(hasTest)
  if (!isFields(value)) return false
  const bounded = BOUNDED.some((name) => value[name] !== undefined)
  return Object.entries(value).some(
    ([key, inner]) => isP(key) || /(^|_)ci_low$/.test(key) || (key === 'lower' && bounded) || hasTest(inner),
  )
}

/** "age, nodes and sex (reference 1)" */
function told(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}

/** A column, a factor with its reference, an interaction. */
function termText(term: unknown): readonly string[] {
  if (isFields(term) && isList(term['interaction'])) return [term['interaction'].join(' × ')]
  if (isFields(term) && term['is'] !== undefined) return [eventText(term)]
  const column = columnOf(term)
  if (column === undefined) return []
  const reference = isFields(term) && typeof term['reference'] === 'string' ? ` (reference ${term['reference']})` : ''
  return [column + reference]
}

function groupsText(factor: unknown): string {
  const column = columnOf(factor) ?? ''
  if (!isFields(factor) || !isList(factor['levels'])) return termText(factor).join('')
  return `${column} (${factor['levels'].join(', ')})`
}

const TRANSFORMS: Readonly<Record<string, string>> = {
  identity: 'time',
  log: 'the logarithm of time',
  km: 'the Kaplan-Meier estimate of time',
}

const MODELS: Readonly<Record<string, string>> = { cox: 'Cox', glm: 'generalised linear' }

/** How each parameter is said, in this order; what is not here stands among the parameters at the foot of the report. */
const SAID: readonly (readonly [name: string, said: (value: unknown, all: Fields) => string])[] = [
  ['model', (model) => `each site fitted a ${MODELS[String(model)] ?? model} model to its own rows`],
  ['fit', (fit) => (isFields(fit) ? questionOf(fit).join('; ') : '')],
  ['family', (family, { link }) => `the family was ${family}${typeof link === 'string' ? ` with link ${link}` : ''}`],
  ['outcome', (outcome) => `the outcome was ${termText(outcome).join('')}`],
  ['score', (score) => `the score was ${termText(score).join('')}`],
  [
    'event',
    (event, { time }) => `the event was ${eventText(event)}${typeof time === 'string' ? `, timed by ${time}` : ''}`,
  ],
  ['exposure', (exposure) => `the exposure was ${groupsText(exposure)}`],
  ['offset', (offset) => `the offset was ${termText(offset).join('')}`],
  ['covariates', (terms) => `covariates were ${told(listOf(terms).flatMap(termText))}`],
  ['rows', (rows, { columns }) => `rows were by ${groupsText(rows)}, columns by ${groupsText(columns)}`],
  [
    'columns',
    (columns) => (isList(columns) && columns.length > 0 ? `columns were ${told(columns.flatMap(termText))}` : ''),
  ],
  ['column', (column) => `the column was ${termText(column).join('')}`],
  [
    'factors',
    (factors) => (listOf(factors).length > 0 ? `factors were ${told(listOf(factors).flatMap(termText))}` : ''),
  ],
  [
    'by',
    (by) =>
      isList(by)
        ? by.length > 0
          ? `groups were by ${told(by.map(groupsText))}`
          : ''
        : `groups were by ${groupsText(by)}`,
  ],
  ['within', (within) => `strata were also by ${groupsText(within)}`],
  [
    'strata',
    (strata) =>
      isFields(strata) ? `strata were by ${groupsText(strata)}` : strata === 'site' ? 'each site was a stratum' : '',
  ],
  [
    'grid',
    (grid, { time }) =>
      isFields(grid)
        ? `times were rounded up to multiples of ${grid['width']}${typeof time === 'string' ? ` (${time})` : ''}`
        : '',
  ],
  ['penalty', (penalty) => `the penalty was ${penalty}`],
  ['scale', (scale) => (scale === 'standard' ? 'columns were scaled to mean 0 and standard deviation 1' : '')],
  ['matrix', (matrix) => `the decomposition was of the ${matrix} matrix`],
  ['zph', (zph) => `proportional hazards were tested against ${TRANSFORMS[String(zph)] ?? zph}`],
]

/** What was asked, from parameters whose names analyses share. */
function questionOf(parameters: unknown): readonly string[] {
  if (!isFields(parameters)) return []
  return SAID.flatMap(([name, said]) => {
    const value = parameters[name]
    const text = value === undefined || value === null ? '' : said(value, parameters)
    return text === '' ? [] : [text]
  })
}
