import assert from 'node:assert/strict'
import ts from 'typescript'
import { repositoryFiles, repositoryPaths, sourceFiles } from './files.js'

/** What a file, and a function, may have: enough for one idea, with a little room. */
const MAX_FILE_LINES = 320
const MAX_FUNCTION_LINES = 80

describe('the repository', () => {
  it('has source files of one idea each', () => {
    const long = sourceFiles()
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_FILE_LINES)
    assert.deepEqual(long, [])
  })

  it('has functions that fit a screen', () => {
    const long: string[] = []
    for (const { path, text } of sourceFiles()) {
      const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
      const line = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
          const lines = line(node.end) - line(node.getStart()) + 1
          if (lines > MAX_FUNCTION_LINES) long.push(`${path}:${line(node.getStart())} has ${lines} lines`)
        }
        ts.forEachChild(node, visit)
      }
      visit(file)
    }
    assert.deepEqual(long, [])
  })

  it('begins every source file with what it is for', () => {
    const bare = sourceFiles().filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
    assert.deepEqual(
      bare.map(({ path }) => path),
      [],
    )
  })

  it('names files in kebab case', () => {
    const odd = repositoryPaths().filter(
      (path) => /\.(ts|js)$/.test(path) && !/^([a-z0-9-]+\/)*[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(ts|js)$/.test(path),
    )
    assert.deepEqual(odd, [])
  })

  it('leaves nothing for later and nothing switched off', () => {
    // written in two halves, so that this file does not find itself
    const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X\\b', '\\.only' + '\\(', '\\.skip' + '\\('].join('|'))
    const found = repositoryFiles().filter(({ path, text }) => /\.(ts|js|md|ya?ml)$/.test(path) && marks.test(text))
    assert.deepEqual(
      found.map(({ path }) => path),
      [],
    )
  })

  it('names no machine, account or private registry', () => {
    const private_ = new RegExp(
      ['/wo' + 'rk/', '/ro' + 'ot/', '/ho' + 'me/[a-z]', '/Us' + 'ers/', '"resol' + 'ved": "http'].join('|'),
    )
    const found = repositoryFiles().filter(({ text }) => private_.test(text))
    assert.deepEqual(
      found.map(({ path }) => path),
      [],
    )
  })

  it('ends text files with a newline and has no Windows line ends', () => {
    const data = /\.csv$/
    const odd = repositoryFiles().filter(
      ({ path, text }) => !data.test(path) && text !== '' && (!text.endsWith('\n') || text.includes('\r\n')),
    )
    assert.deepEqual(
      odd.map(({ path }) => path),
      [],
    )
  })
})
