/** The demo's operating-system processes: started, listened to line by line, and none of them left behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const STOP_MS = 5000
const running = new Set()

export class Process {
  /** resolves with how the process ended */
  ended
  /** whether it was told to end */
  told = false
  #child

  /** Runs `args` under this Node.js; `onOutput` and `onLog` are given the lines it prints on stdout and stderr. */
  constructor(args, onOutput, onLog) {
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(this)
    createInterface({ input: this.#child.stdout }).on('line', onOutput)
    createInterface({ input: this.#child.stderr }).on('line', onLog)
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      running.delete(this)
      return { code, signal }
    })
  }

  get alive() {
    return running.has(this)
  }

  signal(name) {
    this.told = true
    this.#child.kill(name)
  }

  /** kill -9: no time for a last word */
  async kill() {
    this.signal('SIGKILL')
    await this.ended
  }

  async stop() {
    this.signal('SIGTERM')
    const impatience = setTimeout(() => this.signal('SIGKILL'), STOP_MS)
    await this.ended
    clearTimeout(impatience)
  }
}

/** Runs a command to its end. */
export async function run(args, onLog = () => undefined) {
  const output = []
  const log = []
  const command = new Process(
    args,
    (line) => output.push(line),
    (line) => {
      log.push(line)
      onLog(line)
    },
  )
  const { code } = await command.ended
  return { code, output: output.join('\n'), log: log.join('\n') }
}

export async function stopEverything() {
  await Promise.all([...running].map((one) => one.stop()))
}

/** For the last moment of this process, when nothing can be waited for. */
export function killEverything() {
  for (const one of running) one.signal('SIGKILL')
}

/** What a daemon has logged over all its lives, and waiting for what it will. */
export class EventLog {
  #events = []
  #waiting = new Set()

  /** A daemon's log is one JSON object a line. */
  add(line) {
    this.#events.push(line.startsWith('{') ? JSON.parse(line) : { event: 'message', text: line })
    for (const look of [...this.#waiting]) look()
  }

  /** warnings and errors */
  get complaints() {
    return this.#events.filter(({ level, event }) => level === 'warn' || level === 'error' || event === 'message')
  }

  /** Resolves as soon as `found`, given all events so far, returns something. Throws what it throws, or after `timeoutMs`. */
  async until(what, found, timeoutMs) {
    let look
    let impatience
    try {
      return await new Promise((resolve, reject) => {
        look = () => {
          try {
            const answer = found(this.#events)
            if (answer) resolve(answer)
          } catch (error) {
            reject(error)
          }
        }
        this.#waiting.add(look)
        impatience = setTimeout(() => reject(new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`)), timeoutMs)
        look()
      })
    } finally {
      clearTimeout(impatience)
      this.#waiting.delete(look)
    }
  }
}
