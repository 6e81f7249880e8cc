/**
 * Every test file, in three mocha processes side by side: two mostly wait, for processes and for containers, and the third computes.
 * What a later one prints is held back until those before it have ended. Closes with one count over all; exit code 0 only if all
 * ended well. Options are mocha's: `npm test -- -g receipt`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MOCHA = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url))
const PROCESSES = 'test/e2e/**/*.test.ts'
const CONTAINERS = 'test/{hub-registry,node}/**/*.test.ts'
// a file of a new folder is in the last, not left out
const PARTS = [[PROCESSES], [CONTAINERS], ['test/**/*.test.ts', '--ignore', PROCESSES, '--ignore', CONTAINERS]]

class Part {
  /** what is not shown yet; undefined once everything is shown as it comes */
  #held = []
  #printed = ''
  #child

  constructor(args) {
    const colour = process.stdout.isTTY ? ['--color'] : []
    const options = { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] }
    this.#child = spawn(process.execPath, [MOCHA, ...args, ...colour, ...process.argv.slice(2)], options)
    this.#follow(this.#child.stdout, process.stdout)
    this.#follow(this.#child.stderr, process.stderr)
    this.ended = once(this.#child, 'close').then(([code]) => code === 0)
  }

  #follow(from, to) {
    from.setEncoding('utf8').on('data', (text) => {
      if (to === process.stdout) this.#printed += text
      if (this.#held === undefined) to.write(text)
      else this.#held.push([to, text])
    })
  }

  show() {
    for (const [to, text] of this.#held) to.write(text)
    this.#held = undefined
  }

  /** How many tests are "passing" or "failing" by mocha's last words; undefined if it said nothing of them. */
  count(what) {
    const found = stripVTControlCharacters(this.#printed).matchAll(new RegExp(`^ +(\\d+) ${what}\\b`, 'gm'))
    return [...found].map(([, count]) => Number(count)).at(-1)
  }

  /** Mocha passes it on to the process in which the tests run. */
  interrupt() {
    this.#child.kill('SIGINT')
  }
}

const parts = PARTS.map((args) => new Part(args))
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const part of parts) part.interrupt()
  })
}
let ok = true
for (const part of parts) {
  part.show()
  ok = (await part.ended) && ok
}
const sum = (what) => parts.reduce((total, part) => total + (part.count(what) ?? 0), 0)
if (parts.every((part) => part.count('passing') !== undefined)) {
  process.stdout.write(`${sum('passing')} passed, ${sum('failing')} failed\n`)
} else {
  // mocha ends with 0 where a signal ended its tests
  ok = false
  process.stderr.write('the tests broke off; see above\n')
}
process.exitCode = ok ? 0 : 1
