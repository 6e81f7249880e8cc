/** What the asking side remembers of one job. */
import type { Hex } from '../crypto/hash.js'
import type { Signed } from '../encoding/signed.js'
import type { Table } from '../machine.js'
import type { TrainEnd } from '../trains/chain.js'
import type { AttemptRecord, GuardRefusal } from '../wire.js'
import type { OpenedResult } from './result.js'
import type { JobStatus } from './status.js'

export interface RequestState {
  readonly job: Signed
  readonly status: { readonly status: JobStatus; readonly code: string }
  /** by site */
  readonly decisions: Table<Signed>
  readonly progress: Table<{
    readonly round: number
    readonly attempt: number
    readonly status: 'submitted' | 'failed'
  }>
  readonly cancelled: Signed | undefined
  /** members that ended the job since their committee is succeeded */
  readonly retired: Table<boolean>
  readonly release:
    | {
        readonly records: readonly AttemptRecord[]
        readonly decisions: readonly Signed[]
        readonly survivors: readonly Hex[]
        /** approvals of earlier jobs whose consents the rounds relied on */
        readonly consents: readonly Signed[]
        /** what the guard held against the job, if that is what ended it */
        readonly refused: (GuardRefusal & { readonly groups: readonly (readonly Hex[])[] }) | null
        /** in the place of records, if the job has a route */
        readonly train?: TrainEnd
      }
    | undefined
  readonly result: OpenedResult | undefined
}

export function newRequest(job: Signed): RequestState {
  return {
    job,
    status: { status: 'announced', code: '' },
    decisions: new Map(),
    progress: new Map(),
    retired: new Map(),
    cancelled: undefined,
    release: undefined,
    result: undefined,
  }
}
