/** Cases that aim at one defence each: without it, the invariant it is there for breaks within a few of them. */
import {
  type Case,
  type Deed,
  type JobPlan,
  type LieName,
  type Operation,
  type Shape,
  siteName,
  type When,
} from './case.js'
import type { Draw } from './draw.js'

type Plot = Omit<Case, 'version' | 'seed' | 'name'>

interface Template {
  readonly name: string
  readonly make: (draw: Draw) => Plot
}

const FROM_0: When = { on: 'time', atMs: 0 }

const job = (change: Partial<JobPlan> = {}): JobPlan => ({
  atMs: 0,
  analysis: 'describe',
  sites: null,
  age: null,
  minimum: 3,
  minutes: 4,
  committee: 0,
  rounds: 3,
  ...change,
})
const shape = (sites: number, committee: 3 | 4 | 7 = 4, old = sites): Shape => ({ sites, committee, latencyMs: 5, old })
const at = (when: When, deed: Deed): Operation => ({ when, deed })
const lies = (node: string, lie: LieName, victims: readonly string[] = []): Operation =>
  at(FROM_0, { do: 'lie', node, lie, victims: [...victims] })
const onMessage = (type: string, nth = 0, from?: string): When => ({
  on: 'message',
  match: { type, ...(from === undefined ? {} : { from }) },
  nth,
})
const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => siteName(from + i))
const plot = (of: Shape, jobs: JobPlan[], operations: Operation[], calmMs = 20_000): Plot => ({
  shape: of,
  jobs,
  operations,
  calmMs,
})

/** The same question over everyone, and over everyone but one. */
const differencing = (draw: Draw): Plot => {
  const sites = draw.between(4, 5)
  const without = draw.below(sites)
  const list = names(0, sites).filter((name) => name !== siteName(without))
  const second = job({ sites: list, atMs: draw.one([0, 30, 3_000]) })
  return plot(
    shape(sites, draw.one([3, 4] as const)),
    draw.chance(0.5) ? [job(), second] : [{ ...second, atMs: 0 }, job({ atMs: 2_500 })],
    [],
  )
}

/** A member is killed at one of the writes around its votes, and comes back at once. */
const forgottenVote = (draw: Draw): Plot => {
  const node = siteName(draw.below(4))
  const crash: Deed = { do: 'crash', node, afterWrite: draw.chance(0.5), restartMs: draw.one([20, 100, 2_000]) }
  const slow: Deed = {
    do: 'delay',
    match: { type: 'consensus', to: siteName(draw.below(4)) },
    times: 8,
    delayMs: 1_500,
  }
  return plot(
    shape(4),
    [job()],
    [at({ on: 'write', node, nth: draw.between(10, 40) }, crash), ...(draw.chance(0.5) ? [at(FROM_0, slow)] : [])],
  )
}

/** One honest member hears nothing, one helps a value to its locks and then asks for the attempt to be given up. */
const brokenLock = (draw: Draw): Plot => {
  const seats = draw.some([0, 2, 3], 2, 2)
  const [liar, away] = [siteName(seats[0] as number), siteName(seats[1] as number)]
  const mute = (match: { from?: string; to?: string }): Operation =>
    at(FROM_0, { do: 'drop-request', match: { type: 'consensus', ...match }, times: 100_000 })
  return plot(
    shape(4),
    [job({ minutes: 6 })],
    [
      at(FROM_0, { do: 'lie', node: liar, lie: 'puppet', victims: [], script: 'turncoat' }),
      mute({ to: away }),
      mute({ from: away }),
    ],
    90_000,
  )
}

/** Votes that differ by who hears them, with a partition that lets each half see its own. */
const splitVotes = (draw: Draw): Plot => {
  const liar = draw.below(4)
  const honest = [0, 1, 2, 3].filter((seat) => seat !== liar)
  const victim = siteName(draw.one(honest))
  const script = draw.one(['split', 'late', 'random', 'abandoner'] as const)
  return plot(
    shape(draw.between(4, 5)),
    [job()],
    [
      at(FROM_0, { do: 'lie', node: siteName(liar), lie: 'puppet', victims: [victim], script }),
      at(onMessage('consensus', draw.below(6)), {
        do: 'delay',
        match: { type: 'consensus', to: victim },
        times: 12,
        delayMs: 2_500,
      }),
    ],
  )
}

