/** Results for people; `--json` prints the result itself. */
import type { OperationResult } from '../operations.js'
import type { RosterView } from '../roster-view.js'

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
}

function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [`${title}: none`] : [`${title}:`, ...table([head, ...rows])]
}

const day = (iso: string) => iso.slice(0, 10)
const short = (hex: string) => `${hex.slice(0, 16)}…`

function floorText({ threshold, reviewers, keys }: NonNullable<RosterView['policyFloor']>): string[] {
  const needed = `an attestation needs ${threshold} of ${reviewers.join(', ')}`
  if (keys === undefined) return [`${needed}; no image can be attested, since their keys are not named`]
  return section(
    `${needed}; of an image, signed with their keys`,
    ['reviewer', 'key'],
    reviewers.map((name, at) => [name, keys[at] as string]),
  )
}

export function rosterText(result: OperationResult): string {
  const roster = result as unknown as RosterView
  const floor = roster.policyFloor
  return [
    `hub ${roster.hubKey}`,
    `${roster.size} statements, checkpoint of ${roster.signedAt}`,
    ...section(
      'members',
      ['name', 'organisation', 'roles', 'status', 'valid until', 'key'],
      roster.members.map((m) => [m.name, m.organisation, m.roles.join(','), m.status, day(m.validUntil), short(m.key)]),
    ),
    ...section(
      'committees',
      ['name', 'datasets', 'members', 'statement'],
      roster.committees.map((c) => [
        c.name,
        c.serves.join(',') || 'none any more',
        c.members.join(', '),
        String(c.index),
      ]),
    ),
    ...section(
      'attestations',
      ['analysis', 'reviewers', 'status', 'hash'],
      roster.attestations.map((a) => [
        a.analysis,
        a.reviewers.join(', '),
        a.withdrawn ? 'withdrawn' : 'stands',
        short(a.hash),
      ]),
    ),
    ...section(
      'images',
      ['image', 'reviewers', 'status', 'hash'],
      roster.images.map((i) => [i.image, i.reviewers.join(', '), i.withdrawn ? 'withdrawn' : 'stands', short(i.hash)]),
    ),
    ...section(
      'open invites',
      ['name', 'organisation', 'until'],
      roster.invites.map((i) => [i.name, i.organisation, i.expiresAt]),
    ),
    ...(floor === null || floor === undefined ? [] : floorText(floor)),
  ].join('\n')
}

/** The result on standard output; `beside` is for a person to read, on standard error, and left out with `--json`. */
export function print(
  result: OperationResult,
  json: boolean,
  text: (result: OperationResult) => string,
  beside?: string,
): void {
  if (!json && beside !== undefined) process.stderr.write(`${beside}\n`)
  process.stdout.write(`${json ? JSON.stringify(result) : text(result)}\n`)
}
