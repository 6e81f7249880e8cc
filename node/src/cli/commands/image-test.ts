/**
 * `flamesh image test`: runs an image on local splits of what a dataset may be, in the sandbox it would have at a site, and shows what each
 * side would see. It needs a container engine and no node, no hub and no mesh.
 */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { ImageParameters } from '@flamesh/protocol/images/analysis.js'
import { imageParameters } from '@flamesh/protocol/images/analysis.js'
import { readDescription } from '@flamesh/protocol/images/document.js'
import { canonicalValue } from '@flamesh/protocol/jobs/document.js'
import { MAX_JOB_BYTES } from '@flamesh/protocol/limits.js'
import { parseYaml, readText } from '../../config/read-file.js'
import { DEFAULT_SOCKET } from '../../containers/connection.js'
import { csvText } from '../../containers/contract.js'
import { ContainerEngine } from '../../containers/engine.js'
import { DatasetStore } from '../../data/datasets.js'
import { declaredBy } from '../../data/declaration.js'
import { withTable } from '../../data/open-table.js'
import { openRows, proposeSchema } from '../../data/schema.js'
import { type ImageRun, ImageRunner } from '../../runner/image-runner.js'
import { type Rehearsal, rehearse } from '../../runner/rehearsal.js'
import { WorkerRunner } from '../../runner/worker-runner.js'
import type { CommandContext } from '../context.js'
import { forFile } from '../register-dataset.js'
import { renderTable } from '../table.js'

interface TestOptions {
  readonly data?: string
  readonly declaration?: string
  readonly sites: number
  readonly columns?: readonly string[]
  readonly parameters?: string
  readonly rounds?: number
  readonly socket?: string
}

const MAX_SPLITS = 32

/** What ends a test early, and the exit code that shells know it by. A wrapper may pass the same signal on once more. */
const ENDING = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** Runs until the work is done, or a signal to this process ends it; then what it began is undone before its exit code is given. */
async function untilSignal(work: (signal: AbortSignal) => Promise<undefined>): Promise<number | undefined> {
  const stop = new AbortController()
  const handlers = Object.entries(ENDING).map(([name, exit]) => [name, () => stop.abort(exit)] as const)
  for (const [name, handler] of handlers) process.on(name, handler)
  try {
    return await work(stop.signal)
  } catch (error) {
    if (stop.signal.aborted) return stop.signal.reason as number
    throw error
  } finally {
    for (const [name, handler] of handlers) process.removeListener(name, handler)
  }
}

export const imageTest = (context: CommandContext, file: string, options: TestOptions): Promise<number | undefined> =>
  untilSignal((signal) => testUntil(context, file, options, signal))

async function testUntil(
  context: CommandContext,
  file: string,
  options: TestOptions,
  signal: AbortSignal,
): Promise<undefined> {
  const image = readDescription(await parseYaml(await readText(file, MAX_JOB_BYTES), file))
  const { sites, rounds = image.maxRounds } = options
  if (sites < 1 || sites > MAX_SPLITS)
    throw new FlameshError('usage', `--sites is from 1 to ${MAX_SPLITS}`, { hint: 'four are enough to see the sum' })
  if (rounds < 1 || rounds > image.maxRounds)
    throw new FlameshError('usage', `the image is described for ${image.maxRounds} rounds at most`)
  const folder = await mkdtemp(join(tmpdir(), 'flamesh-image-'))
  const drop = (): void => rmSync(folder, { recursive: true, force: true })
  // a signal while a source is read ends the process at once
  process.on('exit', drop)
  const worker = new WorkerRunner({ datasetsFolder: join(folder, 'datasets') })
  const runs: ImageRun[] = []
  const engine = new ContainerEngine({
    node: `image-test-${randomBytes(8).toString('hex')}`,
    scratchFolder: join(folder, 'runs'),
    address: { socketPath: options.socket ?? DEFAULT_SOCKET },
  })
  const runner = new ImageRunner({
    engine: { run: (request) => engine.run(request, signal) },
    limits: {},
    tellAll: true,
    rows: (request) => worker.rowsForImage(request),
    onRun: async (run) => {
      runs.push(run)
    },
  })
  try {
    await engine.check(signal)
    const { splits, names } = await split(options, folder)
    const parameters = imageParameters(options.columns ?? names, await writtenParameters(options.parameters))
    const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
    const rehearsal = await rehearse(runner, {
      image,
      rounds,
      parameters: parameters as ImageParameters,
      splits,
      random,
    })
    context.out.result({ ...rehearsal, printed: runs.map(printedOf) }, () => textOf(rehearsal, runs))
  } catch (error) {
    // what the image said is what its author needs
    for (const run of signal.aborted ? [] : runs.slice(-1)) context.out.note(printedOf(run))
    throw error
  } finally {
    await worker.close()
    process.removeListener('exit', drop)
    drop()
  }
}

