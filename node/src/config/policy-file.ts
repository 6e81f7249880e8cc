/**
 * The operator's policy file, policy.yaml in the folder of state; without one the default policy asks about everything.
 * Implements docs/spec/jobs.md, "Policy".
 */
import { existsSync } from 'node:fs'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { defaultPolicy, type Policy, policyRuleSchema, policySchema } from '@flamesh/protocol/jobs/policy.js'
import { parseYaml, readText } from './read-file.js'
import type { StateFolder } from './state-folder.js'

/** A page of rules. */
const MAX_POLICY_BYTES = 256 * 1024

export interface PolicyFile {
  readonly policy: Policy
  /** as the operator wrote it; undefined while the default holds */
  readonly text: string | undefined
}

/** Throws `policy-invalid`, `yaml-invalid` or what reading throws. */
export async function readPolicyFile(file: string): Promise<PolicyFile & { readonly text: string }> {
  const text = await readText(file, MAX_POLICY_BYTES)
  return { text, policy: parsePolicy(await parseYaml(text, file)) }
}

/** The policy in force in a folder. */
export async function currentPolicy(folder: StateFolder): Promise<PolicyFile> {
  return existsSync(folder.policyFile) ? readPolicyFile(folder.policyFile) : { policy: defaultPolicy, text: undefined }
}

const RULE = policyRuleSchema.shape
const APPROVALS = ['needed', 'operators', 'always', 'name', 'key']

/** Throws `policy-invalid` with the place of the first mistake in `meta.path`. */
export function parsePolicy(document: unknown): Policy {
  const parsed = policySchema.safeParse(document)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues.find((one) => one.code === 'unrecognized_keys') ?? parsed.error.issues[0]
  const path = (issue?.path ?? []).join('.')
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const known = path.startsWith('approvals') ? APPROVALS : Object.keys(path === '' ? policySchema.shape : RULE)
    const hint = suggest(key, known)
    throw policyInvalid(path === '' ? key : `${path}.${key}`, 'there is no such field', hint)
  }
  throw policyInvalid(
    path,
    issue?.message ?? 'is not valid',
    'see docs/reference/configuration.md; the smallest policy is the line "version: 1"',
  )
}

function policyInvalid(path: string, problem: string, hint: string | undefined): FlameshError {
  return new FlameshError('policy-invalid', path === '' ? `the policy: ${problem}` : `policy, ${path}: ${problem}`, {
    meta: { path },
    ...(hint === undefined ? {} : { hint }),
  })
}
