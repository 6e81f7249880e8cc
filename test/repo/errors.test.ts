import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { exitOf } from '@flamesh/node/cli/exit-codes.js'
import { root, sourceFiles } from './files.js'

const catalogue = readFileSync(new URL('docs/reference/errors.md', root), 'utf8')
const sources = sourceFiles().map(({ text }) => text)

/** Rows of the table under a heading, as cells without their back quotes. */
function rows(heading: string): readonly (readonly string[])[] {
  const section = catalogue.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const lines = section.split('\n').filter((line) => line.startsWith('| `'))
  return lines.map((line) =>
    line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.replaceAll('`', '')),
  )
}

function codesMatching(pattern: RegExp): readonly string[] {
  const found = sources.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] as string))
  return [...new Set(found)].sort()
}

describe('the catalogue of errors', () => {
  const thrown = codesMatching(/(?:new FlameshError|csvError)\(\s*'([a-z0-9-]+)'/g)
  const verdicts = codesMatching(/\b(?:reject|ignore|later)\(\s*'([a-z0-9-]+)'/g)

  for (const [heading, codes] of [
    ['Errors', thrown],
    ['Verdicts between nodes', verdicts],
  ] as const) {
    it(`lists the codes of the sources, and no others, under "${heading}"`, () => {
      assert.ok(codes.length > 20)
      const listed = rows(heading).map(([code = '']) => code)
      const notListed = codes.filter((code) => !listed.includes(code))
      const notInUse = listed.filter((code) => !codes.includes(code))
      assert.deepEqual({ notListed, notInUse }, { notListed: [], notInUse: [] })
      assert.deepEqual(listed, [...listed].sort(), 'the table is in the order of the alphabet')
    })
  }

  it('gives the exit code that the command has', () => {
    for (const [code = '', exit] of rows('Errors')) assert.equal(exit, String(exitOf(code)), code)
  })
})