async function writtenParameters(given: string | undefined) {
  if (given === undefined) return {}
  const text = given.trimStart().startsWith('{') ? given : await readText(given, MAX_JOB_BYTES)
  return canonicalValue(await parseYaml(text, 'parameters'), 'parameters')
}

/** Row after row to one split after the other, so that an order in the file does not matter; registered as a site would. */
async function split({ data: file, declaration: named, sites }: TestOptions, folder: string) {
  const { declaration: written, from } = await declaredBy(file, named)
  const declaration = forFile(file, written, from, '--data FILE')
  const parts: (string | null)[][][] = Array.from({ length: sites }, () => [])
  const proposed = await withTable(join(folder, 'scratch'), file, declaration, async (table) => {
    const proposal = await proposeSchema(table, declaration)
    let at = 0
    for await (const batch of (await openRows(proposal)).batches) {
      for (const row of batch)
        parts[at++ % sites]?.push(row.map((value) => (value === undefined ? null : String(value))))
    }
    return proposal.columns
  })
  const names = proposed.map(({ name }) => name)
  // every split has the types of the whole
  const columns = Object.fromEntries(proposed.map(({ name, type }) => [name, { type }]))
  const store = await DatasetStore.open(join(folder, 'datasets'), new Uint8Array(randomBytes(32)))
  const splits: { dataset: string; version: string }[] = []
  for (const [index, rows] of parts.entries()) {
    const path = join(folder, `part-${index + 1}.csv`)
    await writeFile(path, [...csvText(names, rows)].join(''), { mode: 0o600 })
    const part = await proposeSchema(path, { encoding: 'utf-8', separator: ',', decimal: '.', missing: [], columns })
    const { name, version } = await store.add(`part-${index + 1}`, part)
    splits.push({ dataset: name, version })
  }
  return { splits, names }
}

const printedOf = ({ entry, round, outcome }: ImageRun): string =>
  `round ${round}, ${entry}: ${outcome.ok ? 'ended well' : `${outcome.code}: ${outcome.message}`}${[
    outcome.operator.log,
    outcome.operator.report,
    outcome.operator.detail,
  ]
    .filter((text) => text !== '')
    .map((text) => `\n  ${text.trimEnd().replaceAll('\n', '\n  ')}`)
    .join('')}`

const short = (value: number | undefined): string => (value === undefined ? '' : String(Number(value.toPrecision(8))))

function textOf({ slots, rounds, result }: Rehearsal, runs: readonly ImageRun[]): string {
  const last = rounds.at(-1)
  if (last === undefined) return ''
  const shown = slots.slice(0, 24)
  const titles = ['slot', ...last.sites.map((_, at) => `site ${at + 1}`), 'opened'].map((title) => ({ title }))
  const rows = shown.map((name, at) => [
    name,
    ...last.sites.map(({ values }) => short(values[at])),
    short(last.opened[at]),
  ])
  return [
    `Round ${last.round}, the last. Each site sees its own column; nobody else does.`,
    renderTable(titles, rows),
    slots.length > shown.length ? `… and ${slots.length - shown.length} slots more` : '',
    'Members of the committee see this of each site, and the column "opened" once they open the sum:',
    ...last.sites.map(({ masked }, at) => `  site ${at + 1}: ${masked}…`),
    '',
    ...rounds
      .slice(0, -1)
      .map(({ round, outcome }) => `After round ${round} every site sees: ${outcome?.map(short).join(' ')}`),
    result === null
      ? `Nothing would be released: ${last.code}.`
      : `Released to the recipients:\n${JSON.stringify(result, undefined, 2)}`,
    '',
    'Printed and reported, for the operators of the sites alone:',
    ...runs.slice(-1 - last.sites.length).map(printedOf),
  ].join('\n')
}
