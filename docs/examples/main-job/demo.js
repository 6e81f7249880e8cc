/**
 * The main job, end to end, on this machine: a hub, eight hospitals and a researcher as processes of their own, three jobs
 * over real patients' data, and something that goes wrong in each. Plain JavaScript without dependencies: it starts before
 * anything is installed. `npm run demo`, `npm run demo -- containers` for a researcher's image, `-- --json` for one JSON document on
 * stdout, `-- --reports DIR` to keep the reports.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setUp } from '../../../test/set-up.js'
import { Checks } from './checks.js'
import { Federation } from './federation.js'
import { coxJob, describeJob, tableJob, verifyReceipt } from './jobs.js'
import { killEverything, stopEverything } from './processes.js'

const JOBS = [
  ['describe', '(a) describe: a hospital dies before it submits', describeJob],
  ['cox', '(b) Cox regression: a hospital dies between two rounds', coxJob],
  ['table', '(c) table: the hub is off, a member of the committee is away', tableJob],
]
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }
const INSISTS_MS = 1000

const json = process.argv.includes('--json')
const out = json ? process.stderr : process.stdout
let startedMs = performance.now()
const seconds = () => (performance.now() - startedMs) / 1000
const say = (line) => out.write(`${seconds().toFixed(1).padStart(6)} s  ${line}\n`)

/** With `containers` a researcher's image instead of the three jobs. */
const withContainers = process.argv.includes('containers')

async function playContainers(federation, folder, checks) {
  const { containerJob, startEngine } = await import('./containers.js')
  const engine = await startEngine(say)
  try {
    await federation.build()
    out.write('\nlogistic regression by a Python image: one refuses it, one dies on the way\n')
    const outcome = await containerJob(federation, engine, join(folder, 'image'), checks, say)
    await federation.stopHub()
    out.write('\nThe receipt, with the hub off\n')
    await verifyReceipt(federation, 'logistic', outcome, checks)
    return [['logistic', outcome]]
  } finally {
    await stopEverything()
    await engine.stop()
  }
}

async function play(federation, folder, checks) {
  if (withContainers) return playContainers(federation, folder, checks)
  await federation.build()
  const outcomes = []
  for (const [name, title, job] of JOBS) {
    out.write(`\n${title}\n`)
    outcomes.push([name, await job(federation, checks, say)])
  }
  out.write('\nThe receipts, with the hub still off\n')
  for (const [name, outcome] of outcomes) await verifyReceipt(federation, name, outcome, checks)
  return outcomes
}

/** The pages that the researcher's node made, out of the folder that goes. */
function keepReports(outcomes) {
  const at = process.argv.indexOf('--reports')
  if (at < 0) return
  const folder = process.argv[at + 1] ?? 'reports'
  mkdirSync(folder, { recursive: true })
  for (const [name, { resultFile }] of outcomes) {
    const kept = join(folder, `${name}.html`)
    copyFileSync(join(dirname(resultFile), 'report.html'), kept)
    say(`the report of ${name} is in ${kept}`)
  }
}

/** What the daemons complained of, for whoever looks for the cause. */
function complain({ nodes }) {
  for (const { name, log } of nodes) {
    for (const complaint of log.complaints.slice(-8)) out.write(`  ${name}: ${JSON.stringify(complaint)}\n`)
  }
}

/** Rejects when somebody wants the demo to stop; whoever insists does not wait until every process has ended well. */
function interruption() {
  return new Promise((_, reject) => {
    let askedMs = Number.POSITIVE_INFINITY
    for (const [signal, exitCode] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        // npm passes on what the terminal has sent already: the same wish twice
        if (performance.now() - askedMs > INSISTS_MS) process.exit(exitCode)
        askedMs = Math.min(askedMs, performance.now())
        reject(Object.assign(new Error(`stopped by ${signal}`), { exitCode }))
      })
    }
  })
}

/** A temporary folder, and the promise that neither it nor a process outlives this one. */
function workplace() {
  const folder = mkdtempSync(join(tmpdir(), 'flamesh-demo-'))
  process.on('exit', () => {
    killEverything()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  return folder
}

async function main() {
  await setUp({ projects: ['node', 'hub-registry'], out })
  startedMs = performance.now()
  const checks = new Checks(say)
  const folder = workplace()
  const federation = new Federation(folder, say)
  let outcomes = []
  let failure
  const interrupted = interruption()
  try {
    outcomes = await Promise.race([play(federation, folder, checks), federation.accident, interrupted])
    keepReports(outcomes)
  } catch (error) {
    // Ctrl-C reaches the daemons too, and one that ends may be heard of first
    failure = await Promise.race([interrupted.catch((reason) => reason), sleep(200, error)])
    if (failure.exitCode === undefined) complain(federation)
  }
  await stopEverything()
  const ok = failure === undefined && checks.hold
  const said = conclusion(ok, failure, checks)
  if (json) {
    const jobs = outcomes.map(([name, { job, status, sites, result }]) => [name, { job, status, sites, result }])
    const document = { ok, seconds: Number(seconds().toFixed(1)), conclusion: said, checks: checks.all }
    process.stdout.write(`${JSON.stringify({ ...document, jobs: Object.fromEntries(jobs) })}\n`)
  }
  out.write(`\n${said}\n`)
  return ok ? 0 : (failure?.exitCode ?? 1)
}

function conclusion(ok, failure, { all }) {
  if (failure !== undefined) return `The demo failed: ${failure.message}`
  const broken = all.filter((check) => !check.ok).map(({ what }) => what)
  if (!ok) return `The demo failed: ${broken.length} of ${all.length} comparisons do not hold: ${broken.join('; ')}`
  return `All ${all.length} comparisons hold after ${seconds().toFixed(0)} s: ${withContainers ? "hospitals ran a stranger's code, and it told nobody of their patients" : "eight hospitals answered three questions together, and nobody saw another's patients"}.`
}

try {
  process.exit(await main())
} catch (error) {
  out.write(`The demo could not start: ${error.message}\n`)
  process.exit(1)
}
