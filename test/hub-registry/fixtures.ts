/** Hubs in temporary folders, and nodes that enrol with them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InviteRequest } from '@flamesh/hub-registry/hub.js'
import { type Hub, initHub, openHub } from '@flamesh/hub-registry/hub.js'
import { parseInvite, signEnrolment } from '@flamesh/protocol/identity/invite.js'
import { START_MS, sealingKey, signer } from '../protocol/identity/fixtures.js'

export const DAY_MS = 24 * 3_600_000

/** Runs with a folder that does not exist yet, inside one that is removed afterwards. */
export async function withFolder(use: (dir: string) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'flamesh-hub-'))
  try {
    await use(join(base, 'hub'))
  } finally {
    await rm(base, { recursive: true, force: true })
  }
}

export interface TestHub {
  readonly dir: string
  hub: Hub
  /** milliseconds since 1970; the hub's clock */
  now: number
  /** closes the hub and opens it again from disk */
  reopen(): Promise<void>
}

export async function withHub(use: (test: TestHub) => Promise<void>): Promise<void> {
  await withFolder(async (dir) => {
    const clock = () => test.now
    const test: TestHub = {
      dir,
      hub: undefined as never,
      now: START_MS,
      async reopen() {
        await test.hub.close()
        test.hub = await openHub(dir, clock)
      },
    }
    await initHub(dir, clock)
    test.hub = await openHub(dir, clock)
    try {
      await use(test)
    } finally {
      await test.hub.close()
    }
  })
}

export const invitation = (name: string, changes: Partial<InviteRequest> = {}): InviteRequest => ({
  name,
  organisation: `org-${name}`,
  roles: ['site', 'aggregator'],
  validForMs: 100 * DAY_MS,
  expiresInMs: 7 * DAY_MS,
  ...changes,
})

/** The request of the node called `name` for an invite given as text. */
export const requestFor = (invite: string, hubKey: string, name: string): Uint8Array =>
  signEnrolment(parseInvite(invite), hubKey, sealingKey(name), signer(name))

export async function enrolMember(hub: Hub, name: string, changes: Partial<InviteRequest> = {}): Promise<number> {
  const { invite } = await hub.invite(invitation(name, changes))
  return (await hub.enrol(requestFor(invite, hub.key, name))).index
}
