/**
 * What a result folder says, read from the text of its files: the manifest and the tables of a run. All times are simulated
 * milliseconds since the run began. A table that is well formed may still be empty; the charts say so.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { compareText, sorted } from '@flamesh/protocol/report/statistics.js'
import { z } from 'zod'
import { NUMBER, orEmpty, type Row, readRows, readTable, SHARE, TEXT, YES_OR_NO } from './csv.js'

const manifestSchema = z.object({
  scenario: z.object({ name: z.string(), question: z.string(), text: z.string(), sha256: z.string() }),
  seed: z.union([z.number(), z.string()]),
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  hash: z.string(),
  command: z.string(),
  simulatedMs: z.number().nonnegative(),
  wallMs: z.number().nonnegative(),
  events: z.number().nonnegative(),
  interrupted: z.boolean(),
})

export type Manifest = z.infer<typeof manifestSchema>

const JOB = {
  job: TEXT,
  name: TEXT,
  analysis: TEXT,
  submitted_ms: NUMBER,
  ended_ms: orEmpty(NUMBER),
  status: TEXT,
  code: TEXT,
  rounds: orEmpty(NUMBER),
  invited: orEmpty(NUMBER),
  approved: orEmpty(NUMBER),
  survivors: orEmpty(NUMBER),
  exact: orEmpty(YES_OR_NO),
}

const PHASE = { job: TEXT, round: NUMBER, attempt: NUMBER, phase: TEXT, at_ms: NUMBER }
const PROPAGATION = { kind: TEXT, delay_ms: NUMBER }
const SITE = {
  site: TEXT,
  organisation: TEXT,
  roles: TEXT,
  sent_bytes: NUMBER,
  received_bytes: NUMBER,
  gossip_received: NUMBER,
  gossip_duplicates: NUMBER,
  direct_messages: NUMBER,
  cpu_ms: NUMBER,
  up_share: SHARE,
}
const MESH = { at_ms: NUMBER, least: NUMBER, median: NUMBER, most: NUMBER }
const COMPLETION = { dropout: SHARE, runs: NUMBER, completed: NUMBER, expected: orEmpty(SHARE) }
const EVENT = { at_ms: NUMBER, event: TEXT, node: TEXT }

export type JobRow = Row<typeof JOB>
export type PhaseRow = Row<typeof PHASE>
export type SiteRow = Row<typeof SITE>
export type MeshRow = Row<typeof MESH>
export type CompletionRow = Row<typeof COMPLETION>
export type EventRow = Row<typeof EVENT>

/** How a job ended, with the reason if there is one to tell: a released job may carry its own status as a code. */
export function outcomeOf({ status, code }: JobRow): string {
  return code === '' || code === status ? status : `${status} (${code})`
}

/** How long the messages of one kind took to each site, in ascending order. */
export interface Delays {
  readonly kind: string
  readonly delaysMs: Float64Array
}

export interface Run {
  readonly manifest: Manifest
  readonly jobs: readonly JobRow[]
  readonly phases: readonly PhaseRow[]
  /** the kind with the most deliveries first */
  readonly delays: readonly Delays[]
  readonly sites: readonly SiteRow[]
  readonly mesh: readonly MeshRow[]
  readonly completion: readonly CompletionRow[]
  readonly events: readonly EventRow[]
}

export const REQUIRED_FILES = [
  'manifest.json',
  'jobs.csv',
  'phases.csv',
  'propagation.csv',
  'sites.csv',
  'mesh.csv',
  'events.csv',
] as const
export const OPTIONAL_FILE = 'completion.csv'

/** The text of each file, by its name; the optional one may be missing. */
export type RunFiles = Readonly<Record<(typeof REQUIRED_FILES)[number], string>> & {
  readonly [OPTIONAL_FILE]?: string | undefined
}

export function readRun(files: RunFiles): Run {
  const completion = files[OPTIONAL_FILE] ?? ''
  return {
    manifest: readManifest(files['manifest.json']),
    jobs: [...readRows('jobs.csv', files['jobs.csv'], JOB)].sort((a, b) => a.submitted_ms - b.submitted_ms),
    phases: readRows('phases.csv', files['phases.csv'], PHASE),
    delays: readDelays(files['propagation.csv']),
    sites: readRows('sites.csv', files['sites.csv'], SITE),
    mesh: [...readRows('mesh.csv', files['mesh.csv'], MESH)].sort((a, b) => a.at_ms - b.at_ms),
    completion:
      completion.trim() === ''
        ? []
        : readRows(OPTIONAL_FILE, completion, COMPLETION)
            .filter(({ runs }) => runs > 0)
            .sort((a, b) => a.dropout - b.dropout),
    events: [...readRows('events.csv', files['events.csv'], EVENT)].sort((a, b) => a.at_ms - b.at_ms),
  }
}

function readManifest(text: string): Manifest {
  const hint = 'manifest.json is written by the run; run the scenario again'
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    const message = `manifest.json line ${lineOf(text, cause)}: not JSON`
    throw new FlameshError('run-malformed', message, { hint, meta: { file: 'manifest.json' }, cause })
  }
  if ((parsed as { finished?: unknown } | null)?.finished === false) {
    throw new FlameshError('run-malformed', 'manifest.json: the run has not ended', {
      hint: 'wait for the run; if it was killed, run the scenario again',
      meta: { file: 'manifest.json' },
    })
  }
  const result = manifestSchema.safeParse(parsed)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = issue?.path.join('.') || 'the document'
  throw new FlameshError('run-malformed', `manifest.json: ${where}: ${issue?.message}`, {
    hint,
    meta: { file: 'manifest.json', path: where },
  })
}

/** Node.js says the position only; a cut-off file ends in its last line. */
function lineOf(text: string, error: unknown): number {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1]
  return text.slice(0, position === undefined ? text.length : Number(position)).split('\n').length
}

function readDelays(text: string): readonly Delays[] {
  const kinds = new Map<string, number[]>()
  readTable('propagation.csv', text, PROPAGATION, ({ kind, delay_ms }) => {
    const delays = kinds.get(kind)
    if (delays === undefined) kinds.set(kind, [delay_ms])
    else delays.push(delay_ms)
  })
  return [...kinds]
    .map(([kind, delays]) => ({ kind, delaysMs: sorted(delays) }))
    .sort((a, b) => b.delaysMs.length - a.delaysMs.length || compareText(a.kind, b.kind))
}
