/** The three jobs of the demo, what goes wrong during each, and what must be true afterwards. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { countPairs, describeColumn, SITES } from './data.js'
import { ASKS_OPERATOR, COMMITTEE } from './federation.js'

const ALL = SITES.map(({ name }) => name)
const expected = JSON.parse(readFileSync(new URL('expected.json', import.meta.url), 'utf8'))

const STEP_MS = 60_000
const LOOK_MS = 100
/** A job that waits for a site is watched this long: would it go on without? */
const PAUSE_MS = 1500

/** Signs and announces a job; `result` is the document that waiting for it ends with. */
async function submit({ researcher }, file, say) {
  const { job } = await researcher.flamesh(['job', 'submit', fileURLToPath(new URL(file, import.meta.url))])
  say(`the researcher submits ${file} as job ${job.slice(0, 12)}`)
  const waiting = researcher.flamesh(['job', 'result', job, '--wait', '--timeout', '180s'], (line) => say(`  ${line}`))
  // whoever awaits it hears of a failure; until then it must not end the process
  waiting.catch(() => undefined)
  return { job, waiting }
}

async function operatorApproves(federation, job, say) {
  const site = federation.node(ASKS_OPERATOR)
  await site.log.until('the job reaches the operator', (events) => events.some((event) => event.job === job), STEP_MS)
  await site.flamesh(['job', 'approve', job])
  say(`the operator of ${ASKS_OPERATOR} approves`)
}

const includedIn = ({ sites }) => ALL.filter((name) => sites[name]?.included === true)

/** (a) One hospital is killed after its approval is recorded and before its submission leaves. */
export async function describeJob(federation, checks, say) {
  const victim = federation.node('site-g')
  const { job, waiting } = await submit(federation, 'describe.yaml', say)
  await approvalRecorded(federation, job, victim.name)
  // the operator has not decided, so the round is not open: nothing can have been submitted
  await victim.kill()
  say(`kill -9 ${victim.name}: it has approved and not yet submitted`)
  await operatorApproves(federation, job, say)
  const outcome = await waiting
  const downAllAlong = !victim.alive
  await victim.start()
  say(`${victim.name} is started again`)

  const included = includedIn(outcome)
  const closed = await Promise.all(COMMITTEE.map((name) => federation.node(name).audit(job, 'round-closed')))
  const cohort = Math.max(...closed.flat().map(({ fields }) => fields.cohort))
  const approved = outcome.sites[victim.name]?.code === 'policy'
  checks.holds(`${victim.name} was in the cohort`, cohort === ALL.length && approved, `${cohort} sites`)
  checks.holds(`${victim.name} was down until the result was there`, downAllAlong)
  checks.equal(
    'the survivors are all but it',
    included,
    ALL.filter((name) => name !== victim.name),
  )
  for (const column of ['age', 'wt.loss']) {
    const found = outcome.result.describe[column]
    const plain = describeColumn(included, column)
    checks.equal(
      `${column}: n and missing are those of the survivors' rows`,
      [found.n, found.missing],
      [plain.n, plain.missing],
    )
    checks.close(`${column}: mean and variance, too`, [found.mean, found.variance], [plain.mean, plain.variance])
  }
  return outcome
}

/** Every member of the committee shows the approval. */
async function approvalRecorded(federation, job, name) {
  const deadline = performance.now() + STEP_MS
  const members = COMMITTEE.map((member) => federation.node(member))
  for (const { log } of members)
    await log.until('the job arrives', (events) => events.some((event) => event.job === job), STEP_MS)
  for (;;) {
    const views = await Promise.all(members.map((member) => member.flamesh(['job', 'show', job])))
    if (views.every(({ sites }) => sites[name]?.status === 'approved')) return
    if (performance.now() > deadline) throw new Error(`the committee does not learn that ${name} approved`)
    await sleep(LOOK_MS)
  }
}

