/** The command tree of `flamesh-sim`. Implements docs/reference/cli.md. Each command's module is loaded only when it runs. */
import { Command, InvalidArgumentError } from 'commander'
import { addCampaignCommands } from '../campaign/command.js'

const MAX_SEED = 2 ** 32 - 1

function seed(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= MAX_SEED) return Number(text)
  throw new InvalidArgumentError(`A seed is a whole number from 0 to ${MAX_SEED}.`)
}

/** `done` is told the exit code. */
export function createProgram(version: string, done: (exitCode: number) => void): Command {
  const program = new Command('flamesh-sim')
    .description('Simulates a federation with the production protocol.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
  program
    .command('run <scenario>')
    .description('run a scenario: a file, or the name of one that is shipped')
    .option('--seed <n>', "of everything random (else the scenario's)", seed)
    .option('--out <folder>', 'where the result goes (else NAME-seed-N here)')
    .option('--json', 'print one JSON document')
    .action(async (scenario, flags) => {
      const { run } = await import('./commands/run.js')
      done(await run(scenario, flags))
    })
  program
    .command('list')
    .description('the scenarios that are shipped, and the question each answers')
    .option('--json', 'print one JSON document')
    .action(async (flags) => {
      const { list } = await import('./commands/list.js')
      list(flags)
    })
  program
    .command('report <folder>')
    .description('make the page of a result anew')
    .option('--json', 'print one JSON document')
    .action(async (folder, flags) => {
      const { report } = await import('./commands/report.js')
      await report(folder, flags)
    })
  addCampaignCommands(program)
  return program
}
