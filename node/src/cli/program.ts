/**
 * The command tree of `flamesh`: nouns, then verbs. Implements docs/reference/cli.md; a test keeps the two equal. Each
 * command's module is loaded only when it runs.
 */
import { Command } from 'commander'
import { LOG_LEVELS } from '../config/settings.js'
import { ENCODINGS } from '../data/encoding.js'
import { collect, type Leaf, type Loaded, type Noun, wholeNumber } from './command-tree.js'
import type { CommandContext, CommonOptions } from './context.js'
import { findingCommands } from './finding-commands.js'

/** Runs one command in a context made from its options. */
export type Execute = (
  options: CommonOptions,
  run: (context: CommandContext) => Promise<number | undefined>,
) => Promise<void>

export function createProgram(version: string, execute: Execute): Command {
  const program = new Command('flamesh')
    .description('A node of a federation mesh for the analysis of medical data that stays where it is.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)

  const leaf = (parent: Command, signature: string, description: string, load: () => Loaded): Command =>
    parent
      .command(signature)
      .description(description)
      .option('--dir <folder>', 'the folder of the node (else $FLAMESH_DIR, else ~/.flamesh)')
      .option('--json', 'print one JSON document')
      .action((...given: unknown[]) => {
        const options = given.at(-2) as CommonOptions
        return execute(options, async (context) => (await load())(context, ...given.slice(0, -1)))
      })
  const noun = (name: string, description: string): Command => program.command(name).description(description)

  nodeCommands(program, leaf)
  datasetCommands(noun, leaf)
  findingCommands(program, noun, leaf)
  policyCommands(noun, leaf)
  jobCommands(noun, leaf)
  imageCommands(noun, leaf)
  return program
}

function nodeCommands(program: Command, leaf: Leaf): void {
  leaf(
    program,
    'init',
    'make a node: keys, enrolment at the hub, the verified log',
    async () => (await import('./commands/init.js')).init,
  )
    .requiredOption('--hub <url>', "the hub's address")
    .requiredOption('--hub-key <key>', 'the public key that signs the log, from the hub operator by another way')
    .requiredOption('--invite <invite>', 'the one-time invite, from the hub operator')
    .option('--insecure-hub', 'allow plain HTTP to a hub on another machine')
    .option('--listen <multiaddr>', 'where to listen (may be repeated)', collect)
    .option('--announce <multiaddr>', 'the address others should dial, if another (may be repeated)', collect)
  leaf(
    program,
    'start',
    'run the daemon, in the foreground unless told otherwise',
    async () => (await import('./commands/start.js')).start,
  )
    .option('--detach', 'return once the daemon is ready; its log goes to daemon.log')
    .option('--listen <multiaddr>', 'where to listen (may be repeated)', collect)
    .option('--announce <multiaddr>', 'the address others should dial, if another (may be repeated)', collect)
    .option('--peer <multiaddr>', 'a member to dial (may be repeated)', collect)
    .option('--hub-poll-ms <ms>', 'milliseconds between two questions to the hub', wholeNumber)
    .option('--log-level <level>', LOG_LEVELS.join(', '))
  leaf(
    program,
    'stop',
    'stop the daemon and wait until it is gone',
    async () => (await import('./commands/stop.js')).stop,
  ).option('--timeout <duration>', 'give up after this long', '30s')
  leaf(program, 'status', 'how the daemon is', async () => (await import('./commands/status.js')).status)
  leaf(
    program,
    'doctor',
    'check everything a node needs, and say what to do',
    async () => (await import('./commands/doctor.js')).doctor,
  )
  leaf(
    program,
    'peers',
    'the members of the mesh and which are connected',
    async () => (await import('./commands/peers.js')).peers,
  )
}

function datasetCommands(noun: Noun, leaf: Leaf): void {
  const dataset = noun('dataset', 'the data of this site')
  const reading = (command: Command): Command =>
    command
      .option('--yes', 'confirm what was read and guessed')
      .option('--declaration <file>', 'what is declared of the data, in YAML (else FILE.yaml, if there is one)')
      .option('--encoding <name>', ENCODINGS.join(', '))
      .option('--separator <sign>', 'between fields: "," ";" "|" or tab')
      .option('--decimal <sign>', 'of fractions: "." or ","')
      .option('--thousands <sign>', 'between groups of digits: "." "," "\'" or a space')
      .option(
        '--missing <token>',
        'what stands for a missing value, in the place of the usual (may be repeated)',
        collect,
      )
      .option('--epoch <date>', 'the day that dates are counted from (else 1970-01-01)')
      .option(
        '--type <column=type>',
        'integer, number, level, text, date or date:FORMAT, such as seen=date:dd/mm/yyyy (may be repeated)',
        collect,
      )
      .option(
        '--rare-levels <column>',
        'publish levels of this column that few rows have, too (may be repeated)',
        collect,
      )
      .option('--withhold <column>', 'publish no level of this column (may be repeated)', collect)
  reading(
    leaf(
      dataset,
      'add <name> [file]',
      'register a file, or what a declared source gives, under the name that jobs use',
      async () => (await import('./commands/dataset-add.js')).datasetAdd,
    ),
  )
  reading(
    leaf(
      dataset,
      'update <name> [file]',
      'make a new version of a dataset, for new jobs',
      async () => (await import('./commands/dataset-update.js')).datasetUpdate,
    ),
  )
  leaf(
    dataset,
    'describe <name> [file]',
    'tell the mesh of a dataset in words',
    async () => (await import('./commands/dataset-describe.js')).datasetDescribe,
  )
    .option('--yes', 'do not ask')
    .option('--none', 'tell nothing in words any more')
  leaf(
    dataset,
    'retire <name>',
    'take a dataset back: no new job can use it',
    async () => (await import('./commands/dataset-retire.js')).datasetRetire,
  ).option('--yes', 'do not ask')
  leaf(
    dataset,
    'diff <name>',
    'what differs between two versions, in counts',
    async () => (await import('./commands/dataset-diff.js')).datasetDiff,
  )
    .option('--from <version>', 'the earlier one (else the one before the current)')
    .option('--to <version>', 'the later one (else the current)')
  leaf(
    dataset,
    'list',
    'the datasets of this site, and those announced in the mesh',
    async () => (await import('./commands/dataset-list.js')).datasetList,
  )
  leaf(
    dataset,
    'show <name>',
    "one dataset's schema: what is stored, how it was read, and what the mesh sees",
    async () => (await import('./commands/dataset-show.js')).datasetShow,
  )
}

function policyCommands(noun: Noun, leaf: Leaf): void {
  const policy = noun('policy', 'what this site approves by itself')
  leaf(policy, 'show', 'the policy in force', async () => (await import('./commands/policy-show.js')).policyShow)
  leaf(policy, 'set <file>', 'put a policy in force', async () => (await import('./commands/policy-set.js')).policySet)
  leaf(
    policy,
    'check <file>',
    'what the policy would say to a job, rule by rule',
    async () => (await import('./commands/policy-check.js')).policyCheck,
  ).option('--researcher <name>', 'the member who would ask (else this node, or any researcher)')
  leaf(
    noun('operator', 'the people who approve for this site'),
    'key <file>',
    'make a key of your own to approve jobs with, and print its public half',
    async () => (await import('./commands/operator-key.js')).operatorKey,
  )
  leaf(
    noun('audit', "the node's own record"),
    'verify',
    'check the chains of the audit log and the ledger',
    async () => (await import('./commands/audit-verify.js')).auditVerify,
  )
  leaf(
    noun('ledger', 'what was released about the data of this site'),
    'show [dataset]',
    'for whom sums of which rows may have left',
    async () => (await import('./commands/ledger-show.js')).ledgerShow,
  )
    .option('--job <job>', 'of this job alone')
    .option('--since <day>', 'from this day on, such as 2026-11-30')
  leaf(
    noun('config', 'the settings of this node'),
    'show',
    'each setting and where it comes from',
    async () => (await import('./commands/config-show.js')).configShow,
  )
}

function jobCommands(noun: Noun, leaf: Leaf): void {
  const job = noun('job', 'questions to the mesh')
  leaf(
    job,
    'submit <file>',
    'sign a job and announce it',
    async () => (await import('./commands/job-submit.js')).jobSubmit,
  )
    .option('--wait', 'wait for the result')
    .option('--timeout <duration>', 'with --wait: stop waiting after this long, for example 90s, 10m or 2h')
    .option(
      '--out <folder>',
      'with --wait: where the files of the result go (else results/JOB in the folder of the node)',
    )
  leaf(
    job,
    'check <file>',
    "hold a job against every site's schema, and send nothing",
    async () => (await import('./commands/job-check.js')).jobCheck,
  )
  leaf(job, 'list', 'the jobs this node knows', async () => (await import('./commands/job-list.js')).jobList)
  leaf(
    job,
    'show <job>',
    'one job and how far it is',
    async () => (await import('./commands/job-show.js')).jobShow,
  ).option('--preview', 'compute the exact vector that would leave this site, and show it')
  const decide = async () => await import('./commands/job-decide.js')
  leaf(job, 'approve <job>', 'let this site take part', async () => (await decide()).jobApprove)
    .option('--consent', "and let this site's own aggregate for this question become derivable, for good")
    .option('--key <file>', 'sign as an operator whom the policy names, with a key of your own')
    .option('--yes', 'on a terminal: neither show the job nor ask')
  leaf(job, 'refuse <job>', 'keep this site out, with a reason', async () => (await decide()).jobRefuse).option(
    '--reason <text>',
    'what the researcher is told',
    'refused by the operator',
  )
  leaf(job, 'cancel <job>', 'withdraw a job of your own', async () => (await decide()).jobCancel)
  leaf(
    job,
    'log <job>',
    'what the image of a job printed at this node, for its operator alone',
    async () => (await import('./commands/job-log.js')).jobLog,
  ).option('--follow', 'go on with what it prints while it runs, until interrupted')
  leaf(
    job,
    'result <job>',
    'fetch the result and the receipt of a job of your own',
    async () => (await import('./commands/job-result.js')).jobResult,
  )
    .option('--wait', 'wait for it')
    .option('--timeout <duration>', 'with --wait: stop waiting after this long')
    .option('--out <folder>', 'where the files of the result go (else results/JOB in the folder of the node)')
  leaf(
    noun('receipt', 'the proof of a result'),
    'verify <receipt>',
    'check a receipt without a network',
    async () => (await import('./commands/receipt-verify.js')).receiptVerify,
  )
    .option('--result <file>', 'the result that the receipt should prove')
    .option('--hub-key <key>', "the hub's public key (else that of the node in --dir)")
}

function imageCommands(noun: Noun, leaf: Leaf): void {
  leaf(
    noun('image', "researchers' own code, in containers"),
    'test <description>',
    'run an image on splits of your own data, and show what each side would see',
    async () => (await import('./commands/image-test.js')).imageTest,
  )
    .option('--data <file>', 'what to split: a file that dataset add reads')
    .option('--declaration <file>', 'what is declared of the data, in YAML, also a source (else FILE.yaml)')
    .option('--sites <n>', 'so many splits', wholeNumber, 4)
    .option('--columns <name>', 'a column that the image sees (may be repeated; else all)', collect)
    .option('--parameters <yaml>', 'its parameters: a file, or a mapping in braces')
    .option('--rounds <n>', 'fewer rounds than described', wholeNumber)
    .option('--socket <path>', "the engine's socket (else /var/run/docker.sock)")
  leaf(
    noun('engine', 'the container engine of a machine'),
    'serve',
    'lend the container engine of this machine to nodes of the same site',
    async () => (await import('./commands/engine-serve.js')).engineServe,
  )
    .requiredOption('--listen <host:port>', 'where nodes of the site reach it')
    .requiredOption('--tls <folder>', 'ca.pem, cert.pem and key.pem of an authority of this site alone')
    .option('--socket <path>', "the engine's socket (else /var/run/docker.sock)")
}
