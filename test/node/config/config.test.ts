import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveConfig } from '@flamesh/node/config/config.js'
import { SETTING_NAMES, SETTINGS } from '@flamesh/node/config/settings.js'
import { stateDir } from '@flamesh/node/config/state-folder.js'
import { FlameshError } from '@flamesh/protocol/errors.js'

const HUB_KEY = 'ab'.repeat(32)

describe('configuration', () => {
  let dir: string
  let file: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-config-'))
    file = join(dir, 'config.json')
    writeFileSync(file, JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: HUB_KEY, hubPollMs: 700 }))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const refusal = (inputs: Parameters<typeof resolveConfig>[0]): FlameshError => {
    try {
      resolveConfig(inputs)
    } catch (error) {
      if (error instanceof FlameshError) return error
    }
    throw new assert.AssertionError({ message: 'expected a FlameshError' })
  }

  it('takes flag before environment before file before default, and says which', () => {
    const env = { FLAMESH_HUB_POLL_MS: '800', FLAMESH_LISTEN: '/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2' }
    const flagged = resolveConfig({ flags: { hubPollMs: 900 }, env, file })
    assert.deepEqual(flagged.sources.hubPollMs, { value: 900, source: 'flag' })
    const fromEnvironment = resolveConfig({ flags: {}, env, file })
    assert.deepEqual(fromEnvironment.sources.hubPollMs, { value: 800, source: 'FLAMESH_HUB_POLL_MS' })
    assert.deepEqual(fromEnvironment.config.listen, ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2'])
    const fromFile = resolveConfig({ flags: {}, env: {}, file })
    assert.deepEqual(fromFile.sources.hubPollMs, { value: 700, source: file })
    assert.equal(fromFile.sources.logLevel.source, 'default')
    assert.equal(fromFile.config.logLevel, 'info')
  })

  it('takes an empty environment variable for none', () => {
    assert.equal(resolveConfig({ flags: {}, env: { FLAMESH_HUB_POLL_MS: '' }, file }).config.hubPollMs, 700)
  })

  it('says which setting is wrong and where the value stands', () => {
    const cases: readonly (readonly [Parameters<typeof resolveConfig>[0], string, string])[] = [
      [{ flags: {}, env: { FLAMESH_HUB_POLL_MS: 'soon' }, file }, 'hubPollMs', 'FLAMESH_HUB_POLL_MS'],
      [{ flags: { logLevel: 'loud' }, env: {}, file }, 'logLevel', 'flag'],
      [{ flags: {}, env: { FLAMESH_HUB_KEY: 'abc' }, file }, 'hubKey', 'FLAMESH_HUB_KEY'],
      [{ flags: {}, env: { FLAMESH_INSECURE_HUB: 'yes' }, file }, 'insecureHub', 'FLAMESH_INSECURE_HUB'],
      [{ flags: {}, env: {}, file: join(dir, 'none.json') }, 'hub', 'default'],
    ]
    for (const [inputs, setting, source] of cases) {
      const error = refusal(inputs)
      assert.equal(error.code, 'config-invalid')
      assert.deepEqual(error.meta, { setting, source })
      assert.ok(error.hint)
    }
  })

  it('refuses a file that is no JSON object, or names a setting that does not exist', () => {
    for (const text of ['{', '[]', 'null', '{"hub":"http://127.0.0.1:1","hubkey":"x"}']) {
      writeFileSync(file, text)
      assert.equal(refusal({ flags: {}, env: {}, file }).code, 'config-invalid', text)
    }
  })

  it('finds the folder by flag, then environment, then home', () => {
    assert.equal(stateDir('/a/b', { FLAMESH_DIR: '/c' }), '/a/b')
    assert.equal(stateDir(undefined, { FLAMESH_DIR: '/c' }), '/c')
    assert.match(stateDir(undefined, {}), /\.flamesh$/)
  })

  it('is documented: every setting with its variable and meaning', () => {
    const page = readFileSync(new URL('../../../docs/reference/configuration.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `(\w+)` \| `(\w+)` \| (.*?) \| (.*?) \|$/gm)].map((match) => match.slice(1))
    const expected = SETTING_NAMES.map((name) => {
      const { environment, fallback, meaning } = SETTINGS[name]
      const shown = fallback === undefined ? 'set by `init`' : `\`${JSON.stringify(fallback)}\``
      return [name, environment, shown, meaning]
    })
    assert.deepEqual(rows, expected)
  })
})
