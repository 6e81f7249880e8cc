/**
 * From the document a researcher wrote to the job they sign: names become keys, durations absolute times, and everything
 * that is left open is filled in, so that no site has to guess. Implements docs/spec/jobs.md, "The signed job". The result
 * passes `checkJob` for the roster given here; whether sites agree is their decision.
 */
import { columnOf } from '../analyses/columns.js'
import { type AnyAnalysis, analysisHash, findAnalysis, listAnalyses } from '../analyses/registry.js'
import type { Hex } from '../crypto/hash.js'
import { encode, type Value } from '../encoding/canonical.js'
import { FlameshError } from '../errors.js'
import {
  activeMember,
  committeeFor,
  imageByDigest,
  type Member,
  memberByName,
  type Roster,
} from '../identity/roster.js'
import { imageAnalysis, imageParameters } from '../images/analysis.js'
import { descriptionHash, digestOf, type ImageDescription } from '../images/description.js'
import { MAX_JOB_BYTES } from '../limits.js'
import type { Route } from '../trains/route.js'
import { canonicalWhere, checkJob } from './check.js'
import type { DatasetAnnouncement } from './dataset.js'
import {
  canonicalValue,
  defaultMinimum,
  type JobDocument,
  jobInvalid,
  readDocument,
  schemaProblem,
  suggest,
} from './document.js'
import type { Job } from './job.js'
import { conditionUse, requireFit } from './schema-fit.js'
import { isDecimal } from './where.js'

export { absentSeats, checkJob, guardKey, type JobCheck } from './check.js'

export interface CompileContext {
  readonly roster: Roster
  /** public key of the researcher, who will sign */
  readonly researcher: Hex
  /** what the sites announced, by site name */
  readonly catalogue: ReadonlyMap<string, readonly DatasetAnnouncement[]>
  readonly nowMs: number
  /** 32 random bytes */
  readonly nonce: Hex
  /** the newest checkpoint that the roster was folded from */
  readonly checkpoint: { readonly size: number; readonly root: Hex }
}

/** Newton's method ends long before this; a job that does not is refused by its own analysis. */
const ITERATIVE_ROUNDS = 32
/** Attempts of one round: enough for a few sites that vanish one after the other. */
const ATTEMPTS = 16

/** The announcements of the job's dataset, by the names of the sites that are asked and have it. */
function announcementsOf(
  document: JobDocument,
  { catalogue }: CompileContext,
): ReadonlyMap<string, DatasetAnnouncement> {
  const { dataset, cohort, route } = document
  const asked = route?.stations ?? (cohort.sites === 'any' ? undefined : cohort.sites)
  const found = new Map<string, DatasetAnnouncement>()
  for (const [site, announced] of catalogue) {
    const one = announced.find(({ name }) => name === dataset)
    if (one !== undefined && (asked === undefined || asked.includes(site))) found.set(site, one)
  }
  if (found.size > 0) return found
  const all = [...catalogue.values()].flat()
  if (all.some(({ name }) => name === dataset))
    throw jobInvalid('cohort', `none of the sites that are asked has announced a dataset ${dataset}`)
  const hint = suggest(
    dataset,
    all.map((one) => one.name),
  )
  throw jobInvalid(
    'dataset',
    `no site has announced a dataset ${dataset}`,
    hint ?? 'no site has announced any dataset yet: is this node connected?',
  )
}

/** Every level that any site announced for a column: in the order of numbers if all are, of text otherwise. */
function levelsIn(announcements: readonly DatasetAnnouncement[]): (column: string) => string[] {
  return (name) => {
    const announced = announcements.flatMap((one) => one.columns.find((column) => column.name === name)?.levels ?? [])
    const levels = [...new Set(announced)].sort()
    return levels.every(isDecimal) ? levels.sort((a, b) => Number(a) - Number(b)) : levels
  }
}

function checkColumns(columns: readonly string[], path: string, announcements: readonly DatasetAnnouncement[]): void {
  const known = new Set(announcements.flatMap((one) => one.columns.map((column) => column.name)))
  const unknown = columns.find((column) => !known.has(column))
  if (unknown !== undefined)
    throw jobInvalid(path, `no site's dataset has a column ${unknown}`, suggest(unknown, known))
}

