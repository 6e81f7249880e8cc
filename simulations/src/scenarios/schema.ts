/**
 * What a scenario file may say: every key with its unit and default. Implements docs/reference/scenarios.md. It fixes form
 * only; that names exist and jobs make sense is for check.ts, where in the file a mistake stands for load.ts.
 */
import { durationMs } from '@flamesh/protocol/jobs/document.js'
import { MAX_COHORT, MIN_COHORT_FLOOR } from '@flamesh/protocol/limits.js'
import { z } from 'zod'

export const LATENCY_PRESETS = ['german-university-hospitals'] as const
export const PHASES = ['decide', 'submit', 'open'] as const
/** What a site was about to do: answer the job, send its update, see the sum opened. */
export type Phase = (typeof PHASES)[number]
export const BYZANTINE = ['equivocates', 'wrong-partials', 'silent'] as const
export type Byzantine = (typeof BYZANTINE)[number]

const duration = z.string({ error: 'expected a duration such as 30s, 10m, 2h or 7d' }).transform((text, context) => {
  const ms = durationMs(text)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: `"${text.slice(0, 40)}" is not a duration: write 30s, 10m, 2h or 7d` })
  return z.NEVER
})
const share = z
  .number({ error: 'expected a number from 0 to 1' })
  .min(0, 'expected a number from 0 to 1')
  .max(1, 'expected a number from 0 to 1')
const whole = (least: number, most: number) => {
  const error = `expected a whole number from ${least} to ${most}`
  return z.int(error).min(least, error).max(most, error)
}
const above = (least: number) =>
  z.number(`expected a number above ${least}`).gt(least, `expected a number above ${least}`)
const name = z
  .string('expected a name')
  .regex(/^[a-z0-9][a-z0-9.-]{0,40}$/, 'a name has lower-case letters, digits, dots and dashes, at most 41')
const names = z.union([name.transform((one) => [one]), z.array(name).min(1)], {
  error: 'expected the name of a site or a list of names',
})

const rowsSchema = z.strictObject({
  /** patients a site, on average */
  mean: whole(1, 100_000).default(200),
  /** Dirichlet concentration of the sites' sizes: small is uneven; left out, all are of one size */
  sizeSkew: above(0).optional(),
  /** Dirichlet concentration of each site's mix of ages, stages and treatments; left out, all sites have the same mix */
  mixSkew: above(0).optional(),
})

const effectsSchema = z.strictObject({
  /** log odds (and log hazard) of the event for ten more years of age */
  age: z.number().default(0.4),
  /** of the event under treatment */
  treated: z.number().default(-0.7),
  /** of the event for one stage more */
  stage: z.number().default(0.5),
})

const sitesSchema = z.strictObject({
  /** sites `site-1` … */
  count: whole(3, MAX_COHORT).optional(),
  /** or their names */
  names: z.array(name).min(3, 'a federation has at least 3 sites').max(MAX_COHORT).optional(),
  rows: rowsSchema.prefault({}),
  effects: effectsSchema.prefault({}),
  stragglers: z
    .strictObject({
      share,
      /** how many times longer everything takes to compute */
      slowdown: above(1).default(10),
    })
    .optional(),
  /** sites that can dial but cannot be dialled, as a share of those outside the committee */
  outboundOnly: share.default(0),
  /** organisations below which no site takes part, by its policy */
  minimumCohort: whole(MIN_COHORT_FLOOR, MAX_COHORT).default(5),
})

const latencySchema = z.union(
  [
    duration.transform((ms) => ({ fixed: ms })),
    z.strictObject({ fixed: duration }),
    z.strictObject({ preset: z.enum(LATENCY_PRESETS, `expected one of ${LATENCY_PRESETS.join(', ')}`) }),
    /** sites at random places in a square of so many kilometres */
    z.strictObject({ geographic: z.strictObject({ squareKm: above(0).default(1000) }) }),
    /** a matrix of one-way milliseconds, the first line and column naming nodes; the path is relative to the scenario */
    z.strictObject({ csv: z.string().min(1) }),
  ],
  { error: 'expected a duration, or one of { fixed: 10ms }, { preset: NAME }, { geographic: {} }, { csv: FILE }' },
)

const networkSchema = z.strictObject({
  latency: latencySchema.prefault('10ms'),
  /** of each site's line, each way; left out, nothing queues */
  bandwidthMbit: above(0).optional(),
  /** probability that a packet's message has to be sent again or is lost */
  loss: share.default(0),
  /** the real gossipsub router, or a broadcast that reaches everyone at once */
  gossip: z.enum(['router', 'flood'], 'expected router or flood').default('router'),
  /** what processors take, as measured at the production node, or nothing */
  processors: z.enum(['measured', 'free'], 'expected measured or free').default('measured'),
})

