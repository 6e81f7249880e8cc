/**
 * From the text of a scenario to a scenario, or to every mistake in it with its line and column. Implements
 * docs/reference/scenarios.md, "Mistakes".
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { pathText, suggest } from '@flamesh/protocol/jobs/document.js'
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml'
import type { z } from 'zod'
import { checkScenario, type Problem } from './check.js'
import { keysAt } from './keys.js'
import { type Scenario, scenarioSchema } from './schema.js'

interface Placed {
  readonly line: number
  readonly column: number
  readonly text: string
}

/** More than a person fixes in one go. */
const MAX_PROBLEMS = 20

/** Throws `yaml-invalid` or `scenario-invalid` (meta.problems: line, column, text). `file` is for the message. */
export function readScenario(text: string, file: string): Scenario {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    throw invalid(
      'yaml-invalid',
      file,
      document.errors.map((error) => ({ ...placeOf(error.pos[0], lines), text: error.message })),
    )
  }
  if (!isMap(document.contents)) {
    const text = 'a scenario is a mapping that starts with "question:"'
    throw invalid('scenario-invalid', file, [{ line: 1, column: 1, text }])
  }
  const { problems, scenario } = examine(document, document.contents)
  if (scenario !== undefined && problems.length === 0) return scenario
  const placed = problems.map((problem) => ({
    ...placeOf(offsetOf(document, problem), lines),
    text: sentence(problem),
  }))
  throw invalid('scenario-invalid', file, placed)
}

function examine(
  document: Document,
  contents: YAMLMap,
): { readonly problems: readonly Problem[]; readonly scenario?: Scenario } {
  const value: unknown = document.toJS()
  const parsed = scenarioSchema.safeParse(value)
  if (!parsed.success) return { problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, value)) }
  const first = contents.items[0]?.key
  const problems = [...checkScenario(parsed.data)]
  if (!isScalar(first) || first.value !== 'question')
    problems.push({
      path: [],
      key: 'question',
      message: 'is the first key of a scenario: what does it answer?',
    })
  return { problems, scenario: parsed.data }
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): readonly Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(scenarioSchema, issue.path)
    return issue.keys.map((key) => {
      const hint = suggest(key, known)
      return { path: issue.path, key, message: `there is no such key${hint === undefined ? '' : `; ${hint}`}` }
    })
  }
  if (issue.code === 'invalid_union') {
    const within = branchOf(issue, value)
    if (within !== undefined)
      return within.flatMap((one) => problemsOf({ ...one, path: [...issue.path, ...one.path] }, value))
  }
  const at = issue.path.reduce<unknown>(
    (outer, key) => (outer as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  )
  if (at === undefined && issue.path.length > 0)
    return [{ path: issue.path, message: `is missing: ${plain(issue.message)}` }]
  return [{ path: issue.path, message: plain(issue.message) }]
}

/** Of several alternatives the one that has the key that was written: its problems say more than "none of these". */
function branchOf(issue: z.core.$ZodIssueInvalidUnion, value: unknown): readonly z.core.$ZodIssue[] | undefined {
  const given = issue.path.reduce<unknown>(
    (outer, key) => (outer as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  )
  if (typeof given !== 'object' || given === null) return undefined
  return issue.errors.find(
    (errors) => errors.length > 0 && errors.every((one) => one.path.length > 0 && (one.path[0] as string) in given),
  )
}

const plain = (message: string): string => message.replace(/^Invalid input: /, '')

function sentence({ path, key, message }: Problem): string {
  const where = pathText(key === undefined || path.at(-1) === key ? path : [...path, key])
  return where === '' ? message : `${where}: ${message}`
}

/** The key or value a problem is about; if it is missing, what it should have been in. */
function offsetOf(document: Document, { path, key }: Problem): number {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (!isNode(node)) continue
    if (key !== undefined && length === path.length && isMap(node)) {
      const pair = node.items.find((one) => isScalar(one.key) && one.key.value === key)
      if (isNode(pair?.key)) return pair.key.range?.[0] ?? 0
    }
    return node.range?.[0] ?? 0
  }
  return 0
}

function placeOf(offset: number, lines: LineCounter): { readonly line: number; readonly column: number } {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function invalid(code: 'yaml-invalid' | 'scenario-invalid', file: string, found: readonly Placed[]): FlameshError {
  const problems = [...found].sort((a, b) => a.line - b.line || a.column - b.column).slice(0, MAX_PROBLEMS)
  const lines = problems.map(({ line, column, text }) => `${file}:${line}:${column}: ${text}`)
  const message = lines.length === 1 ? (lines[0] as string) : `${lines.length} mistakes\n${lines.join('\n')}`
  const options = { meta: { file, problems }, hint: 'every key is explained in docs/reference/scenarios.md' }
  return code === 'yaml-invalid'
    ? new FlameshError('yaml-invalid', message, options)
    : new FlameshError('scenario-invalid', message, options)
}
