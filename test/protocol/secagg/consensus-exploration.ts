/**
 * Every behaviour of three honest members of (4,1) and one liar, over a few views. The network is the adversary: it hands
 * over, whenever it likes, any selection of the votes that exist, and the liar's vote as it pleases, a different one every
 * time. A member forgets what it was handed once it has acted on it; as the same can be handed over again, this only adds
 * behaviours. The real state machine computes every step; equal states are explored once. Plain and slow: two views are its
 * limit. `consensus-search.ts` explores three and is held against this one.
 */
import { begin, type ConsensusEvent, type ConsensusState, step } from '@flamesh/protocol/secagg/consensus.js'
import { type Ballot, type Decision, proposerSeat, valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { ballot, configOf, fakeSigner, message, type Setting, survivors } from './consensus-harness.js'

const LIAR = 3
const HONEST = [0, 1, 2]
const VALUES: readonly Decision[] = [survivors(1), survivors(2)]
const IDS = VALUES.map(valueId)
const CHOICES = [null, ...IDS]

export interface Said {
  readonly ballots: readonly Ballot[]
  readonly proposals: ConsensusState['proposals']
}

export interface Local extends Said {
  readonly state: ConsensusState
  /** interned: what this member ever said; its state up to symmetry; the same with the two values exchanged */
  readonly said: number
  readonly shape: number
  readonly mirrored: number
}

export interface Explored {
  readonly states: number
  readonly steps: number
  /** a value pair that could both be certified, if any */
  readonly conflict: boolean
  /** whether some behaviour decides */
  readonly decides: boolean
}

export function explore(
  setting: Setting,
  views: number,
  mutate = (state: ConsensusState) => state,
  onState: (members: readonly Local[]) => void = () => {},
): Explored {
  const config = configOf(setting, 0)
  const locals: Local[] = []
  const localIds = new Map<string, number>()
  const saids: Said[] = []
  const saidIds = new Map<string, number>()
  const proposers = Array.from({ length: views }, (_, view) => proposerSeat(config, view))
  const shapes = new Map<string, number>()
  const outlooks = new Map<string, number>()
  const stepMemo = new Map<string, number>()
  const nextMemo = new Map<string, readonly number[]>()
  let steps = 0

  function intern(state: ConsensusState, earlier: Said): number {
    const own = state.config.seat
    const ballots = [
      ...earlier.ballots,
      ...state.ballots.filter((one) => one.seat === own && !earlier.ballots.some((old) => same(old, one))),
    ]
    const proposals = [
      ...earlier.proposals,
      ...state.proposals.filter((one) => one.seat === own && !earlier.proposals.some((old) => old.view === one.view)),
    ]
    const kept = {
      ...state,
      ballots: ballots.filter(({ view }) => view >= state.view - 1),
      proposals: proposals.filter(({ view }) => view >= state.view - 1),
      accused: [],
      prevoteTimer: false,
      precommitTimer: false,
      certificate: null,
    }
    const says = [
      ballots.map((one) => [one.phase, one.view, one.value]),
      proposals.map((one) => [one.view, one.validView, one.id]),
    ]
    const saidKey = `${own} ${JSON.stringify(says)}`
    const said = saidIds.get(saidKey) ?? saids.push({ ballots, proposals }) - 1
    saidIds.set(saidKey, said)
    const { config: _, ballots: _ballots, proposals: _proposals, valid, ...rest } = kept
    const content = JSON.stringify([rest, valid && [valid.view, valid.id], says])
    const key = `${own} ${content}`
    const known = localIds.get(key)
    if (known !== undefined) return known
    const id =
      locals.push({
        state: kept,
        ballots,
        proposals,
        said,
        shape: shapeOf(own, content),
        mirrored: shapeOf(own, exchanged(content)),
      }) - 1
    localIds.set(key, id)
    return id
  }

  /** Seats that propose in none of these views are alike, and so are the two values. */
  function shapeOf(seat: number, content: string): number {
    const key = `${proposers.includes(seat) ? seat : 'any'} ${content}`
    const shape = shapes.get(key) ?? shapes.size
    shapes.set(key, shape)
    return shape
  }

  function jointKey(at: readonly number[]): number {
    const keys = (['shape', 'mirrored'] as const).map((face) => {
      const [a, b, c] = at.map((id) => (locals[id] as Local)[face]).sort((x, y) => x - y) as [number, number, number]
      return (a * 2 ** 17 + b) * 2 ** 17 + c
    })
    return Math.min(...keys)
  }

  function act(from: number, name: string, events: readonly ConsensusEvent[]): number {
    const key = `${from} ${name}`
    const known = stepMemo.get(key)
    if (known !== undefined) return known
    const local = locals[from] as Local
    let { state } = local
    for (const event of events) {
      state = step(mutate(state), event, { signer: fakeSigner(state.config.seat) }).state
      steps++
    }
    const to = state.view >= views ? from : intern(state, local)
    stepMemo.set(key, to)
    return to
  }

  /** What matters of the things another said to a member in this view and step, interned. */
  function outlook(id: number, view: number, at: ConsensusState['step']): number {
    const name = `${id} ${view} ${at}`
    const known = outlooks.get(name)
    if (known !== undefined) return known
    const { ballots, proposals } = saids[id] as Said
    const votes = ballots.filter((one) => one.phase === 'prevote' || one.view >= view)
    const content = JSON.stringify([
      votes.map((one) => [one.seat, one.phase, one.view, one.value]),
      at === 'propose'
        ? proposals.filter((one) => one.view === view).map((one) => [one.seat, one.validView, one.id])
        : [],
    ])
    const outlookId = outlooks.get(content) ?? outlooks.size
    outlooks.set(content, outlookId)
    outlooks.set(name, outlookId)
    return outlookId
  }

  /** Everything the member can become next, given what the other two said. */
  function successors(from: number, others: readonly number[]): readonly number[] {
    const local = locals[from] as Local
    const { state } = local
    const { view, step: at } = state
    if (at === 'decided') return []
    const memo = `${from} ${others.map((id) => outlook(id, view, at)).join()}`
    const known = nextMemo.get(memo)
    if (known !== undefined) return known
    const found = new Set<number>()
    const go = (name: string, ...events: readonly ConsensusEvent[]) => found.add(act(from, name, events))
    const heard = others.flatMap((id) => (saids[id] as Said).ballots)
    const every = [...heard, ...local.ballots]
    const quorum = (phase: Ballot['phase'], of: number, id: string) => {
      const votes = every.filter((one) => one.phase === phase && one.view === of && one.value === id)
      return votes.length + 1 >= config.profile.quorum ? [...votes, ballot(phase, of, id, LIAR)] : null
    }
    const valueNamed = (id: string) => VALUES[IDS.indexOf(id)] as Decision

    if (at === 'idle') go('start', { type: 'start' })
    if (at === 'propose') {
      go('timeout', { type: 'timeout', view, phase: 'propose' })
      const proposer = proposerSeat(config, view)
      const admissible: ConsensusEvent = { type: 'verdict', view, admissible: true }
      if (proposer === state.config.seat) {
        for (const value of VALUES)
          go(`value${IDS[VALUES.indexOf(value)]}`, { type: 'value', view, value, attachments: [] })
      }
      const proposals =
        proposer === LIAR
          ? VALUES.flatMap((value) =>
              Array.from({ length: view + 1 }, (_, i) => ({ view, validView: i - 1, value, seat: LIAR })),
            )
          : others.flatMap((id) => (saids[id] as Said).proposals.filter((one) => one.view === view))
      for (const proposal of proposals) {
        const id = valueId(proposal.value)
        const justified = proposal.validView < 0 ? [] : quorum('prevote', proposal.validView, id)
        if (justified === null) continue
        const name = `proposal${id}${proposal.validView}/${justified.map(({ seat }) => seat).join()}`
        go(name, message({ proposal, ballots: justified }), admissible)
      }
    }
    for (const phase of ['prevote', 'precommit'] as const) {
      const votes = heard.filter((one) => one.phase === phase && one.view === view)
      for (let subset = 0; subset < 1 << votes.length; subset++) {
        for (const lie of CHOICES) {
          const chosen = [...votes.filter((_, i) => (subset >> i) & 1), ballot(phase, view, lie, LIAR)]
          const named = chosen.find((one) => one.value !== null)?.value
          const value = named == null ? null : valueNamed(named)
          const handed = message({ ballots: chosen, ...(value && { value }) })
          const name = `${phase}${chosen.map((one) => `${one.seat}${one.value}`).join()}`
          go(name, handed)
          go(`${name} timeout`, handed, { type: 'timeout', view, phase })
        }
      }
    }
    for (let of = 0; of < views; of++) {
      for (const id of IDS) {
        const votes = quorum('prevote', of, id)
        if (votes !== null && of !== view)
          go(
            `polka${of}${id}${votes.map(({ seat }) => seat).join()}`,
            message({ ballots: votes, value: valueNamed(id) }),
          )
      }
      const ahead = of > view ? heard.find((one) => one.view === of) : undefined
      if (ahead !== undefined) {
        go(
          `skip${of}${ahead.seat}${ahead.phase}${ahead.value}`,
          message({ ballots: [ahead, ballot(ahead.phase, of, null, LIAR)] }),
        )
      }
    }
    found.delete(from)
    const all = [...found]
    nextMemo.set(memo, all)
    return all
  }

  const start = HONEST.map((seat) => intern(begin(configOf(setting, seat)), { ballots: [], proposals: [] }))
  const seen = new Set<number>([jointKey(start)])
  const queue: (readonly number[])[] = [start]
  let conflict = false
  let decides = false
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const saidBy = at.map((id) => (locals[id] as Local).said)
    onState(at.map((id) => locals[id] as Local))
    for (const [i, id] of at.entries()) {
      for (const next of successors(
        id,
        saidBy.filter((_, j) => j !== i),
      )) {
        const to = at.map((old, j) => (j === i ? next : old))
        const key = jointKey(to)
        if (seen.has(key)) continue
        seen.add(key)
        queue.push(to)
        decides ||= (locals[next] as Local).state.step === 'decided'
        conflict ||= twoCertifiable(
          to.map((one) => locals[one] as Local),
          config.profile.quorum,
        )
      }
    }
    if (conflict) break
  }
  return { states: seen.size, steps, conflict, decides }
}

function exchanged(content: string): string {
  const [a, b] = IDS as [string, string]
  return content.replaceAll(a, '?').replaceAll(b, a).replaceAll('?', b)
}

function same(a: Ballot, b: Ballot): boolean {
  return a.phase === b.phase && a.view === b.view && a.value === b.value
}

/** The liar signs everything: q − 1 honest precommits certify. */
function twoCertifiable(said: readonly Said[], quorum: number): boolean {
  const precommits = said.flatMap(({ ballots }) =>
    ballots.filter(({ phase, value }) => phase === 'precommit' && value !== null),
  )
  const values = precommits
    .filter((one) => precommits.filter((other) => same(one, other)).length + 1 >= quorum)
    .map(({ value }) => value)
  return new Set(values).size > 1
}
