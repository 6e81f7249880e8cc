import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { makeProgram } from '@flamesh/hub-registry/cli/program.js'
import type { Command } from 'commander'

const page = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8')
const section = page.split('# The `flamesh-hub` command\n')[1]?.split('\n# ')[0] ?? ''

const leaves = (command: Command, path = ''): readonly (readonly [string, Command])[] => {
  const full = `${path} ${command.name()}`.trim()
  return command.commands.length === 0 ? [[full, command]] : command.commands.flatMap((child) => leaves(child, full))
}

describe('docs/reference/cli.md, flamesh-hub', () => {
  it('names every command and option, and no other', () => {
    const items = section.split('\n- ').slice(1)
    const commands = leaves(makeProgram())
    const isOf = (item: string, path: string) => [' ', '`'].some((end) => item.startsWith(`\`${path}${end}`))
    for (const [path, command] of commands) {
      const own = items.filter((item) => isOf(item, path)).join(' ')
      const named = new Set(own.match(/--[a-z-]+(?: <[a-z:=]+>)?/g))
      const given = command.options
        .filter(({ long }) => long !== '--dir' && long !== '--json')
        .map(({ flags }) => flags)
      assert.deepEqual([...named].sort(), given.sort(), path)
    }
    for (const item of items)
      assert.ok(
        commands.some(([path]) => isOf(item, path)),
        item,
      )
  })
})
