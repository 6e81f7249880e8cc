/**
 * A job's progress while somebody waits: on a terminal one block of lines, drawn anew; elsewhere one line a change. Goes to
 * stderr. Implements docs/reference/cli.md, "Waiting".
 */
import type { JobDocument } from '../control/documents.js'
import { printable, type Stream } from './output.js'
import { shortId } from './table.js'

export interface Progress {
  update(view: JobDocument): void
  /** the last picture stays; nothing is drawn after it */
  finish(): void
}

export function createProgress(stream: Stream): Progress {
  return stream.isTTY === true ? terminalProgress(stream) : plainProgress(stream)
}

const MARKS = { approved: '+', submitted: '*', refused: '-', failed: '!' } as const

function siteText(name: string, site: JobDocument['sites'][string]): string {
  const reason = [site.code, site.message].filter((part) => part !== undefined && part !== '').join(': ')
  const detail = site.status === 'refused' || site.status === 'failed' ? reason : ''
  return printable(`${name} ${site.status}${detail === '' ? '' : ` (${detail})`}`)
}

function headline(view: JobDocument): string {
  const counts = Object.entries(MARKS).flatMap(([status]) => {
    const count = Object.values(view.sites).filter((site) => site.status === status).length
    return count === 0 ? [] : [`${count} ${status}`]
  })
  const round = view.round > 0 ? `, round ${view.round}` : ''
  return `${shortId(view.job)} ${view.status}${round}${counts.length === 0 ? '' : `: ${counts.join(', ')}`}`
}

/** Until the cohort is fixed a job may wait for a site that does not answer: who waits should know for how long. */
function cohortWait({ status, round, body }: JobDocument): string | undefined {
  if (status !== 'approved' || round > 0) return undefined
  const latest = new Date(body.notBefore + body.cohort.approveWithinMs).toTimeString().slice(0, 8)
  return `waiting until every invited site has answered, at the latest until ${latest} (approveWithin)`
}

function terminalProgress(stream: Stream): Progress {
  let drawn = 0
  return {
    update(view) {
      const width = Math.max(20, (stream.columns ?? 80) - 1)
      const room = Math.max(3, (stream.rows ?? 24) - 3)
      const sites = Object.entries(view.sites).map(([name, site]) => `  ${MARKS[site.status]} ${siteText(name, site)}`)
      const shown =
        sites.length <= room ? sites : [...sites.slice(0, room - 1), `  … and ${sites.length - room + 1} more`]
      const waiting = cohortWait(view)
      const lines = [headline(view), ...shown, ...(waiting === undefined ? [] : [`  ${waiting}`])].map((line) =>
        line.slice(0, width),
      )
      stream.write(`${drawn > 0 ? `\u001b[${drawn}A\r` : ''}\u001b[J${lines.join('\n')}\n`)
      drawn = lines.length
    },
    finish() {
      drawn = 0
    },
  }
}

function plainProgress(stream: Stream): Progress {
  const said = new Map<string, string>()
  let finished = false
  const say = (subject: string, text: string): void => {
    if (finished || said.get(subject) === text) return
    said.set(subject, text)
    stream.write(`${text}\n`)
  }
  return {
    update(view) {
      for (const [name, site] of Object.entries(view.sites)) say(`site ${name}`, siteText(name, site))
      if (view.round > 0) say('round', `round ${view.round}`)
      say('status', `job ${shortId(view.job)} ${view.status}`)
      const waiting = cohortWait(view)
      if (waiting !== undefined) say('cohort', waiting)
    },
    finish() {
      finished = true
    },
  }
}
