/** The report of a run: the same bytes for the same folder, nothing from elsewhere, the numbers right, bad files named. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { formatBytes, formatCount, formatMs, formatShare } from '@flamesh/protocol/report/numbers.js'
import { linearScale, logScale } from '@flamesh/protocol/report/scale.js'
import { csvRecords } from '@flamesh/simulations/report/csv.js'
import { writeReport } from '@flamesh/simulations/report/index.js'
import { renderPage } from '@flamesh/simulations/report/page.js'
import { type RunFiles, readRun } from '@flamesh/simulations/report/run.js'
import { quantile, sorted, wilson } from '@flamesh/simulations/report/statistics.js'
import { type SampleFiles, sampleFiles, writeSample } from './sample-run.js'

function page(files: SampleFiles): string {
  return renderPage(readRun(files as RunFiles))
}

/** The markup of one figure. */
function figure(html: string, id: string): string {
  const start = html.indexOf(`<figure id="${id}">`)
  assert.ok(start >= 0, `there is a figure ${id}`)
  return html.slice(start, html.indexOf('</figure>', start))
}

/** The cells of a figure's table, row by row. */
function cells(html: string, id: string): readonly (readonly string[])[] {
  const body = figure(html, id).split('<tbody>')[1]?.split('</tbody>')[0] ?? ''
  return body
    .split('</tr>')
    .slice(0, -1)
    .map((row) => [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map((match) => match[1] as string))
}

function column(text: string, name: string): readonly string[] {
  const [header, ...rows] = [...csvRecords('x', text)].map((record) => record.cells)
  const at = (header as readonly string[]).indexOf(name)
  return rows.map((row) => row[at] as string)
}

describe('the report of a run', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flamesh-report-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is the same page, byte for byte, for the same folder', async () => {
    writeSample(folder, sampleFiles())
    const path = await writeReport(folder)
    assert.equal(path, join(folder, 'report.html'))
    const first = readFileSync(path)
    await writeReport(folder)
    assert.deepEqual(readFileSync(path), first)
    assert.notDeepEqual(page(sampleFiles({ seed: 2 })), first.toString())
  })

  it('needs nothing from elsewhere and runs nothing', () => {
    const html = page(sampleFiles())
    assert.doesNotMatch(html, /https?:|<script|<link|<img|<iframe|@import|@font-face|url\(|\son[a-z]+=|javascript:/i)
    assert.doesNotMatch(html, /NaN|Infinity|undefined|null/)
  })

  it('says each chart in words, and gives every id once', () => {
    const html = page(sampleFiles())
    for (const [svg] of html.matchAll(/<svg .*?<\/desc>/g)) {
      const id = /aria-describedby="([^"]+)"/.exec(svg)?.[1]
      assert.match(svg, /role="img" aria-label="[^"]+"/)
      assert.ok(svg.includes(`<desc id="${id}">`))
    }
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1])
    assert.ok(ids.length > 20)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('has the percentiles of the propagation in its chart and in its table', () => {
    const files = sampleFiles()
    const html = page(files)
    const kinds = column(files['propagation.csv'] as string, 'kind')
    const delays = column(files['propagation.csv'] as string, 'delay_ms')
    const rows = cells(html, 'propagation')
    assert.deepEqual(new Set(rows.map(([kind]) => kind)), new Set(kinds))
    for (const [kind, count, ...shown] of rows) {
      const own = sorted(delays.filter((_, at) => kinds[at] === kind).map(Number))
      assert.equal(count, String(own.length))
      const expected = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1].map((share) => formatMs(quantile(own, share)))
      assert.deepEqual(shown, expected)
      for (const at of [2, 4, 6, 7]) assert.ok(figure(html, 'propagation').includes(`>${expected[at]}</text>`))
    }
  })

  it('has each job, the same in chart and table, and divides all of its time among the phases', () => {
    const files = sampleFiles()
    const html = page(files)
    const rows = cells(html, 'time-to-result')
    const text = files['jobs.csv'] as string
    assert.deepEqual(
      rows.map(([name]) => name),
      column(text, 'name'),
    )
    const ends = column(text, 'ended_ms')
    const starts = column(text, 'submitted_ms')
    rows.forEach(([, , time, ...parts], at) => {
      assert.equal(time, formatMs(Number(ends[at]) - Number(starts[at])))
      const ms = (cell: string): number => Number.parseFloat(cell) * (cell.endsWith('ms') ? 1 : 1000)
      const sum = parts.reduce((total, part) => total + ms(part), 0)
      assert.ok(Math.abs(sum / ms(time as string) - 1) < 0.01, `${sum} is ${time}`)
      assert.ok(figure(html, 'time-to-result').includes(`>${time}`))
    })
  })

  it('says in which phase most of the time goes', () => {
    const files = sampleFiles()
    files['jobs.csv'] =
      `${(files['jobs.csv'] as string).split('\n')[0]}\na,one,table,1000,5000,released,released,1,8,8,8,true\n`
    files['phases.csv'] = 'job,round,attempt,phase,at_ms\na,1,0,decided,2000\na,1,0,submitted,4500\na,1,0,closed,5000\n'
    const said = /<p class="finding">(.*?)<\/p>/.exec(figure(page(files), 'time-to-result'))?.[1]
    const expected = 'The job ended after 4 s. Most time, 62.5 %, goes into computing and masking.'
    assert.equal(said?.replaceAll('\u00a0', ' '), expected)
  })

  it('has the bytes, duplicates and computing time of the sites, by role', () => {
    const files = sampleFiles()
    const html = page(files)
    const text = files['sites.csv'] as string
    const roles = column(text, 'roles')
    const of = (name: string, role: string): Float64Array =>
      sorted(
        column(text, name)
          .map(Number)
          .filter((_, at) => roles[at] === role),
      )
    const sent = of('sent_bytes', 'site aggregator')
    const row = cells(html, 'bytes').find(([group]) => group === 'site + aggregator, sent')
    assert.deepEqual(
      [row?.[1], row?.[2], row?.[4], row?.[8]],
      ['4', ...[0, 0.5, 1].map((share) => formatBytes(quantile(sent, share)))],
    )
    assert.equal(
      cells(html, 'cpu').find(([group]) => group === 'site')?.[4],
      formatMs(quantile(of('cpu_ms', 'site'), 0.5)),
    )
    assert.equal(cells(html, 'duplicates').length, 2)
    const dots = figure(html, 'bytes').match(/<circle[^>]* class="dot thin/g)
    assert.equal(dots?.length, 2 * 2 * 8, 'a dot for each site, sent and received, wide and narrow')
  })

  it('draws completion with intervals and the binomial prediction', () => {
    const html = page(sampleFiles())
    const rows = cells(html, 'completion')
    assert.equal(rows.length, 6)
    assert.deepEqual(
      rows[2]?.slice(0, 4),
      ['10', '200', '151', '75.5'].map((value, at) => (at % 3 === 0 ? `${value}\u00a0%` : value)),
    )
    assert.equal(rows[2]?.[6], formatShare(0.738))
    assert.equal(
      figure(html, 'completion').match(/class="hollow c1"/g)?.length,
      2 * (6 + 1),
      'six rates and the key, twice',
    )
    const without = page({ ...sampleFiles(), 'completion.csv': 'dropout,runs,completed,expected\n0.1,10,9,\n' })
    assert.doesNotMatch(figure(without, 'completion'), /class="hollow/)
  })

  it('leaves a chart out for which there is nothing, and says why', async () => {
    writeSample(folder, sampleFiles({ completion: false }))
    const html = readFileSync(await writeReport(folder), 'utf8')
    assert.doesNotMatch(html, /<figure id="completion"/)
    assert.match(html, /<li id="completion"><b>[^<]+<\/b> [A-Z][^<]+\.<\/li>/)
    const files = sampleFiles({ completion: false })
    for (const name of Object.keys(files)) {
      if (name.endsWith('.csv')) files[name] = `${(files[name] as string).split('\n')[0]}\n`
    }
    const empty = page(files)
    for (const id of [
      'propagation',
      'bytes',
      'duplicates',
      'cpu',
      'time-to-result',
      'completion',
      'mesh',
      'timeline',
    ]) {
      assert.ok(empty.includes(`<li id="${id}">`), id)
    }
    assert.doesNotMatch(empty, /<figure|NaN|Infinity|undefined/)
  })

  it('says at the top that a run was interrupted, and that a result was not exact', () => {
    assert.doesNotMatch(page(sampleFiles()), /role="alert"|class="alarm"/)
    const interrupted = page(sampleFiles({ interrupted: true }))
    assert.match(interrupted.split('<figure')[0] as string, /role="alert"><b>This run was interrupted/)
    const files = sampleFiles()
    files['jobs.csv'] = (files['jobs.csv'] as string).replace(',true', ',false')
    assert.match(page(files), /class="alarm">.*4 of 5.*NOT equal to the plain sum: describe 1/)
  })

  it('shows hostile names as text', () => {
    const files = sampleFiles()
    const bad = `</title></style><script>alert('1')</script>"&\u0000`
    const manifest = JSON.parse(files['manifest.json'] as string)
    manifest.scenario = { name: bad, question: bad, text: bad, sha256: bad }
    for (const key of ['version', 'node', 'platform', 'hash', 'command']) manifest[key] = bad
    files['manifest.json'] = JSON.stringify(manifest)
    const cell = `"${bad.replaceAll('"', '""')}, and a comma\nand a line"`
    files['events.csv'] = `at_ms,event,node\n5,${cell},${cell}\n`
    files['propagation.csv'] = `message,kind,site,delay_ms\n1,${cell},x,5\n`
    files['sites.csv'] = (files['sites.csv'] as string).replaceAll('site aggregator', cell)
    files['jobs.csv'] = (files['jobs.csv'] as string)
      .replace('describe 1,describe,', `${cell},${cell},`)
      .replace('too-few-submissions', cell)
    const html = page(files)
    assert.doesNotMatch(html, /<script|alert\('/)
    assert.equal(html.split('</style>').length, 2)
    assert.ok(!html.includes('\u0000'))
    assert.ok(html.includes('&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\ufffd, and a comma'))
  })

  it('stays small with a thousand sites', () => {
    const html = page(sampleFiles({ sites: 1000, jobs: 40 }))
    assert.ok(Buffer.byteLength(html) < 500_000, `${Buffer.byteLength(html)} bytes`)
    assert.equal(cells(html, 'time-to-result').length, 5, 'one bar for each analysis')
    assert.ok(cells(html, 'mesh').length <= 24)
  })

  it('names the file and the line of what it cannot read', async () => {
    const bad = async (file: string, change: (text: string) => string, expected: RegExp): Promise<void> => {
      const files = sampleFiles()
      files[file] = change(files[file] as string)
      writeSample(folder, files)
      await assert.rejects(writeReport(folder), (error: unknown) => {
        assert.ok(error instanceof FlameshError && error.code === 'run-malformed' && error.hint !== undefined)
        assert.match(error.message, expected)
        return true
      })
    }
    await bad(
      'jobs.csv',
      (text) => text.replace(',status', ',state'),
      /^jobs\.csv line 1: there is no column "status"$/,
    )
    await bad('events.csv', (text) => text.replace('12000', 'noon'), /^events\.csv line 2: at_ms is "noon"$/)
    await bad('mesh.csv', (text) => `${text}1,2,3`, /^mesh\.csv line \d+: 3 fields instead of 4$/)
    await bad('sites.csv', (text) => `${text}"x\ny",a,b,1,1,1,1,1,1,1.5\n`, /^sites\.csv line 10: up_share is "1\.5"$/)
    await bad(
      'events.csv',
      (text) => `${text}1,"a\nb",c\n2,"d,e\n`,
      /^events\.csv line \d+: a quoted field is not closed/,
    )
    await bad('phases.csv', () => '', /^phases\.csv line 1: the file is empty$/)
    await bad('completion.csv', (text) => text.replace(',193,', ',,'), /^completion\.csv line 3: completed is ""$/)
    await bad('manifest.json', (text) => text.slice(0, -5), /^manifest\.json line 1: not JSON$/)
    await bad('manifest.json', (text) => text.replace('"wallMs"', '"wall"'), /^manifest\.json: wallMs: /)
    await bad('manifest.json', () => '{"madeBy":"flamesh-sim","finished":false}', /the run has not ended$/)
    rmSync(join(folder, 'mesh.csv'))
    const missing = (error: unknown): boolean => error instanceof FlameshError && error.code === 'run-missing'
    await assert.rejects(writeReport(folder), missing)
  })
})

describe('the numbers of a report', () => {
  it('have three digits and a unit', () => {
    const plain = (text: string): string => text.replaceAll('\u00a0', ' ')
    assert.deepEqual([0, 0.25, 84.36, 999, 1240, 119_000, 200_000, 8.1e6].map(formatMs).map(plain), [
      '0 ms',
      '0.25 ms',
      '84.4 ms',
      '999 ms',
      '1.24 s',
      '119 s',
      '3.33 min',
      '2.25 h',
    ])
    assert.deepEqual([0, 999, 1500, 12_345_678].map(formatBytes).map(plain), ['0 B', '999 B', '1.5 kB', '12.3 MB'])
    assert.deepEqual([0, 0.0001, 0.5, 0.9999, 1].map(formatShare).map(plain), [
      '0 %',
      '< 0.1 %',
      '50 %',
      '> 99.9 %',
      '100 %',
    ])
    assert.equal(formatCount(1_234_567), '1,234,567')
  })

  it('are on axes with round ticks that hold them', () => {
    assert.deepEqual(
      linearScale('ms', 40_000, [0, 100], 4).ticks.map(({ label }) => label),
      ['0', '10', '20', '30', '40'],
    )
    assert.deepEqual(
      linearScale('count', 2, [0, 100], 6).ticks.map(({ label }) => label),
      ['0', '1', '2'],
    )
    const scale = logScale('bytes', 1200, 900_000, [0, 100])
    assert.ok(scale.at(1200) >= 0 && scale.at(900_000) <= 100)
    assert.deepEqual(
      scale.ticks.map(({ value }) => value),
      [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000],
    )
  })

  it('have Wilson’s interval', () => {
    // Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    const expected = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const
    for (const [successes, trials, low, high] of expected) {
      const interval = wilson(successes, trials)
      assert.ok(Math.abs(interval.low - low) < 6e-5 && Math.abs(interval.high - high) < 6e-5, `${successes}/${trials}`)
    }
  })
})
