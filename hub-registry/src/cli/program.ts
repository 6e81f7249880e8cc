/** The commands of `flamesh-hub`: their words, options and help. What they do is in operations.ts and serve.ts. */
import { Command, Option } from 'commander'
import { initHub } from '../hub.js'
import { add, type Common, hex, list, operate, whole } from './command.js'
import { print, rosterText } from './print.js'
import { addReviews } from './reviews.js'
import type { ServeOptions } from './serve.js'

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