/** Half of the pinned sites leave after the first round. */
const halfLeaves = (draw: Draw): Plot => {
  const leavers = names(3, 6)
  const when = (node: string): When => ({ on: 'audit', node, event: 'submitted', nth: draw.below(2) })
  return plot(
    shape(6),
    [job({ analysis: 'logistic' })],
    leavers.map((node) => at(when(node), { do: 'fail', node })),
  )
}

/** No quorum is up from before the agreement until after `openBy`. */
const tooLate = (draw: Draw): Plot => {
  const down = draw.some(names(0, 4), 2, 2)
  const restartMs = 10 * 60_000 + draw.between(5, 30) * 1000
  const when = onMessage('have', draw.below(6))
  return plot(
    shape(4),
    [job({ minutes: 25 })],
    down.map((node) => at(when, { do: 'crash', node, afterWrite: false, restartMs })),
    11 * 60_000,
  )
}

/** Nonsense with MACs of its own, first on the spot. */
const wrongPartials = (draw: Draw): Plot => {
  const liar = siteName(draw.below(4))
  const others = names(0, 4).filter((name) => name !== liar)
  const slow = others.map((from) =>
    at(FROM_0, { do: 'delay', match: { type: 'partials', from }, times: 3, delayMs: 300 }),
  )
  return plot(
    shape(4),
    [job()],
    [lies(liar, draw.one(['wrong-partials', 'wrong-partials', 'wrong-tags'] as const)), ...slow],
  )
}

const privateRound = (draw: Draw): Plot => {
  const liar = siteName(1)
  return plot(shape(draw.between(4, 5)), [job()], [lies(liar, 'private-round', names(2, 4))])
}

const otherState = (draw: Draw): Plot =>
  plot(
    shape(4),
    [job({ analysis: 'logistic' })],
    [lies(siteName(draw.below(4)), 'other-state', [siteName(draw.below(4))])],
  )

/** Rounds are announced again: doubled, or by a member that comes back. */
const announcedAgain = (draw: Draw): Plot => {
  const node = siteName(draw.below(4))
  return plot(
    shape(4),
    [job({ analysis: draw.one(['describe', 'logistic'] as const) })],
    [
      at(FROM_0, { do: 'duplicate', match: { type: 'round' }, times: 12, afterMs: draw.one([5, 60, 1_000]) }),
      at(onMessage('submit', draw.below(6)), { do: 'crash', node, afterWrite: false, restartMs: 100 }),
    ],
  )
}

/** A site that only some members hear, beside a member that lies. */
const selectiveSite = (draw: Draw): Plot => {
  const liar = draw.below(4)
  const honest = names(0, 4).filter((name) => name !== siteName(liar))
  const deaf = draw.some(honest, 1, 2)
  return plot(
    shape(5),
    [job()],
    [
      lies(siteName(4), draw.one(['selective', 'wrong-seeds', 'two-submissions'] as const), deaf),
      lies(siteName(liar), draw.one(['wrong-tags', 'noise', 'selective'] as const), [siteName(4)]),
    ],
  )
}

/** Two sites have rows for the question. */
const fewContributors = (draw: Draw): Plot =>
  plot(shape(draw.between(4, 5), 4, draw.between(1, 2)), [job({ age: 80 })], [])

