/**
 * What this node's machines have asked its runner for. A run that its machine does not wait for any more is cancelled: the job or the
 * round is over here, or this node is not to answer. Implements docs/spec/jobs.md, "Execution".
 */
import { isAnswering } from '../jobs/site/state.js'
import type { Effect } from '../machine.js'
import type { Run, Runner } from '../ports.js'
import { isReducing } from '../secagg/member/reducing.js'
import { isAdding } from '../trains/state.js'
import type { JobRoles, Role, RoleEvent } from './roles.js'

const DID_NOT_RUN = { ok: false, code: 'analysis-failed', message: 'the analysis did not run' } as const

/** Whether a job's machine still takes the answer under this tag. */
export function isAwaited({ site, member, station }: JobRoles, role: Role, tag: string): boolean {
  switch (role) {
    case 'site':
      return site !== undefined && isAnswering(site, tag)
    case 'member':
      return member !== undefined && isReducing(member, tag)
    case 'station':
      return station !== undefined && isAdding(station)
    case 'request':
      return false
  }
}

type Asked = Extract<Effect, { readonly type: 'contribute' | 'reduce' }>

export class Runs {
  /** by machine, then by the tag of its answer */
  private readonly runs = new Map<string, Map<string, Run>>()

  constructor(private readonly runner: Runner) {}

  /** The answer is handed to `answer`, unless the run is cancelled before. What is under way is not begun twice. */
  begin(machine: string, effect: Asked, answer: (event: RoleEvent) => void): void {
    const { tag } = effect
    const own = this.runs.get(machine) ?? new Map<string, Run>()
    if (own.has(tag)) return
    const mapping = effect.type === 'contribute'
    const run = mapping ? this.runner.contribute(effect.request) : this.runner.reduce(effect.request)
    this.runs.set(machine, own.set(tag, run))
    run.outcome
      .catch(() => DID_NOT_RUN)
      .then((outcome) => {
        if (own.get(tag) !== run) return
        this.forget(machine, tag)
        answer({ type: mapping ? 'contributed' : 'reduced', tag, outcome })
      })
  }

  /** Cancels what a machine does not wait for. */
  keep(machine: string, awaits: (tag: string) => boolean): void {
    for (const [tag, run] of this.runs.get(machine) ?? []) {
      if (awaits(tag)) continue
      this.forget(machine, tag)
      run.cancel()
    }
  }

  stop(): void {
    for (const machine of this.runs.keys()) this.keep(machine, () => false)
  }

  private forget(machine: string, tag: string): void {
    const own = this.runs.get(machine)
    own?.delete(tag)
    if (own?.size === 0) this.runs.delete(machine)
  }
}
