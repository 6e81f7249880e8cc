/** The bulk export of the FHIR server for tests: a start, a place to ask, files, and the same faults. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { Resource } from './people.js'
import type { Fault } from './server.js'

/** How often it is asked in vain. */
const POLLS = 2
const FILE_RESOURCES = 50

export interface ExportServer {
  /** Whether it was for the export, and is answered. */
  answer(request: IncomingMessage, response: ServerResponse, url: URL, base: string): boolean
}

/** Faults are those of the types `$export`, `export-status` and `file-TYPE`; the page is how often it was asked, or which file. */
export function exportServer(
  resources: readonly Resource[],
  faultAt: (type: string, page: number) => Fault['does'] | undefined,
  fail: (response: ServerResponse, does: Fault['does']) => boolean,
): ExportServer {
  let types: readonly string[] = []
  let polls = 0
  let deleted = false
  const parts = (type: string): readonly (readonly Resource[])[] => {
    const found = resources.filter((one) => one.resourceType === type)
    return Array.from({ length: Math.ceil(found.length / FILE_RESOURCES) }, (_, at) =>
      found.slice(at * FILE_RESOURCES, (at + 1) * FILE_RESOURCES),
    )
  }

  function manifest(response: ServerResponse, base: string, does: Fault['does'] | undefined): void {
    const elsewhere = typeof does === 'object' && 'next' in does ? does.next : undefined
    const output = types.flatMap((type) =>
      parts(type).map((part, at) => ({
        type,
        url: elsewhere ?? `${base}/export-file/${type}/${at + 1}`,
        count: part.length,
      })),
    )
    const warns = typeof does === 'object' && 'warns' in does
    const error = warns ? [{ type: 'OperationOutcome', url: `${base}/export-file/${does.severity}/${does.warns}` }] : []
    response.end(JSON.stringify({ transactionTime: '2026-01-01T00:00:00Z', requiresAccessToken: true, output, error }))
  }

  function file(response: ServerResponse, type: string, part: string): void {
    if (type === 'error' || type === 'warning') {
      const issue = [{ severity: type, code: part, diagnostics: 'Patient Erika Mustermann is not to be quoted' }]
      return void response.end(`${JSON.stringify({ resourceType: 'OperationOutcome', issue })}\n`)
    }
    const does = faultAt(`file-${type}`, Number(part))
    if (does !== undefined && fail(response, does)) return
    const lines = (parts(type)[Number(part) - 1] ?? []).map((one) => JSON.stringify(one))
    const text = `${(does === 'skip' ? lines.slice(1) : lines).join('\n')}\n`
    if (does === 'cut') {
      response.writeHead(200, { 'content-length': Buffer.byteLength(text) })
      response.write(text.slice(0, text.length / 2), () => response.destroy())
      return
    }
    response.writeHead(200, { 'content-type': 'application/fhir+ndjson', 'content-encoding': 'gzip' })
    response.end(gzipSync(text))
  }

  return {
    answer({ method, headers }, response, url, base) {
      const [, , place, type = '', part = ''] = url.pathname.split('/')
      if (url.pathname.endsWith('/$export')) {
        const does = faultAt('$export', 1)
        if (does !== undefined && fail(response, does)) return true
        types = (url.searchParams.get('_type') ?? '').split(',')
        const begun = { 'content-location': `${base}/export-status` }
        if (headers['prefer'] === 'respond-async') response.writeHead(202, begun).end()
        else response.writeHead(400).end()
      } else if (place === 'export-status') {
        deleted ||= method === 'DELETE'
        const does = deleted ? undefined : faultAt('export-status', ++polls)
        if (does !== undefined && fail(response, does)) return true
        if (deleted || polls <= POLLS) response.writeHead(202, { 'retry-after': '0', 'x-progress': 'Erika' }).end()
        else manifest(response, base, does)
      } else if (place === 'export-file') {
        if (deleted) response.writeHead(404).end()
        else file(response, type, part)
      } else return false
      return true
    },
  }
}
