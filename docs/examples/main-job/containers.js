/**
 * `npm run demo -- containers`: a researcher's own image over the same hospitals. It is pushed to a registry, signed by two
 * reviewers, attested by the hub, refused by one operator, and run in the sandboxes of the others; one hospital dies on the way.
 */
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LocalEngine, logisticDescription, whyNoEngine } from '../images/local-engine.js'
import { SITES } from './data.js'
import { ASKS_OPERATOR } from './federation.js'

const EXAMPLE = fileURLToPath(new URL('../images/python-logistic', import.meta.url))
const { logistic } = JSON.parse(readFileSync(new URL('expected.json', import.meta.url), 'utf8'))
const ALL = SITES.map(({ name }) => name)
const STEP_MS = 120_000
/** What images get by policy here; a hospital would name repositories and researchers (docs/examples/policies). */
const POLICY = { version: 1, approve: [{ images: 'any' }], never: [] }
const COVARIATES = ['age', 'sex', 'ph.ecog']

/** Starts the engine, or says what is missing. Resolves with it and what ends it. */
export async function startEngine(say) {
  const missing = whyNoEngine()
  if (missing !== undefined) {
    const hint = 'on Debian: apt-get install docker.io docker-registry busybox-static python3, and run this as root'
    throw new Error(`this demo starts a container engine of its own, and cannot: ${missing}\n${hint}`)
  }
  const engine = await LocalEngine.start()
  // what every daemon of this demo inherits
  process.env.FLAMESH_CONTAINER_SOCKET = engine.socketPath
  say('a container engine and a registry are running, on loopback')
  return engine
}

/** Two people sign what they read, offline; the hub attests it under its rule that two have to. */
async function attest(federation, folder, image, say) {
  const description = join(folder, 'image.yaml')
  await writeFile(description, logisticDescription(image))
  const floor = []
  const reviews = []
  for (const name of ['ana', 'bo']) {
    const file = join(folder, `${name}.key`)
    const { key } = await federation.offline(['reviewer-key', file])
    floor.push('--reviewer', `${name}=${key}`)
    const out = join(folder, `${name}.review`)
    await federation.offline(['review', description, '--key', file, '--out', out])
    reviews.push('--review', out)
  }
  await federation.hubCommand(['floor', '--threshold', '2', ...floor])
  await federation.hubCommand(['attest', '--image', description, ...reviews])
  say('two reviewers have signed the description of the image, and the hub attests it')
}

async function setPolicies(federation, folder) {
  const file = join(folder, 'images.policy.yaml')
  await writeFile(file, JSON.stringify(POLICY))
  for (const name of ALL) if (name !== ASKS_OPERATOR) await federation.node(name).flamesh(['policy', 'set', file])
}

export async function containerJob(federation, engine, folder, checks, say) {
  await mkdir(folder, { recursive: true })
  const image = await engine.push('logistic', EXAMPLE)
  say(`the image is in the registry: ${image.slice(0, 60)}…`)
  await attest(federation, folder, image, say)
  await setPolicies(federation, folder)
  const job = await submit(federation, folder, image, say)
  const { researcher } = federation
  const waiting = researcher.flamesh(['job', 'result', job, '--wait', '--timeout', '400s'], (line) => say(`  ${line}`))
  waiting.catch(() => undefined)
  const careful = federation.node(ASKS_OPERATOR)
  await careful.log.until(
    'the job reaches the operator',
    (events) => events.some((event) => event.job === job),
    STEP_MS,
  )
  await careful.flamesh(['job', 'refuse', job, '--reason', 'no code of others here'])
  say(`the operator of ${ASKS_OPERATOR} refuses`)
  const victim = federation.node('site-f')
  const ran = ({ event, round, ...rest }) => event === 'image-run' && rest.job === job && round === 2
  await victim.log.until('round 2 is computed', (events) => events.find(ran), STEP_MS)
  await victim.kill()
  say(`kill -9 ${victim.name}, in the middle of the job`)
  await victim.start()
  say(`${victim.name} is started again`)
  const outcome = await waiting
  const included = ALL.filter((name) => outcome.sites[name]?.included === true)
  checks.equal(
    'the survivors are all but who refused',
    included,
    ALL.filter((name) => name !== ASKS_OPERATOR),
  )
  checks.close('the coefficients are those of R on their rows', outcome.result.outcome, logistic.coef, 1e-6)
  const left = await engine.docker.listContainers({ all: true })
  checks.equal('no container is left', left.filter(({ Labels }) => Labels['flamesh.node'] !== undefined).length, 0)
  return outcome
}

/** As soon as the researcher's node has heard of the attestation. */
async function submit(federation, folder, image, say) {
  const file = join(folder, 'job.yaml')
  const document = {
    name: 'death by age, sex and performance status',
    purpose: 'research',
    image,
    columns: ['status', ...COVARIATES],
    parameters: { outcome: 'status', is: '2', covariates: COVARIATES },
    rounds: 6,
    dataset: 'lung',
    expires: '30m',
  }
  await writeFile(file, JSON.stringify(document))
  for (const deadline = performance.now() + STEP_MS; ; ) {
    try {
      const { job } = await federation.researcher.flamesh(['job', 'submit', file])
      say(`the researcher signs and announces job ${job.slice(0, 12)}`)
      return job
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
  }
}
