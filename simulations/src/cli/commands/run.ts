/** `flamesh-sim run`: one scenario, from its file to a folder of results. */
import { basename, join } from 'node:path'
import { freeFolder, prepareFolder } from '../../run/folder.js'
import { Progress } from '../../run/progress.js'
import { type Result, runInto } from '../../run/result.js'
import { loadScenario } from '../../scenarios/shipped.js'
import { EXIT } from '../exit-codes.js'
import { VERSION } from '../version.js'

export interface RunFlags {
  readonly seed?: number
  readonly out?: string
  readonly json?: true
}

export async function run(given: string, flags: RunFlags): Promise<number> {
  const { file, text, scenario: read } = loadScenario(given)
  const scenario = flags.seed === undefined ? read : { ...read, seed: flags.seed }
  const name = basename(file).replace(/\.ya?ml$/, '')
  const folder = prepareFolder(flags.out ?? freeFolder(name, scenario.seed))
  const progress = new Progress(process.stderr)
  let interrupted = false
  const interrupt = (): void => {
    // the second time it ends at once
    if (interrupted) process.exit(EXIT.interrupted)
    interrupted = true
    process.stderr.write('\ninterrupted: writing what is done (once more to end at once)\n')
  }
  process.on('SIGINT', interrupt)
  try {
    const result = await runInto(
      folder,
      { scenario, text, file, version: VERSION },
      { progress: (standing) => progress.update(standing), interrupted: () => interrupted },
    )
    progress.finish()
    const { writeReport } = await import('../../report/index.js')
    await writeReport(folder)
    print(result, { question: scenario.question, seed: scenario.seed, folder, json: flags.json === true })
    return result.interrupted ? EXIT.interrupted : EXIT.ok
  } finally {
    process.off('SIGINT', interrupt)
  }
}

interface Shown {
  readonly question: string
  readonly seed: number
  readonly folder: string
  readonly json: boolean
}

function print(result: Result, { question, seed, folder, json }: Shown): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ question, seed, folder, ...result })}\n`)
    return
  }
  const jobs = result.jobs.map((job) => {
    const took = job.endedMs === undefined ? '' : ` after ${((job.endedMs - job.submittedMs) / 1000).toFixed(1)} s`
    const code = job.code === '' || job.code === job.status ? '' : ` (${job.code})`
    const exact = job.exact === undefined ? '' : job.exact ? ', equal to the plain sum' : ', NOT equal to the plain sum'
    const sites = `${job.survivors} of ${job.invited} sites in the sum`
    return `  ${job.name}: ${job.status}${code}${took}, ${job.rounds} round(s), ${sites}${exact}`
  })
  const shown = jobs.length > 20 ? [...jobs.slice(0, 20), `  … and ${jobs.length - 20} more in jobs.csv`] : jobs
  const time = `${(result.simulatedMs / 1000).toFixed(1)} simulated s in ${(result.wallMs / 1000).toFixed(1)} s`
  const lines = [
    question,
    ...shown,
    `${time}, ${result.events} events`,
    `hash ${result.hash}`,
    `written to ${join(folder, '/')}`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
