/** What happens to a site's machine of one job. */
import type { Hex } from '../../crypto/hash.js'
import type { Signed } from '../../encoding/signed.js'
import type { ContributeOutcome } from '../../ports.js'
import type { ComputeAnswer } from '../../secagg/compute.js'
import type { WireMessage } from '../../wire.js'

export type SiteEvent =
  | { readonly type: 'resume'; readonly restarted: boolean }
  | {
      readonly type: 'operator'
      readonly decision: 'approve' | 'refuse'
      readonly reason: string
      /** this site's own aggregate may become derivable */
      readonly consent: boolean
      /** signed by one operator, where the policy asks for that */
      readonly approval?: Signed | undefined
    }
  | { readonly type: 'message'; readonly from: Hex; readonly message: WireMessage }
  | { readonly type: 'contributed'; readonly tag: string; readonly outcome: ContributeOutcome }
  | { readonly type: 'computed'; readonly tag: string; readonly answer: ComputeAnswer }
  | { readonly type: 'timer'; readonly name: string }
  /** a member has said what it knows of this node, or one showed that it runs on an old copy of its disk */
  | { readonly type: 'greeted' }
  /** this peer came into reach */
  | { readonly type: 'met'; readonly peer: Hex }
