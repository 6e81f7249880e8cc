/**
 * `npm run bench -- containers [--runs N]`: one container round of a site, from its rows to a checked vector, against a plain
 * `docker run` of the same image with the same limits and files, one after the other in one run. Needs a container engine.
 */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import { ImageRunner } from '@flamesh/node/runner/image-runner.js'
import { readDescription } from '@flamesh/protocol/images/document.js'
import type { ContributeRequest } from '@flamesh/protocol/ports.js'
import { parse } from 'yaml'
import { LocalEngine, logisticDescription, whyNoEngine } from '../../docs/examples/images/local-engine.js'
import { spread } from './statistics.js'

const EXAMPLE = fileURLToPath(new URL('../../docs/examples/images/python-logistic', import.meta.url))
const LUNG = fileURLToPath(new URL('../reference/lung.csv', import.meta.url))
const RUNS = Number(process.argv[process.argv.indexOf('--runs') + 1] ?? 10) || 10
const PARAMETERS = { outcome: 'status', is: '2', covariates: ['age', 'sex', 'ph.ecog'] }
const MEBIBYTE = 1 << 20
const LIMITS = { memoryBytes: 512 * MEBIBYTE, cpus: 1, pids: 64, diskBytes: 64 * MEBIBYTE }

/** The same files as a site's, in a folder that a plain container may write to. */
async function plainFiles(folder: string, csv: string): Promise<string> {
  const root = join(folder, 'plain')
  for (const part of ['data', 'out']) await mkdir(join(root, part), { recursive: true })
  await chmod(join(root, 'out'), 0o777)
  const job = { contract: 'flamesh-image/1', entry: 'map', round: 1, parameters: PARAMETERS }
  await writeFile(join(root, 'job.json'), JSON.stringify(job))
  await writeFile(join(root, 'state.txt'), '')
  await writeFile(join(root, 'data', 'rows.csv'), csv)
  return root
}

async function main(): Promise<void> {
  const missing = whyNoEngine()
  if (missing !== undefined) throw new Error(`no container engine can be started here: ${missing}`)
  const local = await LocalEngine.start()
  try {
    const image = readDescription(parse(logisticDescription(await local.push('logistic', EXAMPLE))))
    const csv = (await readFile(LUNG, 'utf8')).replaceAll('"', '').replaceAll('NA', '')
    const engine = new ContainerEngine({
      node: 'bench',
      scratchFolder: join(local.folder, 'scratch'),
      address: { socketPath: local.socketPath },
    })
    await engine.ensureImage(image.image)
    const rows = { ok: true as const, count: 228, csv, schema: {} }
    const runner = new ImageRunner({ engine, limits: LIMITS, rows: async () => rows, onRun: async () => undefined })
    const request = { image, round: 1, parameters: { columns: [], values: PARAMETERS } } as unknown as ContributeRequest
    const root = await plainFiles(local.folder, csv)
    const sandbox = ['--network=none', '--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--init']
    const limits = [
      `--memory=${LIMITS.memoryBytes}`,
      `--memory-swap=${LIMITS.memoryBytes}`,
      '--cpus=1',
      '--pids-limit=64',
    ]
    const plain = ['-H', `unix://${local.socketPath}`, 'run', '--rm', '--user=65532:65532', ...sandbox, ...limits]
    const times: { round: number[]; plain: number[] } = { round: [], plain: [] }
    const timed = async (into: number[], work: () => Promise<void> | void): Promise<void> => {
      const start = performance.now()
      await work()
      into.push(performance.now() - start)
    }
    for (let at = 0; at < RUNS + 1; at++) {
      await timed(times.round, async () => {
        const outcome = await runner.contribute(request)
        if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`)
      })
      await timed(times.plain, () => {
        const args = [...plain, '--tmpfs=/tmp:size=64m', '-v', `${root}:/flamesh`, image.image, 'map']
        execFileSync('docker', args, { stdio: 'ignore' })
      })
    }
    // the first of each warms caches up
    const [round, alone] = [spread(times.round.slice(1)), spread(times.plain.slice(1))]
    const ratio = spread(times.round.slice(1).map((ms, at) => ms / (times.plain[at + 1] as number)))
    process.stdout.write(
      `one round of a site in its sandbox ${round.median.toFixed(0)} ms, plain docker run ${alone.median.toFixed(0)} ms, ` +
        `ratio ${ratio.median.toFixed(2)} (median of ${RUNS} pairs, ${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})\n`,
    )
  } finally {
    await local.stop()
  }
}

await main()
process.exit(0)
