/**
 * Every behaviour of three honest members of (4,1) and one liar over up to three views, each step computed by the real state
 * machine, states that cannot matter apart merged (`consensus-reduction.ts` says which, and why). The liar's votes exist for
 * everybody at any time, a different one every time; the network hands over what exists when it likes, or never.
 */
import {
  type Content,
  HONEST,
  LIAR,
  type Machine,
  type Model,
  modelOf,
  offerOf,
  PREVOTE,
  PROPOSE,
  placeOf,
  START,
  votesIn,
} from './consensus-contents.js'
import type { Setting } from './consensus-harness.js'
import { type Heard, movesOf } from './consensus-moves.js'
import { type Joint, Names, type Optional, trimmed } from './consensus-reduction.js'

export interface SearchOptions {
  readonly setting: Setting
  readonly views: number
  /** how many values there are to propose */
  readonly values?: number
  readonly machine?: Machine
  /** members may forget, at any time, the votes of the view they are in */
  readonly forgetful?: boolean
  /** the broken promise at which to stop; any, if none is named */
  readonly until?: string
  /** reductions to do without */
  readonly without?: readonly Optional[]
  readonly onState?: (joint: Joint) => void
}

export interface Searched {
  readonly states: number
  /** moves from a state to another, after equal outcomes of one member were counted once */
  readonly transitions: number
  /** calls of the state machine; the rest was remembered */
  readonly steps: number
  readonly broken: readonly string[]
  /** states in which a value is certified */
  readonly certified: number
}

export function search(options: SearchOptions): Searched {
  const { setting, views, values = 2, machine, forgetful = false } = options
  const model = modelOf(setting, views, values, machine)
  const place = forgetful ? ({ view }: Content) => view * 3 : placeOf
  const names = new Names(model)
  const known = new Map<number, readonly Content[]>()
  const broken = new Set<string>()
  const start: Joint = { members: [START, START, START], facts: { polkas: [0, 0, 0], certified: 0 } }
  const first = names.nameOf(start, place)
  const seen = new Set<number>([first])
  const queue = [first]
  let [transitions, steps, certified] = [0, 0, 0]

  function successors(seat: number, content: Content, heard: Heard): readonly Content[] {
    const key = (names.indexOf(content) * 3 + seat) * 2 ** 33 + packedHeard(heard)
    const before = known.get(key)
    if (before !== undefined) return before
    const moves = movesOf(model, seat, content, heard)
    steps += moves.steps
    for (const one of moves.broken) broken.add(one)
    const next = forgetful && content.at !== PROPOSE ? [...moves.next, { ...content, at: PROPOSE }] : moves.next
    const distinct = [...new Set(next.map((one) => names.indexOf(one)))].map(
      (index) => names.contents[index] as Content,
    )
    known.set(key, distinct)
    return distinct
  }

  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const joint = names.jointOf(name)
    if (joint.facts.certified !== 0) certified++
    options.onState?.(joint)
    for (const seat of HONEST) {
      const content = joint.members[seat] as Content
      for (const next of successors(seat, content, needed(model, seat, content, heardBy(model, joint, seat)))) {
        if (next === content) continue
        transitions++
        const members = joint.members.map((one, i) => (i === seat ? next : one)) as [Content, Content, Content]
        const reached = trimmed(model, { members, facts: joint.facts }, place, options.without)
        if (reached.conflict) broken.add('two certificates')
        const to = names.nameOf(reached.joint, place)
        if (seen.has(to)) continue
        seen.add(to)
        queue.push(to)
      }
    }
    if (options.until === undefined ? broken.size > 0 : broken.has(options.until)) break
  }
  return { states: seen.size, transitions, steps, broken: [...broken].sort(), certified }
}

/** What the others said that this member can be told. */
export function heardBy(model: Model, { members, facts }: Joint, seat: number): Heard {
  const { view, at } = members[seat] as Content
  const others = members.filter((_, i) => i !== seat) as [Content, Content]
  const pair = (phase: 'prevotes' | 'precommits') => others.map((one) => votesIn(one[phase], view)) as [number, number]
  let furthest = -1
  for (let of = view + 1; of < model.views; of++) {
    if (others.some((one) => votesIn(one.prevotes, of) !== 0 || votesIn(one.precommits, of) !== 0)) furthest = of
  }
  let polkas = 0
  for (let of = 0; of < model.views; of++) {
    for (const value of model.values.keys()) {
      let votes = 0
      for (const one of members) if (votesIn(one.prevotes, of) & (2 << value)) votes++
      if (votes >= model.needed || ((facts.polkas[value] as number) >> of) & 1)
        polkas |= 1 << (of * model.values.length + value)
    }
  }
  const proposer = model.proposers[view] as number
  const asked = at === PROPOSE && proposer !== seat && proposer !== LIAR
  const offered = asked ? others.find((one) => offerOf(model, one.proposal)?.view === view) : undefined
  return {
    prevotes: pair('prevotes'),
    precommits: pair('precommits'),
    furthest,
    polkas,
    proposal: offered?.proposal ?? 0,
  }
}

/** What a member in this place can make use of; the other two are alike in it. */
function needed(model: Model, seat: number, { view, at }: Content, heard: Heard): Heard {
  const pair = ([a, b]: readonly [number, number]) => [Math.min(a, b), Math.max(a, b)] as const
  const proposes = at === PROPOSE || model.proposers.indexOf(seat, view + 1) > view
  const here = ((1 << model.values.length) - 1) << (view * model.values.length)
  return {
    ...heard,
    prevotes: at === PREVOTE ? pair(heard.prevotes) : [0, 0],
    precommits: pair(heard.precommits),
    polkas: proposes ? heard.polkas : heard.polkas & here,
  }
}

function packedHeard({ prevotes, precommits, furthest, polkas, proposal }: Heard): number {
  const votes = ((prevotes[0] * 16 + prevotes[1]) * 16 + precommits[0]) * 16 + precommits[1]
  return ((votes * 4 + furthest + 1) * 512 + polkas) * 64 + proposal
}
