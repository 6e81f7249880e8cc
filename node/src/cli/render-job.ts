/** One job in plain words, as its operator reads it before a decision. Implements docs/spec/jobs.md, "What an operator sees". */

import type { FloorBrief, JobBrief, Person, SlotBrief } from '@flamesh/protocol/jobs/brief.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { TRAIN_WARNING } from '@flamesh/protocol/trains/policy.js'
import type { JobDocument, ShownJobDocument } from '../control/documents.js'
import { conditionText } from '../report/text.js'
import { printable } from './output.js'
import { renderFields, renderTable, shortId, timeText } from './table.js'

type Field = readonly [string, string]

/** Names of a vector that are shown; `--json` has them all. */
const SHOWN_SLOTS = 40

const titled = ({ name, organisation }: Person): string => (organisation === '' ? name : `${name} (${organisation})`)
const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

export function renderJob(view: ShownJobDocument): string {
  const { brief } = view
  const parts = [
    renderFields([...askedFields(view), ...runFields(view), ...readFields(brief), ...stateFields(view)]),
    leavesText(brief),
    openingText(brief, view.body),
    policyText(brief),
    sitesText(view),
  ]
  return parts.filter((part) => part !== '').join('\n')
}

function askedFields(view: JobDocument & { readonly brief: JobBrief }): readonly Field[] {
  const { researcher, recipients } = view.brief
  return [
    ['job', view.job],
    ['name', view.name],
    ['purpose', view.purpose === '' ? '(none given)' : view.purpose],
    ['researcher', `${titled(researcher)}${view.mine ? ', this node' : ''}`],
    ['recipients', recipients.map(titled).join(', ')],
  ]
}

const COMBINED: Readonly<Record<'sum' | 'weighted-mean' | 'reduce', string>> = {
  sum: 'each value summed over the sites',
  'weighted-mean': 'each sum divided by the total of "weight"',
  reduce: 'by the image itself on the committee, from the sums over the sites, without rows',
}

function runFields({ brief, body }: ShownJobDocument): readonly Field[] {
  const { analysis, image } = brief
  const { parameters } = body
  if (image === null) {
    const kind = analysis.builtin ? 'built in' : 'unknown to this node'
    return [
      ['analysis', `${analysis.name} version ${analysis.version}, ${kind}`],
      ['parameters', JSON.stringify(parameters)],
      ...(analysis.reviewers === null ? [] : [['reviewed by', reviewText(brief)] as const]),
    ]
  }
  return [
    ['image', image.reference],
    ['source', `${image.source}, commit ${image.commit}`],
    ['SBOM', `SHA-256 ${image.sbom}`],
    ['description', analysis.hash],
    ['reviewed by', reviewText(brief)],
    ['needs', image.resources.length === 0 ? 'nothing beside the contract' : image.resources.join(', ')],
    ['combined', COMBINED[image.combine]],
    ['parameters', JSON.stringify((parameters as { readonly values?: unknown }).values ?? {})],
  ]
}

const askedText = ({ needed, reviewers }: FloorBrief): string =>
  `for ${needed} of ${reviewers.length} reviewers: ${reviewers.join(', ')}`

/** Who reviewed it, as the log attests, under which floor, and what the log asks for by now. */
function reviewText({ analysis: { reviewers }, floor, floorNow }: JobBrief): string {
  if (reviewers === null)
    return `nobody, as far as the log says; the log asks ${floorNow === null ? 'for no reviews' : askedText(floorNow)}`
  const then = floor === null ? 'for no reviews' : askedText(floor)
  const enough = floorNow?.met ? 'which this review meets' : 'for which this review is not enough'
  const now = floorNow === null ? '' : `; it asks ${askedText(floorNow)} now, ${enough}`
  return `${reviewers.join(', ')}, as the hub attests; the log asked ${then}${now}`
}

function readFields({ dataset, columns, where, floors }: JobBrief): readonly Field[] {
  const { name, rows, version } = dataset
  const of = version === null ? '' : `version ${shortId(version)}`
  const approved = `${of} as approved, which is no longer the current one`
  const here = version === null ? 'not at this node' : rows === null ? approved : `about ${rows} rows here, ${of}`
  return [
    ['dataset', `${name}, ${here}`],
    ['columns read', columns.length === 0 ? 'none' : columns.join(', ')],
    ['where', where.length === 0 ? 'all rows' : where.map(conditionText).join(' and ')],
    [
      'rules',
      `at least ${floors.minimumCohort} organisations in every sum, no count below ${floors.minimumCell} released, safe if ${floors.maxColluding} of the sites collude`,
    ],
  ]
}

function stateFields(view: ShownJobDocument): readonly Field[] {
  const { needed } = view.brief.approvals
  return [
    ['open until', timeText(view.body.notAfter)],
    ...(needed === 0 ? [] : [['approvals', approvalsText(view.brief)] as const]),
    ['consent', consentText(view)],
    ['status', [view.status, view.code, view.message].filter((part) => part !== undefined).join(', ')],
  ]
}

