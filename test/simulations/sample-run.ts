/** Result folders as a run writes them, made up from a seed: what the report's tests render. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type SeededRandom, seededRandom } from '@flamesh/simulations/kernel/random.js'

export interface SampleOptions {
  readonly seed?: number
  readonly sites?: number
  readonly jobs?: number
  readonly completion?: boolean
  readonly interrupted?: boolean
}

export type SampleFiles = Record<string, string>

const PHASES = ['specified', 'submitted', 'closed', 'certified', 'opened'] as const
const ANALYSES = ['describe', 'table', 'linear', 'logistic', 'cox']

function csv(header: string, rows: readonly (readonly (string | number)[])[]): string {
  return `${[header, ...rows.map((row) => row.join(','))].join('\n')}\n`
}

/** Mostly near the typical value, sometimes many times as much. */
function skewed(random: SeededRandom, typical: number): number {
  return typical * Math.exp(0.45 * (random.fraction() + random.fraction() + random.fraction() - 1.5) * 2)
}

const round = (value: number): number => Math.round(value * 10) / 10

export function sampleFiles(options: SampleOptions = {}): SampleFiles {
  const { seed = 1, sites = 8, jobs = 6, completion = true, interrupted = false } = options
  const random = seededRandom(seed, 'sample run')
  const simulatedMs = 60_000 + jobs * 9000
  const work = jobTables(random, jobs, sites, simulatedMs)
  return {
    'manifest.json': JSON.stringify({
      scenario: {
        name: 'eight-hospitals-one-vanishes',
        question:
          'Eight hospitals fit a model together. Does the result still come, and how late, when one vanishes half way?',
        text: '# Eight hospitals fit a model together.\nsites:\n  count: 8\n',
        sha256: `${'6b1f0d'.repeat(10)}abcd`,
      },
      seed,
      version: '0.1.0',
      node: 'v20.20.0',
      platform: 'linux x64',
      hash: `${'93ab5c'.repeat(10)}0123`,
      command: `flamesh-sim run eight-hospitals-one-vanishes.yaml --seed ${seed} --out results`,
      simulatedMs,
      wallMs: 21_400,
      events: sites * 5200,
      interrupted,
    }),
    ...work,
    'propagation.csv': propagation(random, sites, jobs),
    'sites.csv': siteTable(random, sites),
    'mesh.csv': csv(
      'at_ms,least,median,most',
      Array.from({ length: Math.floor(simulatedMs / 1000) }, (_, at) => {
        const median = Math.min(6, at, sites - 1)
        return [
          at * 1000,
          Math.max(0, median - 1 - random.integer(2)),
          median,
          Math.min(sites - 1, median + random.integer(5)),
        ]
      }),
    ),
    'events.csv': csv('at_ms,event,node', [
      [12_000, 'crash', 'site-7'],
      [25_500, 'restart', 'site-7'],
      [30_000, 'partition', 'site-1 site-2'],
      [38_000, 'heal', ''],
      [51_000, 'hub-off', 'hub'],
      ...Array.from({ length: Math.floor(sites / 4) }, (_, at) => [
        round(random.fraction() * simulatedMs),
        'straggle',
        `site-${at + 1}`,
      ]),
    ]),
    ...(completion ? { 'completion.csv': COMPLETION } : {}),
  }
}

/** Thirteen sites, three phases, two thirds needed. */
const COMPLETION = `dropout,runs,completed,expected
0,100,100,1
0.05,200,193,0.972
0.1,200,151,0.738
0.15,200,84,0.41
0.2,200,29,0.153
0.3,100,1,0.006
`

function jobTables(random: SeededRandom, jobs: number, sites: number, simulatedMs: number): SampleFiles {
  const phases: (string | number)[][] = []
  const rows = Array.from({ length: jobs }, (_, at) => {
    const analysis = ANALYSES[at % ANALYSES.length] as string
    const submitted = 4000 + ((simulatedMs - 30_000) * at) / jobs
    let now = submitted
    const pass = (phase: string, round_: number, attempt: number, typical: number): void => {
      now = round(now + skewed(random, typical))
      phases.push([`job-${at}`, round_, attempt, phase, now])
    }
    pass('announced', 0, 0, 90)
    pass('decided', 0, 0, 900)
    const rounds = analysis === 'logistic' || analysis === 'cox' ? 4 : 1
    const fails = at % 7 === 3
    for (let one = 0; one < rounds; one += 1) {
      for (const phase of fails ? PHASES.slice(0, 3) : PHASES)
        pass(phase, one, 0, phase === 'submitted' ? 1500 : phase === 'closed' ? 2000 : 350)
    }
    if (!fails) pass('released', rounds - 1, 0, 60)
    const end = fails ? ['failed', 'too-few-submissions'] : ['released', 'released']
    return [
      `job-${at}`,
      `${analysis} ${at + 1}`,
      analysis,
      submitted,
      now,
      ...end,
      rounds,
      sites,
      sites - 1,
      fails ? '' : sites - 1,
      fails ? '' : 'true',
    ]
  })
  return {
    'jobs.csv': csv(
      'job,name,analysis,submitted_ms,ended_ms,status,code,rounds,invited,approved,survivors,exact',
      rows,
    ),
    'phases.csv': csv('job,round,attempt,phase,at_ms', phases),
  }
}

function propagation(random: SeededRandom, sites: number, jobs: number): string {
  // drawn once and reused: a large run has a million delays
  const factors = Array.from({ length: 4999 }, () => skewed(random, 1))
  const rows: (string | number)[][] = []
  for (const [kind, hops, each] of [
    ['job', 60, 1],
    ['approval', 75, 6],
    ['standing', 110, 9],
  ] as const) {
    for (let message = 0; message < jobs * each; message += 1) {
      for (let site = 0; site < sites; site += 1)
        rows.push([
          `${kind}-${message}`,
          kind,
          `site-${site + 1}`,
          round(hops * (factors[rows.length % factors.length] as number)),
        ])
    }
  }
  return csv('message,kind,site,delay_ms', rows)
}

function siteTable(random: SeededRandom, sites: number): string {
  const rows = Array.from({ length: sites }, (_, at) => {
    const load = at < Math.min(7, sites / 2) ? 6 : 1
    const got = 400 + random.integer(40)
    const numbers = [
      skewed(random, 180_000 * load),
      skewed(random, 150_000 * load),
      got,
      got * (1.5 + random.fraction()),
    ]
    const more = [60 * load, skewed(random, 700 * load)]
    const roles = load > 1 ? 'site aggregator' : 'site'
    return [
      `site-${at + 1}`,
      `hospital-${at + 1}`,
      roles,
      ...[...numbers, ...more].map(Math.round),
      at === 6 ? 0.86 : 1,
    ]
  })
  return csv(
    'site,organisation,roles,sent_bytes,received_bytes,gossip_received,gossip_duplicates,direct_messages,cpu_ms,up_share',
    rows,
  )
}

export function writeSample(folder: string, files: SampleFiles): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
}
