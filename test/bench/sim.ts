/**
 * `npm run bench -- sim [--sizes 10,100,300,1000]`: one simulation of each size in a process of its own: routers warm up, one
 * `describe` and one `linear` job run over all sites with a committee of seven. Prints events a second, simulated over wall
 * and processor time, memory a site and where the processor's time goes.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { SimRun } from './sim-run.js'

const { values } = parseArgs({ options: { sizes: { type: 'string', default: '10,100,300,1000' } } })
const sizes = values.sizes.split(',').map(Number)
if (sizes.some((size) => !Number.isInteger(size) || size < 8)) throw new Error('--sizes are whole numbers from 8 on')

const program = fileURLToPath(new URL('sim-run.ts', import.meta.url))
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
const columns = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(13)).join('')

process.stdout.write(
  `${columns(['sites', 'events/s', 'sim/wall', 'sim/cpu', 'start, s', 'warm-up, s', 'jobs, s', 'simulated, s', 'MB', 'kB a site'])}\n`,
)
for (const size of sizes) {
  const child = spawnSync(process.execPath, [...process.execArgv, program, String(size)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (child.status !== 0) throw new Error(`the simulation of ${size} sites failed`)
  const run = JSON.parse(child.stdout) as SimRun
  const wallS = run.startS + run.warmUpS + run.jobsS
  const numbers = [
    run.events / wallS,
    run.simulatedS / wallS,
    run.simulatedS / run.cpuS,
    run.startS,
    run.warmUpS,
    run.jobsS,
    run.simulatedS,
    run.residentMb,
    (run.residentMb - run.emptyMb) * (1000 / size),
  ]
  process.stdout.write(`${columns([String(size), ...numbers.map((one) => one.toFixed(one < 100 ? 2 : 0))])}\n`)
  const shares = Object.entries(run.shares).sort(([, a], [, b]) => b - a)
  process.stdout.write(
    `      ${shares.map(([name, share]) => `${name} ${percent(share)}`).join(', ')}; ${run.outcome}\n`,
  )
}
