/**
 * `flamesh init`: the verified log, this node's keys, its enrolment, and the settings, in that order and the settings last,
 * so that a run that breaks off can be repeated with the same invite. Implements docs/spec/identity.md, enrolment.
 */
import { existsSync } from 'node:fs'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { parseInvite } from '@flamesh/protocol/identity/invite.js'
import { emptyLog, extendLog, type LogState } from '@flamesh/protocol/identity/log.js'
import { type FirstLog, keepFirstLog } from '../../config/first-log.js'
import { configSchema } from '../../config/settings.js'
import { requireVacant } from '../../config/state-folder.js'
import { createHubClient } from '../../hub-client/hub-client.js'
import { makePrivateFolder, replaceSynced } from '../../store/files.js'
import { createIdentity, loadIdentity } from '../../store/identity.js'
import type { CommandContext } from '../context.js'
import { renderFields } from '../table.js'

interface InitOptions {
  readonly hub: string
  readonly hubKey: string
  readonly invite: string
  readonly insecureHub?: boolean
  readonly listen?: readonly string[]
  readonly announce?: readonly string[]
}

export async function init(context: CommandContext, options: InitOptions): Promise<undefined> {
  const { folder, out } = context
  await requireVacant(folder)
  const settings = checkSettings(options)
  parseInvite(options.invite)
  const hub = createHubClient({
    url: settings.hub,
    hubKey: settings.hubKey,
    allowInsecure: options.insecureHub === true,
  })

  verifyLog(await hub.fetchLog(0), settings.hubKey)
  await makePrivateFolder(folder.dir)
  const identity = existsSync(folder.keysDir)
    ? await loadIdentity(folder.keysDir)
    : await createIdentity(folder.keysDir)
  out.note('the log is verified; enrolling')
  const { certificate } = await hub.enrol(options.invite, identity.sealingKey, identity.signer)

  const log = await hub.fetchLog(0)
  const { roster } = verifyLog(log, settings.hubKey)
  if (!roster.members.has(identity.publicKey)) {
    throw new FlameshError('hub-answer', "the hub's log does not hold the enrolment that the hub answered with", {
      hint: 'run the same command again; if it fails again, the hub is not to be trusted',
    })
  }
  await keepFirstLog(folder, log)
  await replaceSynced(folder.configFile, `${JSON.stringify({ ...settings, name: certificate.name }, null, 2)}\n`)

  const { name, organisation, roles, key, notAfter } = certificate
  out.result({ dir: folder.dir, name, organisation, roles, key, notAfter, members: roster.members.size }, () =>
    renderFields([
      ['node', `${name} (${organisation}), ${roles.join(', ')}`],
      ['key', key],
      ['folder', folder.dir],
      ['members', `${roster.members.size} in the verified log`],
      ['next', `flamesh start --dir ${folder.dir}`],
    ]),
  )
}

/** What config.json will hold: only what was said, so that defaults of later versions apply. */
function checkSettings(options: InitOptions): { readonly hub: string; readonly hubKey: Hex } & Record<string, unknown> {
  const { hub, hubKey, insecureHub, listen, announce } = options
  const given = Object.entries({ hub, hubKey, insecureHub, listen, announce }).filter(
    ([, value]) => value !== undefined,
  )
  const parsed = configSchema.partial().required({ hub: true, hubKey: true }).safeParse(Object.fromEntries(given))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const option = String(issue?.path[0] ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new FlameshError('usage', `--${option}: ${issue?.message ?? 'not valid'}`, { hint: 'see flamesh init --help' })
}

/** Throws `hub-key` if it is signed by another key, `log-broken` if it does not hold together. */
function verifyLog(log: FirstLog, hubKey: Hex): LogState {
  const extended = extendLog(emptyLog, log.statements, log.checkpoint, hubKey)
  if (extended.outcome !== 'refused') return extended.state
  throw new FlameshError('log-broken', `the hub's log cannot be verified: ${extended.message}`, {
    meta: { code: extended.code },
    hint: 'do not enrol at this hub; ask its operator to run "flamesh-hub log verify"',
  })
}
