/** The commands of `flamesh-hub`: their words, options and help. What they do is in operations.ts and serve.ts. */
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { initHub } from '../hub.js'
import type { OperationResult } from '../operations.js'
import { print, rosterText } from './print.js'
import { run } from './run.js'
import type { ServeOptions } from './serve.js'

interface Common {
  readonly dir: string
  readonly json?: boolean
}

type Text = (result: OperationResult) => string

const folder = (text: string) => resolve(text)
const list = (text: string) => text.split(',').map((item) => item.trim())
const collect = (text: string, held: string[] | undefined) => [...(held ?? []), text]

function whole(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(text)
}

function hex(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError('It must be 64 lowercase hexadecimal characters.')
  return text
}

function add(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addOption(
      new Option('--dir <folder>', 'folder of the hub').env('FLAMESH_HUB_DIR').argParser(folder).makeOptionMandatory(),
    )
    .option('--json', 'print the result as JSON')
}

/** A command that is one operation; whether the operation is well-formed is for `run` to say. */
function operate<O extends Common>(command: Command, text: Text, operation: (options: O) => object): void {
  command.action(async (options: O) => print(await run(options.dir, operation(options)), options.json === true, text))
}

function addLifeCycle(program: Command): void {
  add(program, 'init', 'make a new hub: its key and an empty log').action(async ({ dir, json }: Common) => {
    const hubKey = await initHub(dir, Date.now)
    print(
      { hubKey },
      json === true,
      () => `hub key ${hubKey}\nGive this key to every operator; back up ${dir}/hub.key now.`,
    )
  })
  add(program, 'serve', 'serve the log and enrol members, in the foreground')
    .addOption(
      new Option('--listen <host:port>', 'address of the HTTP API').env('FLAMESH_HUB_LISTEN').default('127.0.0.1:7400'),
    )
    .option('--insecure-listen', 'allow plain HTTP on an address that others can reach')
    .addOption(
      new Option('--log-level <level>', 'what to log')
        .env('FLAMESH_LOG_LEVEL')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .action(async (options: ServeOptions) => {
      // only this command needs HTTP, whose libraries take longer to load than the others take to run
      const { serve } = await import('./serve.js')
      await serve(options)
    })
}

function addMembers(program: Command): void {
  operate<Common & { name: string; organisation: string; roles: string[]; validDays: number; expiresDays: number }>(
    add(program, 'invite', 'print a one-time invite for a new member')
      .requiredOption('--name <name>', 'name of the member')
      .requiredOption('--organisation <organisation>', 'the institution it belongs to')
      .requiredOption('--roles <roles>', 'comma-separated: site, aggregator, researcher, relay', list)
      .option('--valid-days <days>', 'how long the certificate will be valid', whole, 730)
      .option('--expires-days <days>', 'how long the invite can be used', whole, 14),
    (result) => String(result['invite']),
    ({ name, organisation, roles, validDays, expiresDays }) => {
      return { operation: 'invite', name, organisation, roles, validDays, expiresDays }
    },
  )
  operate<Common & { name: string; reason: string }>(
    add(program, 'revoke', 'end a membership, for good')
      .requiredOption('--name <name>', 'name of the member')
      .requiredOption('--reason <text>', 'why; every node can read it'),
    (result) => `${result['name']} is revoked (statement ${result['index']})`,
    ({ name, reason }) => ({ operation: 'revoke', name, reason }),
  )
  operate<Common & { name: string; members: string[]; datasets: string[]; succeeds?: string[] }>(
    add(program, 'committee', 'name the committee of one or more datasets')
      .requiredOption('--name <name>', 'name of the committee')
      .requiredOption('--members <names>', 'comma-separated names in seat order: 3, 4 or 7 aggregators', list)
      .requiredOption('--datasets <names>', 'comma-separated names of datasets', list)
      .option('--succeeds <names>', 'comma-separated names of committees that serve some of these datasets now', list),
    (result) => `committee ${result['name']} is named (statement ${result['index']})`,
    ({ name, members, datasets, succeeds = [] }) => ({ operation: 'committee', name, members, datasets, succeeds }),
  )
}

function addReviews(program: Command): void {
  operate<Common & { analysis: string; hash?: string; reviewer: string[] }>(
    add(program, 'attest', 'state that an analysis was reviewed')
      .requiredOption('--analysis <name>', 'name of the analysis')
      .option('--hash <hex>', 'its content hash; known already for a built-in analysis', hex)
      .requiredOption('--reviewer <name>', 'who reviewed it; repeat for more', collect),
    (result) => `${result['analysis']} is attested (statement ${result['index']})`,
    ({ analysis, hash, reviewer }) => {
      return { operation: 'attest', analysis, analysisHash: hash, reviewers: reviewer }
    },
  )
  operate<Common & { analysis: string; hash?: string; reason: string }>(
    add(program, 'withdraw', 'take an attestation back')
      .requiredOption('--analysis <name>', 'name of the analysis')
      .option('--hash <hex>', 'its content hash; known already for a built-in analysis', hex)
      .requiredOption('--reason <text>', 'why; every node can read it'),
    (result) => `the attestation of ${result['analysis']} is withdrawn (statement ${result['index']})`,
    ({ analysis, hash, reason }) => {
      return { operation: 'withdraw', analysis, analysisHash: hash, reason }
    },
  )
  operate<Common & { threshold: number; reviewers: string[] }>(
    add(program, 'floor', 'ask for so many reviewers of every attestation from now on')
      .requiredOption('--threshold <number>', 'how many', whole)
      .requiredOption('--reviewers <names>', 'comma-separated: of whom', list),
    (result) => `an attestation now needs ${result['threshold']} reviewers (statement ${result['index']})`,
    ({ threshold, reviewers }) => ({ operation: 'floor', threshold, reviewers }),
  )
}

function addReading(program: Command): void {
  operate<Common>(add(program, 'roster', 'show members, committees, attestations and invites'), rosterText, () => {
    return { operation: 'roster' }
  })
  const log = program.command('log').description('the log itself')
  operate<Common & { hubKey?: string }>(
    add(log, 'verify', 'recompute the whole log from what is stored').option(
      '--hub-key <hex>',
      'the key you expect',
      hex,
    ),
    (result) => `the log verifies: ${result['size']} statements, root ${result['root']}, signed by ${result['hubKey']}`,
    ({ hubKey }) => ({ operation: 'verify', hubKey }),
  )
}

export function makeProgram(): Command {
  const program = new Command('flamesh-hub')
    .description('the hub of a flamesh: says who is a member and what was reviewed, and nothing else')
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError('(--help shows how)')
  addLifeCycle(program)
  addMembers(program)
  addReviews(program)
  addReading(program)
  return program
}