/** The hub names another committee for the dataset, before or while a job asks for the one before. */
const succeeded = (draw: Draw): Plot => {
  const sites = draw.between(5, 6)
  const members = names(sites - 4, sites)
  const list = draw.chance(0.5) ? names(0, sites - 1) : null
  const lost = at(FROM_0, { do: 'drop-request', match: { type: 'retirement' }, times: 300 })
  return plot(
    shape(sites),
    [
      job({ atMs: draw.one([0, 400, 500]), committee: 0 }),
      job({ atMs: draw.one([500, 4_000]), committee: 1, sites: list }),
    ],
    [
      ...(draw.chance(0.5) ? [lost] : []),
      at(
        draw.chance(0.5)
          ? { on: 'time', atMs: 100 }
          : onMessage(draw.one(['submit', 'have', 'consensus', 'partials']), draw.below(5)),
        {
          do: 'name-committee',
          members,
          tell: draw.chance(0.5) ? [...names(0, sites), 'researcher'] : [...draw.some(names(0, sites))],
        },
      ),
    ],
  )
}

/** Some sites let their own aggregate become derivable; the others' must not. */
const consents = (draw: Draw): Plot => {
  const sites = draw.between(4, 5)
  const consenting = [...draw.some(names(0, sites), 1, 2)]
  const without = draw.one(draw.chance(0.7) ? consenting : names(0, sites))
  const list = names(0, sites).filter((name) => name !== without)
  return plot({ ...shape(sites), consenting }, [job(), job({ sites: list, atMs: 3_000 })], [])
}

const lyingProposer = (draw: Draw): Plot => {
  const kind = draw.one(['second-specification', 'shortened-history', 'stale-checkpoint', 'shortened-cohort'] as const)
  const victims = draw.some([0, 2, 3].map(siteName), 1, 2)
  return plot(shape(draw.between(4, 5)), [job(), job({ atMs: 2_500 })], [lies(siteName(1), kind, victims)])
}

const oldBackup = (draw: Draw): Plot => {
  const node = siteName(draw.below(5))
  const events = ['job-approved', 'specification-signed', 'submitted', 'round-closed']
  return plot(
    shape(5),
    [job({ analysis: draw.one(['describe', 'logistic'] as const) }), job({ atMs: 3_000 })],
    [
      at({ on: 'audit', node, event: draw.one(events), nth: 0 }, { do: 'backup', node }),
      at(onMessage(draw.one(['consensus', 'partials', 'outcome', 'submit']), draw.below(5), node), {
        do: 'restore',
        node,
        restartMs: 300,
      }),
    ],
  )
}

const revoked = (draw: Draw): Plot => {
  const sites = draw.between(4, 6)
  const node = siteName(draw.below(sites))
  const tell = draw.some([...names(0, sites), 'researcher'])
  const when = onMessage(draw.one(['round', 'submit', 'have', 'consensus', 'partials']), draw.below(6))
  return plot(
    shape(sites),
    [job({ analysis: draw.one(['describe', 'logistic'] as const) })],
    [at(when, { do: 'revoke', node, tell: [...tell] })],
  )
}

const twoLogs = (draw: Draw): Plot => {
  const show = draw.some(names(0, 4))
  return plot(
    shape(4),
    [job(), job({ atMs: 3_000 })],
    [
      at(onMessage(draw.one(['round', 'have', 'consensus']), 0), { do: 'fork', show: [...show] }),
      at({ on: 'time', atMs: 10 }, { do: 'hub-off', forMs: 5_000 }),
    ],
  )
}

export const TEMPLATES: readonly Template[] = [
  { name: 'differencing', make: differencing },
  { name: 'a forgotten vote', make: forgottenVote },
  { name: 'a broken lock', make: brokenLock },
  { name: 'split votes', make: splitVotes },
  { name: 'half of the sites leave', make: halfLeaves },
  { name: 'too late to open', make: tooLate },
  { name: 'wrong partials', make: wrongPartials },
  { name: 'a private round', make: privateRound },
  { name: 'another state', make: otherState },
  { name: 'announced again', make: announcedAgain },
  { name: 'a selective site', make: selectiveSite },
  { name: 'few contributors', make: fewContributors },
  { name: 'a committee that was succeeded', make: succeeded },
  { name: 'consents', make: consents },
  { name: 'a lying proposer', make: lyingProposer },
  { name: 'an old backup', make: oldBackup },
  { name: 'revoked in mid-round', make: revoked },
  { name: 'two logs', make: twoLogs },
]
