/**
 * A bulk export of a FHIR server (Bulk Data Access 2.0): asked for, waited for, fetched into files of the command's private folder,
 * and given up at the server afterwards. A file is taken whole or fetched again; all of it comes from the same server.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { linesOf } from '../lines.js'
import { answerError, checkStatus, isObject, issuesOf, linkedUrl, parsed, patiently, waitMs } from './answers.js'
import type { HttpGet } from './http.js'
import { MAX_EXPORT_FILES, MAX_EXPORT_MS } from './limits.js'

/** One file of the server. */
interface Output {
  readonly type: string
  readonly url: URL
  /** resources in it, if the server says so */
  readonly count: number | undefined
}

/** `level`: `system`, `Patient` or `Group/ID`. */
function kickOff(base: string, level: string, types: readonly string[]): URL {
  const url = new URL(`${base}/${level === 'system' ? '' : `${level}/`}$export`)
  url.searchParams.set('_type', types.join(','))
  url.searchParams.set('_outputFormat', 'application/fhir+ndjson')
  return url
}

function outputsOf(given: unknown, from: URL, what: string): readonly Output[] {
  if (given !== undefined && !Array.isArray(given)) throw answerError(what, 'the list of files is none')
  const list: readonly unknown[] = given ?? []
  if (list.length > MAX_EXPORT_FILES) throw answerError(what, `more than ${MAX_EXPORT_FILES} files`)
  return list.map((one) => {
    const { type, url, count } = isObject(one) ? one : {}
    if (typeof type !== 'string' || typeof url !== 'string')
      throw answerError(what, 'a file without a type or an address')
    const hint = 'fetch the files by other means and name them: files'
    return {
      type,
      url: linkedUrl(url, from, what, 'a file', hint),
      count: typeof count === 'number' ? count : undefined,
    }
  })
}

/** The manifest of the export, when it is made, and where it was asked about. */
async function manifestOf(get: HttpGet, start: URL): Promise<{ readonly status: URL; readonly manifest: unknown }> {
  const what = 'export'
  const begun = await patiently(get, start, what, false, { prefer: 'respond-async' })
  const notBegun = 'does the server know $export? else leave export out, and it is searched'
  if (begun.status !== 202 || begun.contentLocation === undefined) {
    checkStatus(begun, what, notBegun)
    throw answerError(what, 'the server began no export', notBegun)
  }
  const status = linkedUrl(begun.contentLocation, start, what, 'the export', undefined)
  const end = performance.now() + MAX_EXPORT_MS
  for (let asked = 0; performance.now() < end; asked++) {
    const answer = await patiently(get, status, what, true)
    if (answer.status !== 202) {
      checkStatus(answer, what)
      return { status, manifest: parsed(answer.body) }
    }
    await sleep(waitMs(asked, answer.retryAfterMs))
  }
  throw new FlameshError('fhir-unreachable', `${what}: not made after ${MAX_EXPORT_MS / 3_600_000} hours`, {
    hint: 'ask whoever runs the server',
  })
}

async function fetchFile(get: HttpGet, { url, count }: Output, into: string, what: string): Promise<void> {
  const answer = await patiently(get, url, what, true, { into, accept: 'application/fhir+ndjson' })
  checkStatus(answer, what)
  if (count === undefined || answer.lines === count) return
  throw new FlameshError('fhir-incomplete', `${what}: ${count} resources, the server says, and ${answer.lines} lines`, {
    hint: 'run the command again',
  })
}

/** What the server says went wrong, by kind. Throws `fhir-incomplete` if something of the export is missing. */
async function readErrors(file: string, notes: string[]): Promise<void> {
  const found = new Map<string, number>()
  const wrong = (line: number): FlameshError => answerError('export', `line ${line} of its errors is none`)
  for await (const lines of linesOf(file, wrong)) {
    for (const [line, bytes] of lines) {
      if (bytes.toString('utf8').trim() === '') continue
      const issues = issuesOf(parsed(bytes))
      if (issues.length === 0) throw wrong(line)
      for (const { text } of issues) found.set(text, (found.get(text) ?? 0) + 1)
    }
  }
  const told = [...found].map(([text, times]) => `${text} (${times}×)`)
  if ([...found.keys()].some((text) => /^(error|fatal)\//.test(text)))
    throw new FlameshError('fhir-incomplete', `export: the server could not export all: ${told.join(', ')}`, {
      hint: 'ask whoever runs the server, or search: leave export out',
    })
  if (told.length > 0) notes.push(`export: the server said ${told.join(', ')}`)
}

/**
 * Fetches all resources of the types into `folder`; resolves with the files. Throws `fhir-answer`, `fhir-unreachable`,
 * `fhir-incomplete`, and what a full disk throws.
 */
export async function fetchExport(
  get: HttpGet,
  base: string,
  { level, types }: { readonly level: string; readonly types: readonly string[] },
  folder: string,
  notes: string[],
): Promise<readonly string[]> {
  const { status, manifest } = await manifestOf(get, kickOff(base, level, types))
  try {
    const { output, error, deleted } = isObject(manifest) ? manifest : {}
    if (!Array.isArray(output)) throw answerError('export', 'the answer lists no files')
    if (Array.isArray(deleted) && deleted.length > 0)
      notes.push('export: the server listed deleted resources: not read')
    const files: string[] = []
    for (const [at, one] of outputsOf(output, status, 'export').entries()) {
      const file = join(folder, `export-${at}.ndjson`)
      await fetchFile(get, one, file, `export, file ${at + 1} (${one.type})`)
      files.push(file)
    }
    for (const [at, one] of outputsOf(error, status, 'export').entries()) {
      const file = join(folder, `export-errors-${at}.ndjson`)
      await fetchFile(get, one, file, 'export, its errors')
      await readErrors(file, notes)
    }
    return files
  } finally {
    // the server keeps patients' data until it is told, or tires of it; what it answers changes nothing here
    await get(status, { method: 'DELETE' }).catch(() => undefined)
  }
}
