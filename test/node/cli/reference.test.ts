import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createProgram } from '@flamesh/node/cli/program.js'
import type { Command } from 'commander'

const page = readFileSync(new URL('../../../docs/reference/cli.md', import.meta.url), 'utf8')

/** Heading and option lines of every command that does something, as the page should have them. */
function expectedLines(command: Command, path = ''): readonly string[] {
  const full = `${path} ${command.name()}`.trim()
  if (command.commands.length > 0) return command.commands.flatMap((child) => expectedLines(child, full))
  const given = command.registeredArguments
    .map((one) => (one.required ? ` <${one.name()}>` : ` [${one.name()}]`))
    .join('')
  const options = command.options.filter(({ long }) => long !== '--dir' && long !== '--json')
  return [`### \`${full}${given}\``, ...options.map(({ flags, description }) => `- \`${flags}\`: ${description}`)]
}

describe('docs/reference/cli.md', () => {
  it('names every command and option, in order, and no other', () => {
    const section = page.split('## Commands\n')[1]?.split('\n## ')[0] ?? ''
    const lines = section.split('\n').filter((line) => /^(### |- )/.test(line))
    const found = lines.map((line) => line.replace(/ \(default: .*\)$/, ''))
    assert.deepEqual(found, expectedLines(createProgram('0', async () => undefined)))
  })

  it('gives every command --dir and --json', () => {
    const visit = (command: Command): void => {
      const flags = command.options.map(({ long }) => long)
      if (command.commands.length === 0) assert.ok(flags.includes('--dir') && flags.includes('--json'), command.name())
      command.commands.forEach(visit)
    }
    createProgram('0', async () => undefined).commands.forEach(visit)
  })
})
