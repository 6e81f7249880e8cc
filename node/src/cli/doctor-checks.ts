/**
 * The checks of `flamesh doctor`, each ok, warn or fail with a hint. What a running daemon knows is asked of it; the rest
 * is looked at in the folder. Nothing is changed and no secret is printed.
 */
import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { openCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { MAX_CHECKPOINT_AGE_MS, MAX_CLOCK_SKEW_MS } from '@flamesh/protocol/limits.js'
import { configuredEngine } from '../config/engine.js'
import { currentPolicy } from '../config/policy-file.js'
import type { Config } from '../config/settings.js'
import { openBits, requireInitialised, requireOwner } from '../config/state-folder.js'
import type { StatusDocument } from '../control/documents.js'
import { DatasetStore } from '../data/datasets.js'
import { createHubClient } from '../hub-client/hub-client.js'
import { readLedger } from '../ledger/entries.js'
import { shareUsed, sizesOf } from '../ledger/ledger.js'
import { verifyAudit } from '../store/audit-log.js'
import { loadIdentity } from '../store/identity.js'
import type { CommandContext } from './context.js'
import { durationText } from './table.js'

export interface Check {
  readonly name: string
  readonly outcome: 'ok' | 'warn' | 'fail'
  readonly message: string
  readonly hint?: string
}

type Finding = Omit<Check, 'name'>

/** Below these a database write can fail, or soon will (bytes). */
const SCARCE_BYTES = 1024 ** 3
/** Of the room for sets of rows. */
const NEARLY_FULL = 0.9
const TOO_FEW_BYTES = 64 * 1024 ** 2
const HUB_TIMEOUT_MS = 4000

const ok = (message: string): Finding => ({ outcome: 'ok', message })
const warn = (message: string, hint: string): Finding => ({ outcome: 'warn', message, hint })
const fail = (message: string, hint: string): Finding => ({ outcome: 'fail', message, hint })

export async function runChecks(context: CommandContext): Promise<readonly Check[]> {
  requireInitialised(context.folder)
  const { config } = context.config()
  const daemon = await askDaemon(context)
  const checks: Check[] = []
  const check = async (name: string, look: () => Promise<Finding>): Promise<void> => {
    checks.push({ name, ...(await look().catch(failure)) })
  }
  await check('folder', () => folderCheck(context))
  await check('disk', () => diskCheck(context))
  await check('keys', () => keysCheck(context))
  await check('policy', async () => {
    const { text, policy } = await currentPolicy(context.folder)
    return text === undefined
      ? warn('the default policy: every job waits for the operator', 'put your own in force: flamesh policy set FILE')
      : ok(`${policy.approve.length} approve rules, ${policy.never.length} never rules`)
  })
  await check('datasets', () => datasetsCheck(context))
  await check('audit log', () => auditCheck(context))
  await check('ledger', () => ledgerCheck(context))
  await check('containers', () => engineCheck(context, config))
  const hub = await hubChecks(config)
  checks.push(...hub)
  for (const [name, look] of Object.entries(DAEMON_CHECKS)) {
    await check(name, async () => (daemon === undefined ? notRunning(context) : look(daemon, Date.now())))
  }
  return checks
}

function failure(error: unknown): Finding {
  if (!(error instanceof FlameshError))
    return fail(error instanceof Error ? error.message : String(error), 'see the message')
  return fail(error.message, error.hint ?? 'see the message')
}

async function askDaemon(context: CommandContext): Promise<StatusDocument | undefined> {
  try {
    return await context.control().get<StatusDocument>('/status')
  } catch (error) {
    if (error instanceof FlameshError && error.code === 'daemon-unreachable') return undefined
    throw error
  }
}

const notRunning = ({ folder }: CommandContext): Finding =>
  warn('not known: the daemon is not running', `start it: flamesh start --dir ${folder.dir} --detach`)

async function folderCheck({ folder }: CommandContext): Promise<Finding> {
  await requireOwner(folder)
  if ((await openBits(folder.dir)) !== 0) {
    return fail(`other users of this machine can enter ${folder.dir}`, `chmod 700 ${folder.dir}`)
  }
  return ok(`${folder.dir}, for its owner only`)
}

async function diskCheck({ folder }: CommandContext): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder.dir)
  const free = bavail * bsize
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free`
  const hint = 'make room: a node that cannot write stops'
  if (free < TOO_FEW_BYTES) return fail(text, hint)
  return free < SCARCE_BYTES ? warn(text, hint) : ok(text)
}

async function keysCheck({ folder }: CommandContext): Promise<Finding> {
  const { publicKey } = await loadIdentity(folder.keysDir)
  return ok(`whole and private, public key ${publicKey}`)
}

async function engineCheck({ folder }: CommandContext, config: Config): Promise<Finding> {
  const { containerHost, containerSocket } = config
  const { publicKey } = await loadIdentity(folder.keysDir)
  const engine = await configuredEngine(folder, config, publicKey)
  if (engine === undefined) return ok('no container engine is configured: no images run here')
  const { version } = await engine.check()
  return ok(`the engine at ${containerHost || containerSocket}, version ${version}, enforces the sandbox`)
}

async function datasetsCheck({ folder }: CommandContext): Promise<Finding> {
  const { datasetSalt } = await loadIdentity(folder.keysDir)
  const store = await DatasetStore.open(folder.datasetsDir, datasetSalt)
  const names = (await store.list()).map(({ name }) => name)
  if (names.length === 0) return ok('none (a node without data can ask, and sit on committees)')
  for (const name of names) await store.verify(name)
  return ok(`${names.join(', ')}: as they were added`)
}

async function auditCheck({ folder }: CommandContext): Promise<Finding> {
  if (!existsSync(folder.auditFile)) return ok('empty')
  const { entries } = await verifyAudit(folder.auditFile)
  return ok(`${entries} entries, an unbroken chain`)
}

async function ledgerCheck({ folder }: CommandContext): Promise<Finding> {
  const { policy } = await currentPolicy(folder)
  const { entries } = await readLedger(folder.ledgerDir)
  const zeros = [...entries.values()].filter((one) => one.withheld !== null).length
  const rows = Math.max(policy.ledger.minimumDifference, policy.minimumCell)
  const text = `${entries.size} jobs, zeros for ${zeros}; questions differ in ${rows} rows or in none`
  const share = shareUsed((await sizesOf(folder.ledgerDir, entries.values())).values())
  return share < NEARLY_FULL
    ? ok(text)
    : warn(`${text}; little room is left`, 'see the guide for operators, "The ledger"')
}

async function hubChecks(config: Config): Promise<readonly Check[]> {
  const { hub, hubKey, insecureHub } = config
  try {
    const client = createHubClient({ url: hub, hubKey, allowInsecure: insecureHub, timeoutMs: HUB_TIMEOUT_MS })
    const { size, timestamp } = openCheckpoint(await client.fetchCheckpoint(), hubKey)
    return [
      { name: 'hub', ...ok(`${hub} answers, ${size} statements, signed by the right key`) },
      { name: 'clock', ...clockFinding(timestamp, Date.now()) },
    ]
  } catch (error) {
    const finding = failure(error)
    const off = error instanceof FlameshError && error.code === 'hub-unreachable'
    return [
      { name: 'hub', ...finding, outcome: off ? 'warn' : 'fail' },
      { name: 'clock', ...warn('not compared: the hub did not answer', 'see the line above') },
    ]
  }
}

/** A checkpoint may be a day old, but none was signed in the future. */
export function clockFinding(checkpointMs: number, nowMs: number): Finding {
  const aheadMs = checkpointMs - nowMs
  if (aheadMs > MAX_CLOCK_SKEW_MS) {
    return fail(
      `this clock is ${durationText(aheadMs)} behind the hub's newest checkpoint`,
      'set the clock of this machine (NTP): messages and certificates carry times',
    )
  }
  return ok("not behind the hub's newest checkpoint")
}

