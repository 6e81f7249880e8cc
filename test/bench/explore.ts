/**
 * `npm run explore [-- --schedules N] [-- --calms N] [-- --only search|calm|seven]`: the consensus at (4,1) over three views,
 * exhaustively, with the liar proposing in each of them and in none; calm after storms; and random schedules of (7,2) with
 * two liars. The fast part of it is in the tests. Ends with exit code 1 if a promise was broken.
 */
import { parseArgs } from 'node:util'
import { calmAfter } from '../protocol/secagg/consensus-calm.js'
import { modelOf } from '../protocol/secagg/consensus-contents.js'
import { search } from '../protocol/secagg/consensus-search.js'
import { drawer, Simulation } from '../protocol/secagg/consensus-simulation.js'

const { values: options } = parseArgs({
  options: {
    schedules: { type: 'string', default: '100000' },
    calms: { type: 'string', default: '20000' },
    only: { type: 'string' },
  },
})

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const wants = (part: string): boolean => options.only === undefined || options.only === part
const resident = (): string => `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`

/** Processor time, because the machine may do other things as well. */
function timed<T>(run: () => T): { readonly seconds: string; readonly value: T } {
  const before = process.cpuUsage()
  const value = run()
  return { seconds: `${(process.cpuUsage(before).user / 1e6).toFixed(1)} s`, value }
}

/** Round 1: attempt 2 makes seat 3, the liar, propose in view 0, attempt 1 in view 1, and so on. */
function exhaust(values: number): void {
  for (const attempt of [2, 1, 0, 3]) {
    const { value, seconds } = timed(() => search({ setting: { seats: 4, attempt }, views: 3, values }))
    const liar = attempt === 3 ? 'no view' : `view ${2 - attempt}`
    const { states, transitions, steps, broken } = value
    say(
      `(4,1), three views, ${values} values, the liar proposes in ${liar}: ${states} states, ${transitions} transitions, ` +
        `${steps} steps of the machine, ${seconds}, ${resident()}, broken: ${broken.join(', ') || 'nothing'}`,
    )
    if (broken.length > 0) process.exitCode = 1
  }
}

function calm(count: number): void {
  const places = new Set<string>()
  let [failures, worst] = [0, 0]
  const { seconds } = timed(() => {
    for (let seed = 0; seed < count; seed++) {
      const draw = drawer(seed)
      const { broken, from, views } = calmAfter(modelOf({ seats: 4, attempt: seed % 4 }, 3), 3 + draw(30), draw)
      places.add(`${seed % 4} ${from}`)
      worst = Math.max(worst, views[1] - views[0])
      if (broken.length === 0) continue
      failures++
      say(`calm, seed ${seed}: ${broken}`)
    }
  })
  say(
    `(4,1), calm after ${count} storms, ${places.size} different states: ${failures} without one decision, ` +
      `at most ${worst} views later, ${seconds}`,
  )
  if (failures > 0) process.exitCode = 1
}

function seven(count: number): void {
  let [failures, crashes, lies, views] = [0, 0, 0, 0]
  const { seconds } = timed(() => {
    for (let seed = 0; seed < count; seed++) {
      const liars = [seed % 7, (seed + 1 + (Math.floor(seed / 7) % 6)) % 7].sort((a, b) => a - b)
      const outcome = new Simulation({ seats: 7, liars, live: true, round: 1 + (seed % 5), seed }).run()
      crashes += outcome.crashes
      lies += outcome.lies
      views = Math.max(views, outcome.views)
      if (seed % 10_000 === 9_999) say(`(7,2): ${seed + 1} schedules …`)
      if (outcome.broken.length === 0) continue
      failures++
      say(`(7,2), seed ${seed}, liars ${liars}: ${outcome.broken}`)
    }
  })
  say(
    `(7,2), ${count} schedules with two liars: ${failures} broken, ${crashes} crashes, ${lies} lies, ` +
      `highest view ${views}, ${seconds}`,
  )
  if (failures > 0) process.exitCode = 1
}

if (wants('search')) for (const values of [2, 3]) exhaust(values)
if (wants('calm')) calm(Number(options.calms))
if (wants('seven')) seven(Number(options.schedules))
