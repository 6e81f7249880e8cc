/**
 * The reports of all examples, or of those named, to look at: `npx tsx test/node/report/write.ts DIR [NAME ...]`.
 * Open them in a browser: light and dark, wide and narrow, on paper.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TITLES } from './examples.js'
import { pageOf } from './page-of.js'

const [folder = 'reports', ...named] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
for (const title of named.length > 0 ? named : TITLES) {
  writeFileSync(join(folder, `${title}.html`), pageOf(title))
  console.log(title)
}
