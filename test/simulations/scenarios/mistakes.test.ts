/** Every mistake in a scenario is named with its line and column, and with what was probably meant. */
import assert from 'node:assert/strict'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { readScenario } from '@flamesh/simulations/scenarios/load.js'
import { loadScenario, shippedNames } from '@flamesh/simulations/scenarios/shipped.js'

const GOOD = `question: Does a plain scenario run at all?
sites: { count: 8 }
jobs:
  - analysis: describe
    parameters: { columns: [age] }
`

/** Each mistake as `line:column text`. */
function mistakes(text: string): { readonly code: string; readonly found: readonly string[] } {
  try {
    readScenario(text, 'x.yaml')
  } catch (error) {
    if (!(error instanceof FlameshError)) throw error
    const problems = error.meta['problems'] as readonly { line: number; column: number; text: string }[]
    return { code: error.code, found: problems.map((one) => `${one.line}:${one.column} ${one.text}`) }
  }
  return { code: 'none', found: [] }
}

const BAD: readonly (readonly [what: string, text: string, found: readonly RegExp[]])[] = [
  ['an unknown key', `${GOOD}committe: 4\n`, [/^6:1 committe: there is no such key; did you mean "committee"\?$/]],
  [
    'an unknown key further down',
    GOOD.replace('count: 8', 'count: 8, rowz: { mean: 3 }'),
    [/^2:20 sites\.rowz: .*"rows"/],
  ],
  ['a committee of five', `${GOOD}committee: 5\n`, [/^6:12 committee: a committee has 3, 4 or 7 members$/]],
  ['a duration without a unit', `${GOOD}duration: 10\n`, [/^6:11 duration: expected a duration/]],
  ['no jobs', GOOD.replace(/jobs:(.|\n)*/, ''), [/^1:1 jobs: is missing/]],
  ['an unknown analysis', GOOD.replace('describe', 'descibe'), [/^4:15 jobs\[0\]\.analysis: .*"describe"/]],
  ['a column that no site has', GOOD.replace('[age]', '[agee]'), [/^5:17 jobs\[0\]\.parameters: .*"age"/]],
  ['a field of a job that does not exist', `${GOOD}    expire: 1h\n`, [/^6:13 jobs\[0\]\.expire: .*"expires"/]],
  [
    'a site that does not exist',
    `${GOOD}events:\n  - { at: 1s, kill: site-9 }\n`,
    [/^7:21 events\[0\]\.kill: site-9 is no site/],
  ],
  [
    'two things at once',
    `${GOOD}events:\n  - { at: 1s, kill: site-1, heal: true }\n`,
    [/^7:35 events\[0\]\.heal: one thing happens at a time/],
  ],
  ['an event that is nothing', `${GOOD}events:\n  - { at: 1s }\n`, [/^7:5 events\[0\]: nothing happens/]],
  [
    'a liar outside the committee',
    `${GOOD}events:\n  - { at: 1s, byzantine: { member: site-7, how: silent } }\n`,
    [/^7:36 events\[0\]\.byzantine\.member: site-7 is no member of the committee/],
  ],
  [
    'a latency that is none',
    `${GOOD}network:\n  latency: { preset: mars }\n`,
    [/^7:22 network\.latency\.preset: expected one of german-university-hospitals$/],
  ],
  ['a question that is not first', GOOD.replace(/(.*\n)(.*\n)/, '$2$1'), [/^2:1 question: is the first key/]],
  [
    'several at once, in the order of the lines',
    `${GOOD}committee: 9\nnetwork: { loss: 2 }\n`,
    [/^6:12 committee/, /^7:18 network\.loss: expected a number from 0 to 1/],
  ],
]

describe('a scenario file', () => {
  it('is read when there is nothing wrong with it', () => {
    assert.deepEqual(mistakes(GOOD), { code: 'none', found: [] })
  })

  for (const [what, text, expected] of BAD) {
    it(`with ${what} is refused at its place`, () => {
      const { code, found } = mistakes(text)
      assert.equal(code, 'scenario-invalid')
      assert.equal(found.length, expected.length, found.join('\n'))
      for (const [at, pattern] of expected.entries()) assert.match(found[at] ?? '', pattern)
    })
  }

  it('that is no YAML is refused at its place', () => {
    const { code, found } = mistakes(`${GOOD}events: [\n`)
    assert.equal(code, 'yaml-invalid')
    assert.match(found[0] ?? '', /^7:1 /)
  })

  it('is shipped for every question that is promised, and says so in its first lines', () => {
    const names = shippedNames()
    const promised = ['three-hospitals', 'eight-hospitals-one-vanishes', 'german-university-hospitals']
    for (const name of [...promised, 'hub-off', 'byzantine-member', 'a-thousand-sites']) assert.ok(names.includes(name))
    for (const name of names) {
      const { text, scenario } = loadScenario(name)
      assert.match(text, /^# .*\?.*\n(#.*\n)+question: /, name)
      assert.match(scenario.question, /\?$/)
    }
  })
})
