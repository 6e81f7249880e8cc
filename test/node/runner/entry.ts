/** An analysis thread whose analyses misbehave, each in its own way. */
import { threadId } from 'node:worker_threads'
import { serveContributions } from '@flamesh/node/runner/serve.js'
import type { Analysis, Rows } from '@flamesh/protocol/analyses/analysis.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { z } from 'zod'

type Behaviour = (rows: Rows, state: unknown) => Float64Array

const behaviours: Readonly<Record<string, Behaviour>> = {
  /** rows, then the sum of the column `x` */
  sum: (rows) => {
    const x = rows.columns.get('x')
    return Float64Array.of(rows.count, x instanceof Float64Array ? x.reduce((a, b) => a + b, 0) : 0)
  },
  state: (_, state) => Float64Array.of(state as number),
  hog: () => {
    const kept: number[][] = []
    for (;;) kept.push(Array.from({ length: 1000 }, (_, index) => index + 0.5))
  },
  /** says that it runs, to whoever gave it shared memory */
  spin: (_, state) => {
    if (state instanceof SharedArrayBuffer) new Uint8Array(state)[0] = 1
    for (;;);
  },
  exit: () => process.exit(3),
  thread: () => Float64Array.of(threadId),
  'die-later': () => {
    setTimeout(() => void Promise.reject(new Error('later')), 100)
    return Float64Array.of(threadId)
  },
  leak: (rows) => {
    throw new Error(`cannot use ${rows.columns.get('x')?.[0]}`)
  },
  refuse: () => {
    throw new FlameshError('column-type', 'the column holds text')
  },
  nan: () => Float64Array.of(1, Number.NaN),
}

serveContributions((name, version) => {
  const behave = behaviours[name]
  if (behave === undefined || version !== 1) return undefined
  const never = (): never => {
    throw new Error('not at a site')
  }
  const analysis: Analysis<unknown, unknown, unknown> = {
    name,
    version,
    iterative: false,
    definition: [],
    state: z.unknown(),
    released: z.unknown(),
    complete: never,
    parameters: z.strictObject({}),
    columns: () => ['x'],
    plan: never,
    contribute: (rows, _, state) => behave(rows, state),
    combine: never,
    present: never,
  }
  return analysis
})
