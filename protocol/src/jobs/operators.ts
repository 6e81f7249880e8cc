/**
 * Four eyes: the approval of one operator, signed with a key of their own, and what a decision shows of it. Implements
 * docs/spec/jobs.md, "Four eyes". It binds the job, the policy and the rows: of another job, or after either has changed, it
 * counts for nothing. Whose key it is the site's policy says, and nobody else can check.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { encode } from '../encoding/canonical.js'
import { hexSchema, type Kind, openSigned, type Signed, type Signer, signObject } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import type { Table } from '../machine.js'
import type { Decision } from './messages.js'
import type { Operator, Policy } from './policy.js'

const operatorApprovalSchema = z.strictObject({
  /** covers everything that is asked, an image's description and digest included */
  job: hexSchema,
  site: hexSchema,
  policyHash: hexSchema,
  datasetVersion: hexSchema,
  /** of the operator, as the policy has it */
  name: z.string().min(1).max(64),
  /** this site's own aggregate may become derivable */
  consent: z.boolean(),
})
export type OperatorApproval = z.infer<typeof operatorApprovalSchema>
export const OPERATOR_APPROVAL: Kind<OperatorApproval> = {
  kind: 'operator-approval',
  version: 1,
  schema: operatorApprovalSchema,
}

/** What every approval of a job at a site has to be about. */
export type Terms = Pick<OperatorApproval, 'job' | 'site' | 'policyHash' | 'datasetVersion'>

export function signApproval(approval: OperatorApproval, operator: Signer): Signed {
  return signObject(OPERATOR_APPROVAL.kind, OPERATOR_APPROVAL.version, approval, operator)
}

/** Whose key it is under a policy. Throws `operator-unknown`. */
export function operatorOf<T extends Operator>(operators: readonly T[], key: Hex | undefined): T {
  const found = operators.find((one) => one.key === key)
  if (found !== undefined) return found
  throw new FlameshError('operator-unknown', 'this key is not of an operator whom the policy in force names', {
    hint: 'the policy names operators under "approvals" ("flamesh policy show")',
  })
}

const isAbout = (body: OperatorApproval, terms: Terms): boolean =>
  body.job === terms.job &&
  body.site === terms.site &&
  body.policyHash === terms.policyHash &&
  body.datasetVersion === terms.datasetVersion

/** Who signed it. Throws `operator-unknown`, `approval-void`, or what opening it throws. */
export function checkApproval(signed: Signed, terms: Terms, policy: Policy): Operator {
  const { body, signers } = openSigned(signed, OPERATOR_APPROVAL)
  const operator = operatorOf(policy.approvals.operators, signers.length === 1 ? signers[0] : undefined)
  if (body.name === operator.name && isAbout(body, terms)) return operator
  throw new FlameshError('approval-void', 'this was signed for another job, policy, or version of the rows', {
    hint: 'look at the job again, and approve it as it is now',
  })
}

export type GivenApproval = Decision['operators'][number]

/** Those that count under the policy in force, in its order. */
export function countedApprovals(approvals: Table<Signed>, terms: Terms, policy: Policy): readonly GivenApproval[] {
  return policy.approvals.operators.flatMap(({ name, key }) => {
    const signed = approvals.get(key)
    const body = signed && openSigned(signed, OPERATOR_APPROVAL).body
    const signature = signed?.signatures[0]?.signature
    if (body === undefined || signature === undefined || body.name !== name || !isAbout(body, terms)) return []
    return [{ name, key, consent: body.consent, signature }]
  })
}

/** Whether every operator in a decision is there once, and signed what the decision says. */
export function operatorsFit({ operators, decision, by, job, site, policyHash, datasetVersion }: Decision): boolean {
  if (operators.length === 0) return true
  if (decision !== 'approve' || by !== 'operator' || datasetVersion === null) return false
  if (new Set(operators.map((one) => one.key)).size !== operators.length) return false
  const { kind, version } = OPERATOR_APPROVAL
  return operators.every(({ name, key, consent, signature }) => {
    const payload = encode({ job, site, policyHash, datasetVersion, name, consent })
    try {
      openSigned({ kind, version, payload, signatures: [{ signer: key, signature }] }, OPERATOR_APPROVAL)
      return true
    } catch {
      return false
    }
  })
}
