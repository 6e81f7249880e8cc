/** What the bench found, as a person reads it: least, median and most of the runs, and ratios beside times. */
import type { JobReport } from './bench.js'
import type { IdleUsage, MeshRun } from './mesh.js'
import { PHASES } from './phases.js'
import { spread } from './statistics.js'

const columns = ([name, ...cells]: readonly string[]): string =>
  `  ${(name ?? '').padEnd(64)}${cells.map((cell) => cell.padStart(11)).join('')}`

function row(name: string, values: readonly number[], show = (value: number): string => value.toFixed(0)): string {
  const { min, median, max } = spread(values)
  return columns([name, show(min), show(median), show(max)])
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`
const times = (ratio: number): string => `${ratio.toFixed(1)} ×`

export function idleLines({ residentMb, cpuShare }: IdleUsage): readonly string[] {
  return [
    `\nIdle, ${residentMb.length} daemons`,
    columns(['', 'min', 'median', 'max']),
    row('resident memory of a daemon, MB', residentMb),
    row('of one core', cpuShare, percent),
  ]
}

export function jobLines({ analysis, mesh, baseline }: JobReport): readonly string[] {
  const of = (pick: (run: MeshRun) => number): readonly number[] => mesh.map(pick)
  const median = (values: readonly number[]): number => spread(values).median
  const [first] = mesh
  const abandoned = mesh.reduce((sum, run) => sum + run.abandoned, 0)
  const maskedMs = of(({ tookMs }) => tookMs)
  const plainMs = baseline.map(({ tookMs }) => tookMs)
  const maskedCpu = of(({ cpuMs }) => cpuMs)
  const plainCpu = baseline.map(({ cpuMs }) => cpuMs)
  return [
    `\n${analysis}: ${first?.rounds} round(s), ${first?.sites} sites in the sum, ${mesh.length} run(s), ${abandoned} attempt(s) abandoned`,
    columns(['milliseconds', 'min', 'median', 'max']),
    row('masked, from submit to released result', maskedMs),
    ...PHASES.map((phase) =>
      row(
        `    ${phase}`,
        of(({ phases }) => phases[phase]),
      ),
    ),
    row(
      'with the start and end of `flamesh job submit --wait`',
      of(({ commandMs }) => commandMs),
    ),
    row('unmasked baseline', plainMs),
    row(
      'masked over unmasked',
      maskedMs.map((took, at) => took / (plainMs[at] as number)),
      times,
    ),
    row('CPU time of all daemons', maskedCpu),
    row('CPU time of the baseline', plainCpu),
    columns(['CPU, masked over unmasked, at the medians', '', times(median(maskedCpu) / median(plainCpu)), '']),
  ]
}