/** Parameters written out: defaults and announced levels filled in, checked by the analysis's own schema. */
function parametersOf(
  document: JobDocument,
  analysis: AnyAnalysis,
  announcements: readonly DatasetAnnouncement[],
): Value {
  const written = canonicalValue(document.parameters ?? {}, 'parameters')
  const given = document.columns === undefined ? written : imageParameters(document.columns, written)
  let completed: unknown
  try {
    completed = analysis.complete(given, levelsIn(announcements))
  } catch (error) {
    if (!(error instanceof FlameshError)) throw error
    checkColumns(
      [error.meta['column']].filter((one) => typeof one === 'string'),
      'parameters',
      announcements,
    )
    throw jobInvalid('parameters', error.message, error.hint)
  }
  const schema = analysis.parameters
  const known = 'shape' in schema && typeof schema.shape === 'object' ? Object.keys(schema.shape ?? {}) : []
  const parsed = schema.safeParse(completed)
  if (!parsed.success) throw schemaProblem(parsed.error, completed, 'parameters', known)
  return parsed.data as Value
}

interface Subject {
  readonly analysis: AnyAnalysis
  readonly image: ImageDescription | null
  readonly maxRounds: number
}

function subjectOf(document: JobDocument, { roster }: CompileContext): Subject {
  if (document.image !== undefined) return imageOf(document.image, document.rounds, roster)
  const name = document.analysis ?? ''
  const analysis = findAnalysis(name)
  if (analysis !== undefined) return { analysis, image: null, maxRounds: analysis.iterative ? ITERATIVE_ROUNDS : 1 }
  const known = listAnalyses().map((one) => one.name)
  throw jobInvalid('analysis', `there is no analysis ${name}`, suggest(name, known))
}

/** By the description that the hub attests for this digest. */
function imageOf(reference: string, rounds: number | undefined, roster: Roster): Subject {
  const digest = reference.slice(reference.indexOf('@') + 1)
  const attested = imageByDigest(roster, digest)
  if (attested === undefined) throw notAttested(reference, digest, roster)
  const image = attested.description
  const maxRounds = rounds ?? image.maxRounds
  if (maxRounds > image.maxRounds) throw jobInvalid('rounds', `the image is described for ${image.maxRounds} at most`)
  return { analysis: imageAnalysis(image, maxRounds), image, maxRounds }
}

/** Who has to do what, so that it is. */
function notAttested(reference: string, digest: string, { images }: Roster): FlameshError {
  const all = [...images.values()]
  if (all.some((one) => one.withdrawn && digestOf(one.description) === digest)) {
    const hint = "ask the hub's operator why; an image that was built anew has another digest and can be reviewed"
    return jobInvalid('image', `the hub withdrew its attestation of ${digest}`, hint)
  }
  const others = all.filter((one) => !one.withdrawn).map((one) => one.description.image)
  const hint =
    'its reviewers sign its description ("flamesh-hub review"), then the hub\'s operator attests it ("flamesh-hub attest --image"); if that was done lately, see with "flamesh status" how old this node\'s copy of the log is'
  return jobInvalid('image', `the hub attests no image with the digest ${digest}`, suggest(reference, others) ?? hint)
}

function question(
  document: JobDocument,
  context: CompileContext,
): Pick<Job, 'analysis' | 'image' | 'parameters' | 'where' | 'dropout' | 'maxRounds'> {
  const { analysis, image, maxRounds } = subjectOf(document, context)
  const announced = announcementsOf(document, context)
  const announcements = [...announced.values()]
  const parameters = parametersOf(document, analysis, announcements)
  for (const [path, uses] of [
    ['parameters', analysis.columns(parameters)],
    ['where', document.where.map(conditionUse)],
  ] as const) {
    checkColumns(uses.map(columnOf), path, announcements)
    requireFit(uses, announced, path)
  }
  const dropout = analysis.iterative ? 'pause' : 'drop'
  if (document.dropout !== undefined && document.dropout !== dropout) {
    const why = analysis.iterative
      ? `${analysis.name} takes several rounds over the same sites: a missing one can only be waited for`
      : `${analysis.name} takes one round, which goes on without a missing site`
    throw jobInvalid('dropout', why, `leave "dropout" out, or write "dropout: ${dropout}"`)
  }
  const { name, version } = analysis
  const hash = image === null ? analysisHash(name, version) : descriptionHash(image)
  return {
    analysis: { name, version, hash },
    image,
    parameters,
    where: canonicalWhere(document.where),
    dropout,
    maxRounds,
  }
}

