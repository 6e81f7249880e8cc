/**
 * Every test file, in two mocha processes side by side: the tests of one mostly wait for processes and containers, those of the
 * other compute. What the second prints is held back until the first has ended. Closes with one count over both; exit code 0
 * only if both ended well. Options are mocha's: `npm test -- -g receipt`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MOCHA = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url))
const WAITING = 'test/{e2e,hub-registry,node}/**/*.test.ts'
// a file of a new folder is in the second, not left out
const HALVES = [[WAITING], ['test/**/*.test.ts', '--ignore', WAITING]]

class Half {
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

const halves = HALVES.map((args) => new Half(args))
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const half of halves) half.interrupt()
  })
}
let ok = true
for (const half of halves) {
  half.show()
  ok = (await half.ended) && ok
}
const sum = (what) => halves.reduce((total, half) => total + (half.count(what) ?? 0), 0)
if (halves.every((half) => half.count('passing') !== undefined)) {
  process.stdout.write(`${sum('passing')} passed, ${sum('failing')} failed\n`)
} else {
  // mocha ends with 0 where a signal ended its tests
  ok = false
  process.stderr.write('the tests broke off; see above\n')
}
process.exitCode = ok ? 0 : 1
