import assert from 'node:assert/strict'
import type { ConsensusState } from '@flamesh/protocol/secagg/consensus.js'
import { type Mutant, type Scenario, Simulation } from './consensus-simulation.js'

interface Run extends Omit<Scenario, 'seed'> {
  readonly name: string
  readonly schedules: number
}

const RUNS: readonly Run[] = [
  { name: 'four seats', seats: 4, liars: [], live: true, schedules: 200 },
  { name: 'four seats, one lies', seats: 4, liars: [3], live: true, schedules: 600 },
  { name: 'four seats, one absent', seats: 4, liars: [], absent: [1], live: true, schedules: 200 },
  { name: 'three seats', seats: 3, liars: [], live: true, schedules: 200 },
  { name: 'three seats, one lies: agreement alone is promised', seats: 3, liars: [1], live: false, schedules: 300 },
  { name: 'seven seats, two lie', seats: 7, liars: [2, 5], live: true, schedules: 250 },
  { name: 'seven seats, one lies, one absent', seats: 7, liars: [6], absent: [0], live: true, schedules: 50 },
]

function* outcomes(run: Omit<Run, 'name'>, mutant: Mutant = {}) {
  for (let seed = 0; seed < run.schedules; seed++) {
    yield { seed, ...new Simulation({ ...run, seed, round: 1 + (seed % run.seats) }, mutant).run() }
  }
}

describe('consensus under random schedules', function () {
  this.timeout(120_000)

  for (const run of RUNS) {
    it(`${run.name}: one value, whatever happens${run.live ? ', and soon after the network calms' : ''}`, () => {
      let [crashes, lies, furtherViews] = [0, 0, 0]
      const values = new Set<string>()
      for (const outcome of outcomes(run)) {
        assert.deepEqual(outcome.broken, [], `seed ${outcome.seed}`)
        crashes += outcome.crashes
        lies += outcome.lies
        furtherViews += outcome.views
        if (outcome.value !== undefined) values.add(JSON.stringify(outcome.value))
      }
      // The schedules are worth something only if they crash members, tempt them, and make views fail.
      assert.ok(crashes > run.schedules / 4, `${crashes} crashes`)
      assert.ok(lies >= 10 * run.schedules * run.liars.length, `${lies} lies`)
      assert.ok(furtherViews > run.schedules, `${furtherViews} further views`)
      assert.ok(values.size > 2, `${[...values]}`)
    })
  }

  // Each mutant breaks one promise of the machine; the checks must see it, or they see nothing.
  const forget = (state: ConsensusState): ConsensusState =>
    state.step === 'decided'
      ? state
      : { ...state, step: 'propose', ballots: state.ballots.filter(({ seat }) => seat !== state.config.seat) }
  const MUTANTS: readonly { readonly name: string; readonly mutant: Mutant; readonly finds: readonly string[] }[] = [
    { name: 'forgets its votes in a crash', mutant: { restart: forget }, finds: ['voted twice', 'forgot a vote'] },
    {
      name: 'never keeps its lock',
      mutant: { step: (state) => ({ ...state, locked: null }) },
      finds: ['two certificates'],
    },
    {
      name: 'counts q−1 as a quorum',
      mutant: {
        begin: (state) => {
          const { config } = state
          return { ...state, config: { ...config, profile: { ...config.profile, quorum: config.profile.quorum - 1 } } }
        },
      },
      finds: ['decided without a quorum'],
    },
  ]
  for (const { name, mutant, finds } of MUTANTS) {
    it(`finds out a member that ${name}`, () => {
      const seen = new Set<string>()
      for (const { broken } of outcomes({ seats: 4, liars: [3], live: true, schedules: 2000 }, mutant)) {
        for (const one of broken) seen.add(one)
        if (finds.every((one) => seen.has(one))) return
      }
      assert.fail(`expected ${finds}, saw ${[...seen]}`)
    })
  }
})
