/** What a campaign did, added up: plain data, so that workers can send it and files can keep it. */
import type { CaseOutcome } from './run-case.js'

type Counts = Record<string, number>

export interface Finding {
  readonly seed: number
  readonly invariant: string
  readonly message: string
  readonly step: number
}

export interface Statistics {
  seeds: number
  steps: number
  messages: number
  /** faults that really happened, by kind */
  readonly faults: Counts
  /** how jobs ended at their researcher */
  readonly endings: Counts
  /** looks at each invariant */
  readonly checks: Counts
  readonly findings: Finding[]
}

export const noStatistics = (): Statistics => ({
  seeds: 0,
  steps: 0,
  messages: 0,
  faults: {},
  endings: {},
  checks: {},
  findings: [],
})

function addCounts(into: Counts, more: Readonly<Counts>): void {
  for (const [name, count] of Object.entries(more)) into[name] = (into[name] ?? 0) + count
}

export function addOutcome(into: Statistics, one: CaseOutcome): void {
  into.seeds++
  into.steps += one.steps
  into.messages += one.messages
  addCounts(into.faults, one.fired)
  addCounts(into.endings, one.endings)
  addCounts(into.checks, one.checks)
  // the first of each invariant: the others mostly follow from it
  const seen = new Set<string>()
  for (const { invariant, message, step } of one.violations) {
    if (seen.has(invariant)) continue
    seen.add(invariant)
    into.findings.push({ seed: one.seed, invariant, message, step })
  }
}

export function addStatistics(into: Statistics, more: Statistics): void {
  into.seeds += more.seeds
  into.steps += more.steps
  into.messages += more.messages
  addCounts(into.faults, more.faults)
  addCounts(into.endings, more.endings)
  addCounts(into.checks, more.checks)
  into.findings.push(...more.findings)
}

const table = (title: string, counts: Readonly<Counts>): string =>
  [
    `${title}:`,
    ...Object.keys(counts)
      .sort()
      .map((name) => `  ${name.padEnd(36)} ${counts[name]}`),
  ].join('\n')

export function statisticsText(all: Statistics): string {
  const parts = [
    `${all.seeds} seeds, ${all.steps} steps, ${all.messages} messages, ${all.findings.length} findings`,
    table('faults', all.faults),
    table('jobs ended', all.endings),
    table('invariants checked', all.checks),
  ]
  if (all.findings.length > 0)
    parts.push(
      ['findings:', ...all.findings.map((one) => `  seed ${one.seed}: ${one.invariant}: ${one.message}`)].join('\n'),
    )
  return parts.join('\n')
}
