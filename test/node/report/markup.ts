/** Markup read strictly: every element closed in order, attributes quoted, no stray sign; as an XML parser would. */
import assert from 'node:assert/strict'

export interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: (Element | string)[]
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

function plain(text: string): string {
  return text.replace(/&([^;\s]*);?/g, (whole, name: string) => {
    const sign = ENTITIES[name]
    assert.ok(sign !== undefined && whole.endsWith(';'), `no entity: ${whole}`)
    return sign
  })
}

const TOKEN = /<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y

/** Throws where the page is not well formed. */
export function parseMarkup(page: string): Element {
  const body = page.replace(/^<!DOCTYPE html>\n/, '')
  assert.notEqual(body, page, 'a document type comes first')
  const root: Element = { name: '', attributes: {}, children: [] }
  const open: Element[] = [root]
  let at = 0
  while (at < body.length) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(body)
    assert.ok(match, `not well formed: ${body.slice(at, at + 60)}`)
    const [whole, closing, name = '', attributes = '', empty, text] = match
    const top = open.at(-1) as Element
    if (text !== undefined) top.children.push(plain(text))
    else if (closing === '/') {
      assert.equal(top.name, name, `</${name}> closes <${top.name}>`)
      open.pop()
    } else {
      const pairs = [...attributes.matchAll(/\s+([\w:-]+)="([^"]*)"/g)].map(
        ([, key = '', value = '']) => [key, plain(value)] as const,
      )
      assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length, `an attribute twice: ${whole}`)
      const element = { name, attributes: Object.fromEntries(pairs), children: [] }
      top.children.push(element)
      if (empty === '') open.push(element)
    }
    at = TOKEN.lastIndex
  }
  assert.equal(open.length, 1, `<${open.at(-1)?.name}> is not closed`)
  return root
}

export function elements(from: Element, name: string): readonly Element[] {
  return from.children.flatMap((child) =>
    typeof child === 'string' ? [] : [...(child.name === name ? [child] : []), ...elements(child, name)],
  )
}

export function textOf(element: Element): string {
  return element.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('')
}
