/**
 * The files through which a node and an analysis in a container speak. Implements docs/spec/containers.md, "Files". What a
 * container wrote is foreign input: it is read by a strict grammar, and messages name lines, never values.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_OUTCOME } from '@flamesh/protocol/images/description.js'
import { csvRecord } from '@flamesh/protocol/report/csv.js'
import { makePrivateFolder } from '../store/files.js'
import { makePipe } from './pipe.js'

export const CONTRACT = 'flamesh-image/1'

/** Where the container finds it all. */
export const CONTAINER_FOLDER = '/flamesh'
export const OUTPUT_FILE = 'update.txt'
export const REPORT_FILE = 'report.json'

/** No shortest or 17-digit decimal of a double is longer; a longer line is not worth parsing. */
const MAX_NUMBER_LENGTH = 32
const LINE_FEED = 0x0a
const CSV_PIECE_LENGTH = 1 << 16
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/
/** How languages write what is not a finite number. */
const NOT_FINITE = /^[+-]?(nan|na|inf|infinity)$/i

export type Cell = string | number | null

/** Rows for `map`: CSV text as it is to stand in the file, and a description of its columns as JSON. */
export interface ContainerData {
  readonly csv: string | Uint8Array | AsyncIterable<string> | Iterable<string>
  readonly schema: unknown
}

/** What the output must be; the caller takes it from the signed job. */
export interface OutputDeclaration {
  /** undefined: as many numbers as the image likes, up to `MAX_OUTCOME`; what `reduce` writes is its own affair */
  readonly dimension: number | undefined
  /** every |value| */
  readonly bound: number
}

interface CommonInput {
  readonly round: number
  readonly parameters: unknown
  /** what the round before left; empty in the first one */
  readonly state: Float64Array
  readonly output: OutputDeclaration
}

export interface MapInput extends CommonInput {
  readonly entry: 'map'
  readonly data: ContainerData
}

export interface ReduceInput extends CommonInput {
  readonly entry: 'reduce'
  readonly sum: Float64Array
}

export type ContainerInput = MapInput | ReduceInput

/** One number a line, shortest decimal that reads back as the same double. Negative zero is zero. */
export function formatVector(values: Float64Array): string {
  return Array.from(values, (value) => `${value + 0}\n`).join('')
}

/** The one byte form of a vector that members compare: little-endian doubles, no negative zero. */
export function vectorBytes(values: Float64Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 8))
  values.forEach((value, i) => {
    view.setFloat64(i * 8, value + 0, true)
  })
  return new Uint8Array(view.buffer)
}

/** Throws `output-missing`, `output-malformed`, `not-finite`, `output-shape` or `out-of-bound`. */
export function parseVector(bytes: Uint8Array, { dimension, bound }: OutputDeclaration): Float64Array {
  if (bytes.length === 0) throw new FlameshError('output-missing', 'the analysis left no output')
  // counted before anything is split: millions of empty lines are not worth their memory
  const count = bytes.reduce((sum, byte) => sum + (byte === LINE_FEED ? 1 : 0), bytes.at(-1) === LINE_FEED ? 0 : 1)
  if (count !== (dimension ?? count) || count > (dimension ?? MAX_OUTCOME)) {
    throw new FlameshError('output-shape', `the output has ${count} lines instead of ${dimension ?? 'fewer'} numbers`)
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const values = new Float64Array(count)
  const lines = text.split('\n').slice(0, count)
  lines.forEach((line, i) => {
    const where = `line ${i + 1} of the output`
    if (NOT_FINITE.test(line)) throw new FlameshError('not-finite', `${where} is not a finite number`)
    if (line.length > MAX_NUMBER_LENGTH || !NUMBER.test(line)) {
      throw new FlameshError('output-malformed', `${where} is not a decimal number`)
    }
    const value = Number(line) + 0
    if (!Number.isFinite(value)) throw new FlameshError('not-finite', `${where} is too large for a double`)
    if (Math.abs(value) > bound) throw new FlameshError('out-of-bound', `${where} exceeds the declared bound`)
    values[i] = value
  })
  return values
}

/** RFC 4180 with line feeds: a header, then the rows. A missing value is an empty field. Comes in larger pieces. */
export function* csvText(columns: readonly string[], rows: Iterable<readonly Cell[]>): Iterable<string> {
  let piece = csvRecord(columns)
  for (const row of rows) {
    piece += csvRecord(row)
    if (piece.length < CSV_PIECE_LENGTH) continue
    yield piece
    piece = ''
  }
  yield piece
}

/** One run's files at the site: the container sees `input` read-only, and writes into the pipes `output` and `report`. */
export interface Scratch {
  readonly folder: string
  readonly input: string
  readonly output: string
  readonly report: string
}

const EVERYONE_ENTERS = 0o755
const EVERYONE_READS = 0o644

/**
 * Writes a run's files below `folder`, which only its owner can enter; the engine mounts what is inside, so the
 * container's user, who owns nothing, can read the inputs and write into two pipes.
 */
export async function writeScratch(folder: string, input: ContainerInput): Promise<Scratch> {
  await makePrivateFolder(folder)
  const scratch = {
    folder,
    input: join(folder, 'input'),
    output: join(folder, OUTPUT_FILE),
    report: join(folder, REPORT_FILE),
  }
  const makeFolder = async (path: string): Promise<void> => {
    await mkdir(path)
    await chmod(path, EVERYONE_ENTERS) // whatever the umask says
  }
  const put = async (path: string, content: ContainerData['csv']): Promise<void> => {
    await writeFile(path, content, { flag: 'wx' })
    await chmod(path, EVERYONE_READS)
  }
  const { entry, round, parameters, state, output } = input
  const job = { contract: CONTRACT, entry, round, parameters, state: { dimension: state.length }, output }
  await makeFolder(scratch.input)
  await put(join(scratch.input, 'job.json'), `${JSON.stringify(job)}\n`)
  await put(join(scratch.input, 'state.txt'), formatVector(state))
  if (input.entry === 'map') {
    await makeFolder(join(scratch.input, 'data'))
    await put(join(scratch.input, 'data', 'rows.csv'), input.data.csv)
    await put(join(scratch.input, 'data', 'schema.json'), `${JSON.stringify(input.data.schema)}\n`)
  } else {
    await put(join(scratch.input, 'sum.txt'), formatVector(input.sum))
  }
  // what the two pipes are mounted on
  await makeFolder(join(scratch.input, 'out'))
  await put(join(scratch.input, 'out', OUTPUT_FILE), '')
  await put(join(scratch.input, 'out', REPORT_FILE), '')
  await makePipe(scratch.output)
  await makePipe(scratch.report)
  return scratch
}
