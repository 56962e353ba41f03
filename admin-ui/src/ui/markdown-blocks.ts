/** Markdown text as blocks: headings, lists, code, quotes, tables. Pure; inside a paragraph see markdown-inline.ts. */

export type Block =
  | { kind: 'heading' | 'paragraph'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'rule' }
  | { kind: 'quote'; of: Block[] }
  | { kind: 'list'; start: number | null; tight: boolean; items: Block[][] }
  | { kind: 'table'; head: string[]; rows: string[][] }

/** Quotes and lists inside each other; what is deeper stays text. */
const maxDepth = 12

const fence = /^( {0,3})(`{3,}|~{3,})([^`]*)$/
const heading = /^ {0,3}#{1,6}(?:\s|$)/
const quote = /^ {0,3}>/
const bullet = /^( {0,3})([-*+]|(\d{1,9})[.)])( +|$)/
const definition = /^ {0,3}\[([^\]]{1,500})\]:\s*<?([^\s<>]{1,2000})>?(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*$/

const blank = (line: string | undefined) => line !== undefined && line.trim() === ''
const isRule = (line: string) => /^ {0,3}[-*_]/.test(line) && /^(?:-{3,}|\*{3,}|_{3,})$/.test(line.replace(/\s+/g, ''))
const indentOf = (line: string) => line.length - line.trimStart().length

/** Does this line begin a block, although a paragraph is going on above it? */
function interrupts(line: string): boolean {
  const item = bullet.exec(line)
  return (
    fence.test(line) ||
    heading.test(line) ||
    quote.test(line) ||
    isRule(line) ||
    // Prose that wraps before a year is no list.
    (item !== null && item[4] !== '' && (item[3] === undefined || item[3] === '1'))
  )
}

/** The text of one table row's cells. */
function cells(line: string): string[] {
  const parts = line
    .trim()
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
  return parts.map(part => part.trim().replaceAll('\\|', '|'))
}

function tableAt(lines: readonly string[], at: number): string[] | null {
  const [head, rule] = [lines[at], lines[at + 1]]
  if (!head?.includes('|') || !rule || !/^[\s|:-]+$/.test(rule) || !rule.includes('-')) return null
  const names = cells(head)
  const rules = cells(rule)
  return names.length === rules.length && rules.every(cell => /^:?-+:?$/.test(cell)) ? names : null
}

export function markdown(text: string): { blocks: Block[]; references: Map<string, string> } {
  const references = new Map<string, string>()
  const lines = text.split(/\r\n?|\n/).map(line => line.replace(/^[ \t]+/, indent => indent.replaceAll('\t', '    ')))
  return { blocks: blocksOf(lines, references, 0), references }
}

function blocksOf(lines: readonly string[], references: Map<string, string>, depth: number): Block[] {
  const out: Block[] = []
  let at = 0
  while (at < lines.length) {
    const line = lines[at] ?? ''
    const opened = fence.exec(line)
    const named = definition.exec(line)
    const head = tableAt(lines, at)
    if (blank(line)) {
      at += 1
    } else if (opened) {
      const [, indent = '', mark = ''] = opened
      const ends = new RegExp(`^ {0,3}${mark.charAt(0)}{${mark.length},}\\s*$`)
      const code: string[] = []
      for (at += 1; at < lines.length && !ends.test(lines[at] ?? ''); at += 1)
        code.push((lines[at] ?? '').replace(new RegExp(`^ {0,${indent.length}}`), ''))
      if (at >= lines.length && blank(code.at(-1))) code.pop()
      at += 1
      out.push({ kind: 'code', text: code.join('\n') })
    } else if (heading.test(line)) {
      out.push({
        kind: 'heading',
        text: line
          .trim()
          .replace(/^#+\s*/, '')
          .replace(/(?:^|\s+)#+$/, ''),
      })
      at += 1
    } else if (isRule(line)) {
      out.push({ kind: 'rule' })
      at += 1
    } else if (quote.test(line) && depth < maxDepth) {
      const inner: string[] = []
      while (at < lines.length) {
        const next = lines[at] ?? ''
        if (quote.test(next)) inner.push(next.replace(/^ {0,3}> ?/, ''))
        else if (!blank(next) && !interrupts(next) && !blank(inner.at(-1))) inner.push(next)
        else break
        at += 1
      }
      out.push({ kind: 'quote', of: blocksOf(inner, references, depth + 1) })
    } else if (bullet.test(line) && depth < maxDepth) {
      const [list, end] = listAt(lines, at, references, depth)
      out.push(list)
      at = end
    } else if (named) {
      const name = (named[1] ?? '').toLowerCase()
      if (!references.has(name)) references.set(name, named[2] ?? '')
      at += 1
    } else if (head) {
      const rows: string[][] = []
      for (at += 2; at < lines.length && !blank(lines[at]) && !interrupts(lines[at] ?? ''); at += 1) {
        const row = cells(lines[at] ?? '')
        rows.push(head.map((_, column) => row[column] ?? ''))
      }
      out.push({ kind: 'table', head, rows })
    } else if (indentOf(line) >= 4) {
      const code: string[] = []
      for (; at < lines.length && (blank(lines[at]) || indentOf(lines[at] ?? '') >= 4); at += 1)
        code.push((lines[at] ?? '').slice(4))
      while (blank(code.at(-1))) code.pop()
      out.push({ kind: 'code', text: code.join('\n') })
    } else {
      at = paragraphAt(lines, at, out)
    }
  }
  return out
}

/** A paragraph, or a heading when it is underlined. */
function paragraphAt(lines: readonly string[], from: number, out: Block[]): number {
  const text: string[] = []
  let at = from
  while (at < lines.length) {
    const line = lines[at] ?? ''
    if (text.length > 0) {
      if (/^ {0,3}(?:=+|-+)\s*$/.test(line)) {
        out.push({ kind: 'heading', text: text.join('\n') })
        return at + 1
      }
      if (blank(line) || interrupts(line) || tableAt(lines, at)) break
    }
    text.push(line.trimStart())
    at += 1
  }
  out.push({ kind: 'paragraph', text: text.join('\n').trimEnd() })
  return at
}

function listAt(
  lines: readonly string[],
  from: number,
  references: Map<string, string>,
  depth: number,
): [Block, number] {
  const first = bullet.exec(lines[from] ?? '')
  const sort = (found: RegExpExecArray | null) => found && (found[3] === undefined ? found[2] : found[2]?.at(-1))
  const items: string[][] = []
  let width = 0
  let loose = false
  let at = from
  while (at < lines.length) {
    const line = lines[at] ?? ''
    const item = items.at(-1)
    const inside = indentOf(line) >= width
    const found = bullet.exec(line)
    if (item && !blank(line) && inside) {
      item.push(line.slice(width))
    } else if (found && sort(found) === sort(first) && !isRule(line)) {
      loose ||= blank(item?.at(-1))
      const [whole, indent = '', mark = '', , gap = ''] = found
      width = gap.length > 4 || gap === '' ? indent.length + mark.length + 1 : whole.length
      items.push([line.slice(width)])
    } else if (!item) {
      break
    } else if (blank(line)) {
      item.push('')
    } else if (!blank(item.at(-1)) && !interrupts(line) && !found) {
      // A paragraph goes on although nobody indented it.
      item.push(line.trimStart())
    } else {
      break
    }
    at += 1
  }
  const parsed = items.map(item => {
    while (blank(item.at(-1)) && item.length > 1) item.pop()
    const blocks = blocksOf(item, references, depth + 1)
    loose ||= blocks.length > 1 && blocks.filter(block => block.kind === 'paragraph').length > 1
    return blocks
  })
  const start = first?.[3] === undefined ? null : Number(first[3])
  return [{ kind: 'list', start, tight: !loose, items: parsed }, at]
}
