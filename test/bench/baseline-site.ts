/**
 * One hospital of the unmasked baseline, a process: reads its rows, and answers each question of the collector with its bare
 * vector, as JSON over TCP. Nothing is signed, masked, agreed upon or written down: that is the difference that is measured.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'

export interface Question {
  readonly analysis: string
  readonly parameters: unknown
  /** absent in the first round */
  readonly state?: unknown
}

function parseRows(csv: string): Rows {
  const [heading = '', ...lines] = csv.trim().split('\n')
  const cells = lines.map((line) => line.split(','))
  const names = heading.split(',').map((name) => name.replaceAll('"', ''))
  const numbers = (at: number): Float64Array =>
    Float64Array.from(cells, (row) => (row[at] === 'NA' ? Number.NaN : Number(row[at])))
  return { count: lines.length, columns: new Map(names.map((name, at) => [name, numbers(at)])) }
}

function answer({ analysis: name, parameters, state }: Question, rows: Rows): readonly number[] {
  const analysis = findAnalysis(name)
  if (analysis === undefined) throw new Error(`there is no analysis ${name}`)
  return [...analysis.contribute(rows, analysis.parameters.parse(parameters), state)]
}

/** The first line says which rows are this hospital's, each further line is a question. */
function serve(port: number): void {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  let rows: Rows | undefined
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line)
    if (rows === undefined) rows = parseRows(message.csv)
    const values = message.csv === undefined ? answer(message, rows) : []
    socket.write(`${JSON.stringify(values)}\n`)
  })
}

serve(Number(process.argv[2]))