/** Who has signed and who may yet. */
export function approvalsText({ approvals: { needed, operators } }: JobBrief): string {
  const names = (signed: boolean): string =>
    operators
      .filter((one) => one.signed === signed)
      .map((one) => one.name)
      .join(', ') || 'nobody'
  return `${counted(needed, 'operator')} must sign; signed: ${names(true)}; not yet: ${names(false)}`
}

/** What consenting means, before it is done and after. */
function consentText({ consent, status, body }: JobDocument): string {
  if (consent)
    return "given for this question: this site's own aggregate may become derivable, in this and every later job"
  if (body.image !== null) return 'none: a question to an image takes none'
  if (status !== 'announced' && status !== 'waiting') return 'none'
  return 'none; "approve --consent" would let this site\'s own aggregate for this question become derivable, for good'
}

function leavesText({ leaves, image, policy, analysis: { definition } }: JobBrief): string {
  if (leaves === null) return 'This node does not know the analysis: nothing leaves.\n'
  const { words, slots, rounds, iterative } = leaves
  const often = rounds === 1 ? 'once' : image === null ? `in up to ${rounds} rounds` : `in each of ${rounds} rounds`
  const first = iterative && image === null ? ' in the first round' : ''
  const table = renderTable(
    ['slot', 'what', 'of one site'].map((title) => ({ title })),
    slots.slice(0, SHOWN_SLOTS).map((slot) => [slot.name, whatText(slot), boundText(slot)]),
  )
  const more = slots.length > SHOWN_SLOTS ? `and ${slots.length - SHOWN_SLOTS} more ("--json" has them all)\n` : ''
  const where = policy === null ? 'each site' : 'this site'
  return `What leaves ${where} ${often}, masked so that only the sum over all sites can be read: ${counted(words, 'word')}${first}\n${table}${more}${definitionText(definition)}`
}

/** The words that a built-in analysis is known by, of every round and of what is released. */
function definitionText(definition: readonly string[]): string {
  const lines = definition.filter((line) => !line.startsWith('parameters:'))
  return lines.length === 0 ? '' : `${['By its definition', ...lines.map((line) => `  - ${line}`)].join('\n')}\n`
}

const whatText = ({ kind, length }: SlotBrief): string => (length === 1 ? kind : `${length} ${kind}s`)

function boundText({ lower, upper, length }: SlotBrief): string {
  if (lower === null || upper === null) return 'at most 2^55 in magnitude'
  return `${length === 1 ? '' : 'each '}${lower} to ${upper}`
}

function openingText({ opening, recipients }: JobBrief, { cohort, route }: Job): string {
  if (route !== null) {
    const silent = route.unreachable === 'skip' ? 'left out' : 'waited for'
    const words = `${route.stations.length} stations in a fixed order, one that cannot be reached is ${silent}; ${TRAIN_WARNING}`
    return `Who sees what\n  - ${words}\n  - the recipients see the result: ${printable(recipients.map(titled).join(', '))}\n`
  }
  const { committee, members, quorum, statesToSites } = opening
  const present = members.filter((one) => !one.absent)
  const absent = members.filter((one) => one.absent)
  const lines = [
    `the committee ${committee} sees the sum over all sites of each round, before small counts are withheld, and nothing of any one site: ${
      present.map(titled).join(', ') || 'nobody'
    }; ${quorum} of them must agree on what is opened`,
    ...(absent.length === 0
      ? []
      : [`absent, since the result goes to their own organisation: ${absent.map(titled).join(', ')}`]),
    statesToSites
      ? 'every site in the sum sees what each round but the last came to'
      : 'the sites see nothing of the sum',
    `the recipients see the result: ${recipients.map(titled).join(', ')}`,
    `all members of the mesh may learn who asks what, and who approved${
      cohort.sites.length === 0 ? '' : ` of the ${counted(cohort.sites.length, 'site')} that are asked`
    }`,
  ]
  return `Who sees what\n${lines.map((line) => `  - ${printable(line)}`).join('\n')}\n`
}

const SAYS = { approve: 'would approve it', ask: 'leaves it to the operator', refuse: 'refuses it' } as const

function policyText({ policy }: JobBrief): string {
  if (policy === null) return ''
  const table = renderTable(
    ['', 'rule', 'because'].map((title) => ({ title })),
    policy.rules.map((rule) => [rule.outcome, rule.rule, rule.message]),
  )
  return `The policy in force (${shortId(policy.hash)}) ${SAYS[policy.decision]}\n${table}`
}

function sitesText(view: JobDocument): string {
  const sites = Object.entries(view.sites)
  if (sites.length === 0) return ''
  return renderTable(
    ['site', 'status', 'in the sum', 'reason'].map((title) => ({ title })),
    sites.map(([name, site]) => [
      name,
      site.status,
      site.included === undefined ? '' : site.included ? 'yes' : 'no',
      [site.code, site.message].filter((part) => part !== undefined).join(': '),
    ]),
  )
}
