/**
 * The one folder of state of a node, as in docs/reference/configuration.md: which folder it is, what lies where, and that
 * only its owner can enter it. It does not guard against two daemons on one folder: the store's lock does.
 */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'

export interface StateFolder {
  readonly dir: string
  readonly configFile: string
  readonly policyFile: string
  readonly keysDir: string
  readonly storeDir: string
  readonly vaultDir: string
  readonly datasetsDir: string
  /** rows of sources while a command reads them */
  readonly scratchDir: string
  readonly resultsDir: string
  /** files of containers while they run */
  readonly runsDir: string
  /** what images printed and reported, for the operator */
  readonly imageLogsDir: string
  readonly auditFile: string
  /** what was released about which rows (ledger/ledger.ts) */
  readonly ledgerDir: string
  readonly addressBookFile: string
  /** the log as `init` verified it, until the store has it */
  readonly firstLogFile: string
  readonly socketFile: string
  /** names the socket when the path above is too long for one */
  readonly socketPointer: string
  readonly pidFile: string
  readonly logFile: string
}

/** The folder that a command works on: `--dir`, else $FLAMESH_DIR, else ~/.flamesh. */
export function stateDir(flag: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  return resolve(flag ?? (env['FLAMESH_DIR'] || join(homedir(), '.flamesh')))
}

export function stateFolder(dir: string): StateFolder {
  return {
    dir,
    configFile: join(dir, 'config.json'),
    policyFile: join(dir, 'policy.yaml'),
    keysDir: join(dir, 'keys'),
    storeDir: join(dir, 'store'),
    vaultDir: join(dir, 'vault'),
    datasetsDir: join(dir, 'datasets'),
    scratchDir: join(dir, 'scratch'),
    resultsDir: join(dir, 'results'),
    runsDir: join(dir, 'runs'),
    imageLogsDir: join(dir, 'image-logs'),
    auditFile: join(dir, 'audit.log'),
    ledgerDir: join(dir, 'ledger'),
    addressBookFile: join(dir, 'addresses.json'),
    firstLogFile: join(dir, 'first-log.json'),
    socketFile: join(dir, 'control.sock'),
    socketPointer: join(dir, 'control.path'),
    pidFile: join(dir, 'daemon.pid'),
    logFile: join(dir, 'daemon.log'),
  }
}

/** Throws `not-initialised` unless `flamesh init` has finished here. */
export function requireInitialised(folder: StateFolder): void {
  if (existsSync(folder.configFile)) return
  throw new FlameshError('not-initialised', `${folder.dir} holds no node`, {
    meta: { dir: folder.dir },
    hint: 'run "flamesh init" first, or name another folder with --dir or FLAMESH_DIR',
  })
}

/** What an `init` that did not finish leaves: a second run with the same invite goes on from there. */
const UNFINISHED_INIT: ReadonlySet<string> = new Set(['keys'])

/** Throws `folder-not-empty` unless a node can be made here: in a new folder, an empty one, or one half made. */
export async function requireVacant(folder: StateFolder): Promise<void> {
  const entries = existsSync(folder.dir) ? await readdir(folder.dir) : []
  if (entries.every((entry) => UNFINISHED_INIT.has(entry))) return
  throw new FlameshError('folder-not-empty', `${folder.dir} already holds files`, {
    meta: { dir: folder.dir },
    hint: 'every node has a folder of its own: choose another with --dir, or remove this one if nothing in it matters',
  })
}

/** Throws `wrong-user`: files made by another user are files the daemon cannot read. */
export async function requireOwner(folder: StateFolder): Promise<void> {
  const owner = (await stat(folder.dir)).uid
  const user = process.getuid?.()
  if (user === undefined || user === owner) return
  throw new FlameshError('wrong-user', `${folder.dir} belongs to another user of this machine`, {
    meta: { dir: folder.dir, owner, user },
    hint: 'run the command as the user that the daemon runs as',
  })
}

/** The permission bits that others than the owner have; 0 is right. */
export async function openBits(path: string): Promise<number> {
  return (await stat(path)).mode & 0o077
}