/** Besides these a job has the fields of a job document (docs/spec/jobs.md), except `dataset`. */
const jobSchema = z
  .looseObject({
    at: duration.prefault('0s'),
    name: z.string().min(1).max(100).optional(),
    analysis: z.string('expected the name of an analysis'),
    /** the same job again and again */
    every: duration.optional(),
    /** or at random times, so many an hour on average */
    perHour: above(0).optional(),
    /** how many there are, with `every` or `perHour` */
    count: whole(1, 10_000).optional(),
  })
  .check((context) => {
    const { every, perHour, count } = context.value
    const say = (key: string, message: string) =>
      context.issues.push({ code: 'custom', message, input: context.value, path: [key] })
    if (every !== undefined && perHour !== undefined) say('perHour', 'a job has "every" or "perHour", not both')
    if ((every ?? perHour) === undefined && count !== undefined) say('count', 'how often? add "every" or "perHour"')
    if ((every ?? perHour) !== undefined && count === undefined)
      say(every === undefined ? 'perHour' : 'every', 'how many? add "count"')
  })

const ACTIONS = ['kill', 'start', 'partition', 'oneWay', 'heal', 'hub', 'revoke', 'byzantine', 'straggler'] as const

const eventSchema = z
  .strictObject({
    at: duration.optional(),
    /** instead of a time, with `kill`: what the site was about to do for the first job that gets so far */
    before: z.enum(PHASES, `expected one of ${PHASES.join(', ')}`).optional(),
    kill: names.optional(),
    start: names.optional(),
    /** groups that do not reach each other; sites that are not named are one more group */
    partition: z.array(z.array(name).min(1)).min(1, 'expected a list of groups of sites').optional(),
    /** what the first send never reaches the second */
    oneWay: z.strictObject({ from: names, to: names }).optional(),
    /** ends every partition */
    heal: z.literal(true, 'write "heal: true"').optional(),
    hub: z.enum(['on', 'off'], 'expected on or off').optional(),
    revoke: name.optional(),
    byzantine: z
      .strictObject({ member: name, how: z.enum(BYZANTINE, `expected one of ${BYZANTINE.join(', ')}`) })
      .optional(),
    straggler: z.strictObject({ site: name, slowdown: above(1).default(10) }).optional(),
  })
  .check((context) => {
    const event = context.value
    const given = ACTIONS.filter((action) => event[action] !== undefined)
    const say = (message: string, path: string[] = []) =>
      context.issues.push({ code: 'custom', message, input: event, path })
    if (given.length === 0) say(`nothing happens: add one of ${ACTIONS.join(', ')}`)
    if (given.length > 1)
      say(`one thing happens at a time: ${given.join(' and ')} are two events`, [given[1] as string])
    if ((event.at === undefined) === (event.before === undefined)) say('an event has "at", or with kill "before"')
    else if (event.before !== undefined && event.kill === undefined) say('goes with "kill" only', ['before'])
  })

const availabilitySchema = z.union(
  [
    /** site,from_ms,to_ms: when each site is up; sites that are not in it always are */
    z.strictObject({ trace: z.string().min(1) }),
    z.strictObject({
      /** mean times, drawn from exponential distributions */
      up: duration,
      down: duration,
      /** whether members of the committee come and go, too */
      committee: z.boolean('expected true or false').default(false),
    }),
  ],
  { error: 'expected { trace: FILE } or { up: 6h, down: 10m }' },
)

const dropoutSchema = z.strictObject({
  /** that a site vanishes for good in one phase of a job */
  probability: share.default(0),
  phases: z
    .array(z.enum(PHASES, `expected one of ${PHASES.join(', ')}`))
    .min(1)
    .default(['decide', 'submit', 'open']),
  /** whether members of the committee vanish, too */
  committee: z.boolean('expected true or false').default(false),
})

const sweepSchema = z.strictObject({
  /** probabilities that replace `dropout.probability` */
  dropout: z.array(share).min(1, 'expected a list of probabilities').max(50),
  /** federations for each of them, with the first job of the scenario */
  runs: whole(1, 10_000).default(40),
})

export const scenarioSchema = z.strictObject({
  question: z.string('expected one sentence').min(10, 'expected a sentence').max(300),
  seed: whole(0, 2 ** 32 - 1).default(1),
  /** simulated time; left out, until every job has ended */
  duration: duration.optional(),
  sites: sitesSchema,
  committee: z.literal([3, 4, 7], 'a committee has 3, 4 or 7 members').default(4),
  network: networkSchema.prefault({}),
  jobs: z.array(jobSchema).min(1, 'a scenario has at least one job').max(100),
  events: z.array(eventSchema).max(10_000).default([]),
  availability: availabilitySchema.optional(),
  dropout: dropoutSchema.prefault({}),
  sweep: sweepSchema.optional(),
})

export type Scenario = z.infer<typeof scenarioSchema>
export type ScenarioJob = Scenario['jobs'][number]
export type ScenarioEvent = Scenario['events'][number]
