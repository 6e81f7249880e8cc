/**
 * The protocol without one of its defences: each mutant is a change of a few lines of source, made when a bundle is built.
 * No switch for any of this exists in the product. A snippet that is not found exactly once is an error: the source moved on,
 * and the mutant has to follow.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

export interface Patch {
  /** under protocol/src */
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface Mutant {
  /** the defence that is missing */
  readonly without: string
  readonly patches: readonly Patch[]
  /** names of the cases that aim at it */
  readonly aims: readonly string[]
}

const SITE_ROUNDS = 'jobs/site/rounds.ts'
const SITE_JUDGING = 'jobs/site/judging.ts'
const OPENING = 'secagg/member/opening.ts'
const LATE = 'turn.context.nowMs >= specification.body.openBy'

export const MUTANTS: readonly Mutant[] = [
  {
    without: 'the synced vote',
    aims: ['a forgotten vote'],
    patches: [
      {
        file: 'engine/kernel.ts',
        from: 'await this.commit(step.writes, desk)\n    this.known.set(id, step.roles)',
        to: 'this.known.set(id, step.roles)',
      },
      {
        file: 'engine/kernel.ts',
        from: 'if (spent) await this.hooks.spent()\n    return [step.verdict]',
        to: 'await this.commit(step.writes, desk)\n    if (spent) await this.hooks.spent()\n    return [step.verdict]',
      },
    ],
  },
  {
    without: 'the vote log',
    aims: ['a forgotten vote'],
    patches: [
      {
        file: 'machine.ts',
        from: "if (field.startsWith('_')) continue",
        to: "if (field.startsWith('_') || field === 'consensus') continue",
      },
    ],
  },
  {
    without: 'the lock',
    aims: ['a broken lock'],
    patches: [
      {
        file: 'secagg/consensus.ts',
        from: 'const unbound = state.locked === null || state.locked.id === proposal.id',
        to: 'const unbound = true',
      },
      {
        file: 'secagg/consensus.ts',
        from: 'const bound = locked !== null && locked.id !== id',
        to: 'const bound = false',
      },
      { file: 'secagg/consensus.ts', from: 'bound && locked.view > validView ? null : id', to: 'id' },
    ],
  },
  {
    without: 'the guard',
    aims: ['differencing'],
    patches: [
      {
        file: 'secagg/member/admissible.ts',
        from: "return guarded === 'passed' ? undefined : guarded",
        to: 'return undefined',
      },
    ],
  },
  {
    without: 'the pinned survivor set',
    aims: ['half of the sites leave'],
    patches: [
      {
        file: 'secagg/member/admissible.ts',
        from: 'if (specification.pinned !== null && survivorsHash',
        to: 'if (false && survivorsHash',
      },
    ],
  },
  {
    without: 'the tombstone of a key',
    aims: ['wrong partials', 'a selective site'],
    patches: [
      {
        file: 'secagg/member/state.ts',
        from: "turn.effects.push({ type: 'erase-secret', name: secretName(key) })",
        to: 'secretName(key)',
      },
    ],
  },
  {
    without: 'the end of a key of states',
    aims: ['another state'],
    patches: [
      {
        file: 'engine/kernel.ts',
        from: 'if (!keepsStates(step.roles)) await this.secrets.eraseIfHeld(stateKeyName(id))',
        to: 'void keepsStates, stateKeyName',
      },
    ],
  },
  {
    without: '`openBy`',
    aims: ['too late to open'],
    patches: [
      { file: OPENING, from: `turn.state.attempt.halted || ${LATE} ||`, to: 'turn.state.attempt.halted ||' },
      { file: OPENING, from: `if (${LATE}) return\n`, to: '' },
      { file: OPENING, from: 'message, specification.body.openBy)', to: 'message)' },
      {
        file: 'secagg/member/ending.ts',
        from: `if (specification !== undefined && ${LATE}) finish(turn, null)`,
        to: '',
      },
    ],
  },
  {
    without: 't+1 equal partials',
    aims: ['wrong partials'],
    patches: [{ file: 'secagg/opening.ts', from: 'profile.colluding + 1)', to: '1)' }],
  },
  {
    without: 'MACs in place of hashes',
    aims: ['differencing'],
    patches: [
      {
        file: 'secagg/mask.ts',
        from: 'hmacSha256Hex(macKey, head, data)',
        to: 'hmacSha256Hex(new Uint8Array(32), head, data)',
      },
    ],
  },
  {
    without: 'the state commitment in roundId',
    aims: ['another state'],
    patches: [
      { file: 'secagg/specification.ts', from: 'state: basis.stateCommitment,', to: 'state: null,' },
      {
        file: SITE_JUDGING,
        from: 'message.previous === null || specification.state === null',
        to: 'message.previous === null',
      },
      {
        file: SITE_JUDGING,
        from: '    body.commitment === specification.state\n',
        to: '    body.commitment !== null\n',
      },
      {
        file: SITE_JUDGING,
        from: 'turn.context.sealingSecret, specification.state)',
        to: "turn.context.sealingSecret, body.commitment ?? '')",
      },
      { file: SITE_JUDGING, from: 'body.roundId) !== specification.state)', to: 'body.roundId) !== body.commitment)' },
    ],
  },
  {
    without: "the site's log by (job, round, attempt)",
    aims: ['announced again'],
    patches: [
      {
        file: SITE_ROUNDS,
        from: 'if (known !== undefined) return onKnownRound(turn, from, name, known, hash)',
        to: 'void known; void onKnownRound',
      },
    ],
  },
  {
    without: 'q signatures on a specification',
    aims: ['a private round'],
    patches: [
      {
        file: 'secagg/specification.ts',
        from: 'opened.signers.length < profile.quorum',
        to: 'opened.signers.length < 1',
      },
    ],
  },
  {
    without: 'the extra Haves',
    aims: ['a selective site'],
    patches: [
      { file: 'secagg/committee.ts', from: 'const haves = Math.max(quorum, 2 * t + 1)', to: 'const haves = t + 1' },
    ],
  },
  {
    without: 'the extra replicas',
    aims: ['a selective site'],
    patches: [{ file: 'secagg/committee.ts', from: 'replicas: c - quorum + t + 1,', to: 'replicas: t + 1,' }],
  },
  {
    without: 'the contributors rule',
    aims: ['few contributors'],
    patches: [
      {
        file: 'secagg/gate.ts',
        from: 'contributors < input.minCohort || contributors > input.survivors.length',
        to: 'contributors > input.survivors.length',
      },
      { file: 'secagg/gate.ts', from: 'if (!derivable.ok) return', to: 'if (derivable === undefined) return' },
      { file: 'secagg/gate.ts', from: 'minimumContributors: minCohort', to: 'minimumContributors: 0' },
    ],
  },
  {
    without: 'one committee a dataset: the predecessor goes on',
    aims: ['a committee that was succeeded'],
    patches: [
      {
        file: 'jobs/check.ts',
        from: 'if (committeeFor(roster, job.dataset)?.index !== committee.index)',
        to: 'if (committeeFor(roster, job.dataset) === undefined)',
      },
      {
        file: 'secagg/member/retiring.ts',
        from: 'if (!succession) return\n',
        to: 'if (succession !== undefined) return\n',
      },
      {
        file: SITE_JUDGING,
        from: "if (successionOf(context.roster, job.committee, job.dataset) !== undefined) return ignore('committee-superseded')",
        to: 'void successionOf',
      },
    ],
  },
  {
    without: 'one committee a dataset: the successor does not wait',
    aims: ['a committee that was succeeded'],
    patches: [
      {
        file: 'engine/handover.ts',
        from: 'if (succession === undefined) return true\n',
        to: 'if (succession !== null) return true\n',
      },
    ],
  },
]

/** A source with its patches applied. */
export function patched(source: string, patches: readonly Patch[]): string {
  let text = source
  for (const { file, from, to } of patches) {
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold exactly once: ${from}`)
    text = text.replace(from, () => to)
  }
  return text
}

function patching(patches: readonly Patch[]): Plugin {
  return {
    name: 'patches',
    setup({ onLoad }) {
      onLoad({ filter: /protocol[/\\]src[/\\].*\.ts$/ }, ({ path }) => {
        const mine = patches.filter(({ file }) => path.replaceAll('\\', '/').endsWith(`protocol/src/${file}`))
        if (mine.length === 0) return undefined
        return { contents: patched(readFileSync(path, 'utf8'), mine), loader: 'ts' }
      })
    },
  }
}

/** The campaign as one file, over the production protocol or a mutant of it. */
export async function bundle(outfile: string, patches: readonly Patch[] = []): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL('entry.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
    logLevel: 'error',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [patching(patches)],
  })
}
