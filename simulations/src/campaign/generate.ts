/**
 * From a seed to a case. Half of them are drawn from templates that aim at one defence each (templates.ts), the others throw
 * faults at random windows; both with at most t dishonest members and any number of dishonest sites.
 */
import { seededRandom } from '../kernel/random.js'
import {
  type Case,
  committeeNames,
  type Deed,
  type JobPlan,
  type LieName,
  type Operation,
  RESEARCHER,
  type Shape,
  siteNames,
  type When,
} from './case.js'
import { Draw } from './draw.js'
import { TEMPLATES } from './templates.js'

export function generate(seed: number): Case {
  const draw = new Draw(seededRandom(seed, 'case'))
  const template = draw.chance(0.5) ? draw.one(TEMPLATES) : undefined
  return {
    version: 1,
    seed,
    ...(template === undefined ? atRandom(draw) : { name: template.name, ...template.make(draw) }),
  }
}

function atRandom(draw: Draw): Omit<Case, 'version' | 'seed'> {
  const shape = shapeOf(draw)
  const jobs = jobsOf(draw, shape)
  const faults = Array.from({ length: draw.between(0, 4) }, () => ({
    when: whenOf(draw, shape),
    deed: deedOf(draw, shape),
  }))
  const operations = [...liesOf(draw, shape), ...faults]
  return { name: 'at random', shape, jobs, operations, calmMs: draw.between(10, 40) * 1000 }
}

function shapeOf(draw: Draw): Shape {
  const committee = draw.chance(0.02) ? 7 : draw.chance(0.8) ? 4 : 3
  const sites = committee === 7 ? 7 : draw.between(committee, draw.chance(0.15) ? 7 : committee + 1)
  return { sites, committee, latencyMs: draw.one([1, 5, 20, 80]), old: draw.below(sites + 1) }
}

export const plan = (change: Partial<JobPlan> = {}): JobPlan => ({
  atMs: 0,
  analysis: 'describe',
  sites: null,
  age: null,
  minimum: 3,
  minutes: 4,
  committee: 0,
  ...change,
})

function jobsOf(draw: Draw, shape: Shape): readonly JobPlan[] & Case['jobs'] {
  // many small cases find more than few large ones in the same time
  const count = draw.chance(0.8) ? 1 : draw.between(2, 3)
  const analysis = () => (draw.chance(0.7) ? 'describe' : draw.one(['table', 'linear', 'logistic'] as const))
  const same = draw.chance(0.6) ? analysis() : undefined
  return Array.from({ length: count }, (_, at) =>
    plan({
      atMs: at === 0 ? 0 : draw.one([0, 50, 800, 5_000]),
      analysis: same ?? analysis(),
      sites: draw.chance(0.25) && shape.sites > 3 ? [...draw.some(siteNames(shape), 3, shape.sites)].sort() : null,
      age: draw.chance(0.15) ? draw.one([50, 80]) : null,
      ...(draw.chance(0.95) ? { rounds: draw.between(2, 3) } : {}),
    }),
  )
}

const MEMBERS_LIE: readonly LieName[] = [
  'silent',
  'selective',
  'two-haves',
  'biased-have',
  'forged-have',
  'wrong-partials',
  'wrong-tags',
  'wrong-opening',
  'second-specification',
  'shortened-history',
  'stale-checkpoint',
  'shortened-cohort',
  'private-round',
  'other-state',
  'puppet',
  'puppet',
  'puppet',
  'noise',
]
const SITES_LIE: readonly LieName[] = [
  'silent',
  'selective',
  'wrong-seeds',
  'two-submissions',
  'later-submission',
  'two-decisions',
]

export const from0: When = { on: 'time', atMs: 0 }

export function lie(draw: Draw, node: string, name: LieName, others: readonly string[]): Operation {
  const script = draw.one(['turncoat', 'split', 'nil', 'late', 'random', 'abandoner'] as const)
  const victims = [...draw.some(others.filter((other) => other !== node))]
  return { when: from0, deed: { do: 'lie', node, lie: name, victims, ...(name === 'puppet' ? { script } : {}) } }
}

/** At most t members, any number of other sites. */
function liesOf(draw: Draw, shape: Shape): readonly Operation[] {
  const members = committeeNames(shape)
  const colluding = shape.committee === 7 ? 2 : 1
  const names = siteNames(shape)
  const lying = draw.chance(0.5) ? draw.some(members, 1, colluding) : []
  const sites = names.slice(shape.committee).filter(() => draw.chance(0.2))
  return [
    ...lying.map((node) => lie(draw, node, draw.one([...MEMBERS_LIE, ...SITES_LIE]), names)),
    ...sites.map((node) => lie(draw, node, draw.one(SITES_LIE), members)),
  ]
}

const TYPES = [
  'decision',
  'specification',
  'round',
  'submit',
  'have',
  'consensus',
  'partials',
  'opened',
  'outcome',
  'release',
]
const EVENTS = ['job-approved', 'specification-signed', 'submitted', 'round-closed', 'partials-sent', 'opened']

function whenOf(draw: Draw, shape: Shape): When {
  const node = draw.one(siteNames(shape))
  const roll = draw.below(10)
  if (roll < 5)
    return {
      on: 'message',
      match: { type: draw.one(TYPES), ...(draw.chance(0.6) ? { from: node } : {}) },
      nth: draw.below(4),
    }
  if (roll < 7) return { on: 'audit', node, event: draw.one(EVENTS), nth: 0 }
  if (roll < 9) return { on: 'write', node, nth: draw.below(60) }
  return { on: 'time', atMs: 1 + draw.below(6_000) }
}

function deedOf(draw: Draw, shape: Shape): Deed {
  const names = siteNames(shape)
  const anyone = [...names, RESEARCHER]
  const node = draw.one(draw.chance(0.9) ? names : anyone)
  const match = { type: draw.one(TYPES), ...(draw.chance(0.5) ? { from: draw.one(anyone) } : { to: draw.one(anyone) }) }
  const times = draw.between(1, 12)
  const forMs = draw.between(1, 20) * 500
  switch (draw.below(16)) {
    case 0:
    case 1:
    case 2:
      return { do: 'crash', node, afterWrite: draw.chance(0.5), restartMs: draw.between(1, 40) * 250 }
    case 3:
      return {
        do: 'unreliable',
        dropRequest: draw.below(30) / 100,
        dropResponse: draw.below(30) / 100,
        duplicate: draw.below(30) / 100,
        reorder: draw.below(30) / 100,
        forMs,
      }
    case 4:
    case 5:
      return { do: 'drop-request', match, times }
    case 6:
      return { do: 'drop-response', match, times }
    case 7:
      return { do: 'duplicate', match, times, afterMs: draw.below(3_000) }
    case 8:
    case 9:
      return { do: 'delay', match, times, delayMs: draw.between(1, 20) * 200 }
    case 10:
    case 11:
      return { do: 'partition', group: [...draw.some(names)], forMs }
    case 12:
      return { do: 'one-way', from: node, to: draw.one(anyone.filter((one) => one !== node)), forMs }
    case 13:
      return { do: 'skew', node, skewMs: draw.between(-300, 300) * 1000 }
    case 14:
      return draw.chance(0.5)
        ? { do: 'hub-off', forMs }
        : { do: 'revoke', node: draw.one(names), tell: [...draw.some(names)] }
    default:
      return draw.chance(0.5)
        ? { do: 'cancel', job: 0 }
        : { do: draw.one(['fail', 'replace-rows'] as const), node: draw.one(names) }
  }
}
