import assert from 'node:assert/strict'
import { grantsOf } from '@flamesh/node/runner/image-runner.js'

describe('what an image asks for', () => {
  it('is granted in the words of a container, and nothing else is', () => {
    assert.deepEqual(grantsOf([]), {})
    assert.deepEqual(grantsOf(['gpu', 'memory-8g', 'time-12h']), {
      gpu: 1,
      memoryBytes: 8 * 1024 ** 3,
      timeMs: 12 * 3_600_000,
    })
    for (const name of ['tpu', 'memory-0g', 'memory-10000g', 'time-100h', ' gpu', 'gpu\n'])
      assert.throws(() => grantsOf([name]), { code: 'grant-unknown' }, name)
  })
})
