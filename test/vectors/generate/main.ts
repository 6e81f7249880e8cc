/**
 * Writes the vectors of the building blocks: `node --conditions=source --import=tsx test/vectors/generate/main.ts`. Run it
 * only when a format changes on purpose, and say so in the changelog: what it writes is what other implementations test.
 */
import { writeFileSync } from 'node:fs'
import { encodingVectors } from './encoding.js'
import { maskVectors } from './mask.js'
import { ringVectors } from './ring.js'
import { sealingVectors } from './sealing.js'

const files = { encoding: encodingVectors, mask: maskVectors, ring: ringVectors, sealing: sealingVectors }
for (const [name, content] of Object.entries(files)) {
  writeFileSync(new URL(`../${name}.json`, import.meta.url), `${JSON.stringify(content, null, 2)}\n`)
}