const DAEMON_CHECKS: Readonly<Record<string, (status: StatusDocument, nowMs: number) => Finding>> = {
  membership: (status) =>
    status.member
      ? ok(`${status.name} (${status.organisation}), ${status.roles.join(', ')}`)
      : fail(
          'this node is not a member in good standing, as the log says',
          'its certificate was revoked or has expired: ask the hub operator',
        ),
  log: ({ log }, nowMs) => {
    if (log.checkpointMs === null) return fail('no verified checkpoint yet', 'the hub must be reachable once')
    const ageMs = nowMs - log.checkpointMs
    return ageMs > MAX_CHECKPOINT_AGE_MS
      ? warn(`the newest checkpoint is ${durationText(ageMs)} old: new jobs wait`, 'they go on when the hub is back')
      : ok(`${log.size} verified statements, checkpoint ${durationText(ageMs)} old`)
  },
  listening: ({ listen }) =>
    listen.length === 0
      ? warn('on no address: this node only dials out', 'that works as long as the others listen')
      : ok(listen.join(', ')),
  peers: ({ peers }) => {
    const text = `${peers.connected} of ${peers.members} members connected`
    if (peers.members === 0 || peers.connected > 0) return ok(text)
    return warn(text, 'is the port open in the firewall? --peer MULTIADDR dials a member directly; see "flamesh peers"')
  },
}
