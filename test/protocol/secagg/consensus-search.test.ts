/** The exploration of the consensus: what it finds, that merging states loses nothing, and that it can fail. */
import assert from 'node:assert/strict'
import { begin, step } from '@flamesh/protocol/secagg/consensus.js'
import { valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { calmAfter } from './consensus-calm.js'
import { lockOf, type Machine, modelOf } from './consensus-contents.js'
import { explore, type Local } from './consensus-exploration.js'
import { survivors } from './consensus-harness.js'
import type { Joint } from './consensus-reduction.js'
import { type SearchOptions, search } from './consensus-search.js'
import { drawer } from './consensus-simulation.js'

/** Round 1 of four seats: with this attempt the liar in seat 3 proposes in view 2 − attempt, with attempt 3 in none of three. */
const liarIn = (view: number) => ({ seats: 4, attempt: (6 - view) % 4 })

interface Place {
  readonly view: number
  readonly at: number
  readonly lock: { readonly view: number; readonly value: number } | null
}

/** What can be seen of a state: where the members are, what binds them, what is certified; up to names. */
function outlook(views: number, places: readonly Place[], certified: readonly number[]): string {
  const faces = [0, 1].map((swap) => {
    const seen = places.map(({ view, at, lock }) => {
      // nothing is prevoted after that, so merging states forgets it
      const bound = lock === null || (view === views - 1 && at > 0) ? 'free' : `${lock.view}:${lock.value ^ swap}`
      return `${view}.${at} ${bound}`
    })
    return `${seen.sort()} / ${certified.map((one) => one ^ swap).sort()}`
  })
  return faces.sort()[0] as string
}

function mergedOutlooks(options: Omit<SearchOptions, 'onState'>): ReadonlySet<string> {
  const model = modelOf(options.setting, options.views)
  const seen = new Set<string>()
  const onState = ({ members, facts }: Joint) => {
    const places = members.map((one) => ({ ...one, lock: lockOf(model, one.lock) }))
    seen.add(outlook(options.views, places, facts.certified === 0 ? [] : [facts.certified - 1]))
  }
  search({ ...options, onState })
  return seen
}

function plainOutlooks(setting: SearchOptions['setting'], views: number): ReadonlySet<string> {
  const ids = [survivors(1), survivors(2)].map(valueId)
  const seen = new Set<string>()
  const onState = (members: readonly Local[]) => {
    if (members.some(({ state }) => state.step === 'decided')) return
    const precommits = members.flatMap(({ ballots }) => ballots.filter(({ phase }) => phase === 'precommit'))
    const certified = [0, 1].filter((value) =>
      Array.from({ length: views }, (_, view) => view).some(
        (view) => precommits.filter((one) => one.view === view && one.value === ids[value]).length >= 2,
      ),
    )
    const places = members.map(({ state }) => ({
      view: Math.max(0, state.view),
      at: Math.max(0, ['propose', 'prevote', 'precommit'].indexOf(state.step)),
      lock: state.locked && { view: state.locked.view, value: ids.indexOf(state.locked.id) },
    }))
    seen.add(outlook(views, places, certified))
  }
  explore(setting, views, undefined, onState)
  return seen
}

describe('every behaviour of three honest seats and a liar', function () {
  this.timeout(180_000)

  it('over two views reaches what the plain exploration reaches, no more and no less', () => {
    const plain = plainOutlooks(liarIn(0), 2)
    const merged = mergedOutlooks({ setting: liarIn(0), views: 2 })
    assert.ok(plain.size > 100, `${plain.size}`)
    assert.deepEqual([...merged].sort(), [...plain].sort())
  })

  for (const liar of [0, 1, 2, 3]) {
    it(`over two views keeps every promise, the liar proposing in ${liar < 2 ? `view ${liar}` : 'neither'}`, () => {
      const { broken, states, certified } = search({ setting: liarIn(liar), views: 2 })
      assert.deepEqual(broken, [])
      assert.ok(states > 1000 && certified > 200, `${states} states, ${certified} certified`)
    })
  }

  it('over three views keeps every promise, and merging more states reaches as much', () => {
    const { broken, states, certified } = search({ setting: liarIn(2), views: 3 })
    assert.deepEqual(broken, [])
    assert.ok(states > 25_000 && certified > 5000, `${states} states, ${certified} certified`)
    const merged = mergedOutlooks({ setting: liarIn(2), views: 3 })
    assert.ok(merged.size > 500, `${merged.size}`)
    assert.deepEqual(mergedOutlooks({ setting: liarIn(2), views: 3, without: [4, 6, 7] }), merged)
  })
})

const wrapped = (before: (...of: Parameters<Machine['step']>) => ReturnType<Machine['step']>): Machine => ({
  begin,
  step: before,
})

const MUTANTS: readonly { readonly name: string; readonly options: Partial<SearchOptions>; readonly finds: string }[] =
  [
    {
      name: 'votes as if it had no lock',
      options: {
        machine: wrapped((state, event, context) => {
          const { state: after, effects } = step({ ...state, locked: null }, event, context)
          return { state: { ...after, locked: after.locked ?? state.locked }, effects }
        }),
      },
      finds: 'broke its lock',
    },
    { name: 'forgets its votes', options: { forgetful: true }, finds: 'voted twice' },
    {
      name: 'counts q−1 as a quorum',
      options: {
        machine: {
          begin: (config) => begin({ ...config, profile: { ...config.profile, quorum: config.profile.quorum - 1 } }),
          step,
        },
      },
      finds: 'precommitted without a quorum of prevotes',
    },
    {
      name: 'locks on nothing but a proposal with an earlier quorum',
      options: {
        machine: wrapped((state, event, context) => {
          const { state: after, effects } = step(state, event, context)
          const { valid, locked } = after
          return { state: { ...after, locked: valid === null ? locked : { view: valid.view, id: valid.id } }, effects }
        }),
      },
      finds: 'locked without a precommit',
    },
  ]

describe('a member that breaks a rule is found out by the exploration', function () {
  this.timeout(180_000)
  for (const { name, options, finds } of MUTANTS) {
    it(name, () => {
      const { broken } = search({ setting: liarIn(1), views: 2, ...options, until: finds })
      assert.ok(broken.includes(finds), `${broken}`)
    })
  }

  // the rules above are stricter than agreement; these two must cost agreement itself
  for (const { name, options } of MUTANTS.slice(0, 2)) {
    it(`${name}: two values are certified`, () => {
      const { broken } = search({ setting: liarIn(1), views: 2, ...options, until: 'two certificates' })
      assert.ok(broken.includes('two certificates'), `${broken}`)
    })
  }
})

describe('three honest seats, once the liar falls silent and the network calms', function () {
  this.timeout(180_000)

  it('decide one value from wherever they are', () => {
    const places = new Set<string>()
    let further = 0
    for (let seed = 0; seed < 400; seed++) {
      const draw = drawer(seed)
      const { broken, from, views } = calmAfter(modelOf(liarIn(seed % 4), 3), 3 + draw(30), draw)
      assert.deepEqual(broken, [], `seed ${seed}`)
      assert.ok(views[1] - views[0] <= 4, `seed ${seed}: views ${views}`)
      places.add(from)
      further += views[1] - views[0]
    }
    assert.ok(places.size > 300 && further > 200, `${places.size} places, ${further} further views`)
  })
})