/** (b) One hospital is killed after round 1 was opened; the job waits for it. */
export async function coxJob(federation, checks, say) {
  const victim = federation.node('site-f')
  const { log } = federation.researcher
  const { job, waiting } = await submit(federation, 'cox.yaml', say)
  await operatorApproves(federation, job, say)
  const opened = ({ event, round, ...rest }) => event === 'round-opened' && rest.job === job && round === 1
  await log.until('round 1 is opened', (events) => events.find(opened), STEP_MS)
  await victim.kill()
  say(`kill -9 ${victim.name}: round 1 is open`)
  const round = await log.until('the others wait', (events) => pausedRound(events, job, victim.name), STEP_MS)
  await sleep(PAUSE_MS)
  const { status } = await federation.researcher.flamesh(['job', 'show', job])
  say(`the job waits for ${victim.name} in round ${round}`)
  await victim.start()
  say(`${victim.name} is started again`)
  const outcome = await waiting

  const submissions = (await victim.audit(job, 'submitted')).map(({ fields }) => fields)
  // a round that a slow machine tries again is another attempt, with fresh masks
  const attempts = submissions.map((one) => `${one.round}.${one.attempt}`)
  const rounds = [...new Set(submissions.map((one) => one.round))]
  const { result } = outcome
  checks.holds('the job paused while it was away', status === 'submitted', `in round ${round}`)
  checks.equal('the survivors are all eight', includedIn(outcome), ALL)
  checks.holds(
    `${victim.name} resumed, and submitted to every round exactly once`,
    new Set(attempts).size === attempts.length && rounds.every((one, at) => one === at + 1) && rounds.length > round,
    `round.attempt: ${attempts.join(', ')}`,
  )
  checks.equal('rows and events are those of R', [result.n, result.events], [expected.cox.n, expected.cox.events])
  checks.equal('so are the covariates', result.names, expected.cox.names)
  checks.close('so are the coefficients', result.coef, expected.cox.coef)
  checks.close('so are the standard errors', result.se, expected.cox.se)
  return outcome
}

/** The round that every other site has submitted to, and the killed one has not. Throws if the job ended without it. */
function pausedRound(events, job, victim) {
  const own = events.filter((event) => event.job === job)
  if (
    own.some(({ event, status }) => event === 'job-status' && ['released', 'failed', 'suppressed'].includes(status))
  ) {
    throw new Error(`the kill missed its window: the job ended before ${victim} was needed again`)
  }
  const submissions = own.filter(({ event }) => event === 'site-submitted')
  const last = Math.max(0, ...submissions.map(({ round }) => round))
  const sites = new Set(submissions.filter(({ round }) => round === last).map(({ site }) => site))
  return last > 1 && !sites.has(victim) && sites.size === ALL.length - 1 ? last : undefined
}

/** (c) The hub is off and a member of the committee is stopped before the job is submitted. */
export async function tableJob(federation, checks, say) {
  const stopped = federation.node('site-d')
  await federation.stopHub()
  say('the hub is switched off')
  await stopped.stop()
  say(`${stopped.name} is stopped: the committee has three members left`)
  const { job, waiting } = await submit(federation, 'table.yaml', say)
  await operatorApproves(federation, job, say)
  const outcome = await waiting

  const included = includedIn(outcome)
  const levels = [1, 2]
  checks.equal(
    'the survivors are all but it',
    included,
    ALL.filter((name) => name !== stopped.name),
  )
  checks.equal(
    "the counts are those of the survivors' rows",
    outcome.result.counts_by_row,
    countPairs(included, ['sex', levels], ['status', levels]),
  )
  return outcome
}

/** Needs neither the hub nor a daemon. */
export async function verifyReceipt({ researcher, hubKey }, name, outcome, checks) {
  const files = [outcome.receipt, '--result', outcome.resultFile]
  const report = await researcher.flamesh(['receipt', 'verify', ...files, '--hub-key', hubKey])
  const agrees = report.summary?.sites.every((site) => site.included === (outcome.sites[site.name]?.included === true))
  checks.holds(`the receipt of ${name} verifies`, report.verified && agrees === true)
}