/** Names of members with a role, resolved to keys in the same order. */
function keysInOrder(
  names: readonly string[],
  role: Member['roles'][number],
  path: string,
  { roster, nowMs }: CompileContext,
): Hex[] {
  return names.map((name, index) => {
    const member = memberByName(roster, name)
    if (member?.roles.includes(role) && activeMember(roster, member.key, nowMs) !== undefined) return member.key
    const others = [...roster.members.values()].filter((one) => one.revokedAt === undefined && one.roles.includes(role))
    const problem = member === undefined ? `there is no member ${name}` : `${name} is not a ${role} in good standing`
    throw jobInvalid(
      `${path}[${index}]`,
      problem,
      suggest(
        name,
        others.map((one) => one.name),
      ),
    )
  })
}

/** The same, each once and sorted. */
const keysOf = (...given: Parameters<typeof keysInOrder>): Hex[] => [...new Set(keysInOrder(...given))].sort()

function routeOf({ route }: JobDocument, context: CompileContext): Route | null {
  if (route === undefined) return null
  const twice = route.stations.findIndex((name, at) => route.stations.indexOf(name) < at)
  if (twice >= 0) throw jobInvalid(`route.stations[${twice}]`, `${route.stations[twice]} is on the route already`)
  const stations = keysInOrder(route.stations, 'site', 'route.stations', context)
  return { stations, unreachable: route.unreachable, hopWithinMs: route.hopWithin }
}

function committeeIndex(dataset: string, { roster }: CompileContext): number {
  const committee = committeeFor(roster, dataset)
  if (committee !== undefined) return committee.index
  throw jobInvalid(
    'dataset',
    `no committee serves the dataset ${dataset}`,
    'the hub\'s operator names one with "flamesh-hub committee"',
  )
}

/**
 * The job a document asks for. Throws `job-invalid` with `meta.path` and mostly a hint, or `opening-` or
 * `privacy-not-offered`.
 */
export function compileJob(document: unknown, context: CompileContext): Job {
  const read = readDocument(document)
  const { cohort } = read
  const route = routeOf(read, context)
  const named = cohort.sites === 'any' ? [] : keysOf(cohort.sites, 'site', 'cohort.sites', context)
  const job: Job = {
    name: read.name,
    purpose: read.purpose,
    researcher: context.researcher,
    nonce: context.nonce,
    dataset: read.dataset,
    ...question(read, context),
    cohort: {
      sites: route === null ? named : [...route.stations].sort(),
      minimum: cohort.minimum ?? defaultMinimum(read.maxColluding),
      approveWithinMs: cohort.approveWithin,
    },
    route,
    committee: committeeIndex(read.dataset, context),
    maxColluding: read.maxColluding,
    opening: read.opening,
    submitWithinMs: read.submitWithin,
    privacy: read.privacy,
    minimumCell: read.minimumCell,
    recipients:
      read.recipients === undefined
        ? [context.researcher]
        : keysOf(read.recipients, 'researcher', 'recipients', context),
    maxAttempts: ATTEMPTS,
    notBefore: context.nowMs,
    notAfter: context.nowMs + read.expires,
    checkpoint: context.checkpoint,
  }
  const check = checkJob(job, context.roster, context.nowMs)
  if (!check.ok)
    throw new FlameshError('job-invalid', check.message, {
      meta: { path: PATH_OF[check.code] ?? '', rule: check.code },
    })
  if (encode(job).length > MAX_JOB_BYTES)
    throw jobInvalid('', `is larger than ${MAX_JOB_BYTES} bytes`, 'name fewer sites or values')
  return job
}

/** The field of the document that a rule of `checkJob` is about. */
const PATH_OF: Readonly<Record<string, string>> = {
  lifetime: 'expires',
  'minimum-cohort': 'cohort.minimum',
  cohort: 'cohort.sites',
  route: 'route',
  'image-on-route': 'route',
  'iterative-on-route': 'route',
  'committee-absent': 'recipients',
  'committee-unknown': 'dataset',
  parameters: 'parameters',
}
