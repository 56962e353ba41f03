/** Inside one paragraph of markdown: emphasis, code, links. Pure; the time is linear in the text. */

export type Inline =
  | string
  | { kind: 'strong' | 'em' | 'del'; of: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'link'; href: string; of: Inline[] }
  | { kind: 'image'; href: string; text: string }
  | { kind: 'br' }

/** Where `[text][name]` leads, by the name in lower case. */
export type References = ReadonlyMap<string, string>

interface Run {
  kind: 'run'
  mark: string
  left: number
  opens: boolean
  closes: boolean
}
type Piece = Inline | Run

/** How deep emphasis and brackets are looked into; what is deeper is text. */
const maxDepth = 16
const escapable = /[!-/:-@[-`{-~]/
const space = /\s|^$/
const punctuation = /[\p{P}\p{S}]/u

const destination =
  /\(\s*(?:<([^<>\n]{0,2000})>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.){0,500}\)){0,2000}))(?:\s+(?:"[^"]{0,500}"|'[^']{0,500}'|\([^)]{0,500}\)))?\s*\)/y
const named = /\[([^[\]]{0,500})\]/y
const inAngles =
  /<(?:(https?:\/\/[^\s<>]{1,2000}|mailto:[^\s<>]{1,500})|([\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)|(br\s{0,4}\/?))>/iy
const bare = /(?:https?:\/\/|www\.)[^\s<>"]{1,2000}/iy
const host = /@[\w-]{1,63}(?:\.[\w-]{1,63})+/y
const special = /[\\`*_~[\]!<\n&@hHwW]/g

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: '\u00a0' }
const entity = /&(amp|lt|gt|quot|#39|nbsp);/y

const at = (pattern: RegExp, text: string, from: number): RegExpExecArray | null => {
  pattern.lastIndex = from
  return pattern.exec(text)
}

const unescaped = (text: string) => text.replace(/\\([!-/:-@[-`{-~])/g, '$1')

/** A bare address ends before its closing punctuation, and before a bracket that it did not open. */
function trimmed(address: string): string {
  const end = address.replace(/[?!.,:*_~'"]+$/, '')
  const extra = end.split(')').length - end.split('(').length
  const closers = /\)*$/.exec(end)?.[0].length ?? 0
  return extra > 0 ? end.slice(0, end.length - Math.min(extra, closers)) : end
}

function flanks(mark: string, before: string, after: string): { opens: boolean; closes: boolean } {
  const left = !space.test(after) && (!punctuation.test(after) || space.test(before) || punctuation.test(before))
  const right = !space.test(before) && (!punctuation.test(before) || space.test(after) || punctuation.test(after))
  if (mark !== '_') return { opens: left, closes: right }
  return { opens: left && (!right || punctuation.test(before)), closes: right && (!left || punctuation.test(after)) }
}

const isRun = (piece: Piece | undefined): piece is Run => typeof piece === 'object' && piece.kind === 'run'

/** Pairs the runs of `*`, `_` and `~`; what finds no partner is text. */
function paired(pieces: Piece[]): Inline[] {
  const out: Piece[] = []
  const depths = new Map<Piece, number>()
  /** How many runs of a sort wait for a partner, from `floor` on. Without one nobody looks back. */
  const waiting = new Map<string, number>()
  let floor = 0
  const sort = (run: Run) => (run.mark === '~' ? `~${run.left}` : run.mark)
  const count = (run: Run, more: number) => waiting.set(sort(run), (waiting.get(sort(run)) ?? 0) + more)
  const cut = (from: number): Piece[] => {
    const inner = out.splice(from)
    for (const piece of inner) if (isRun(piece) && piece.opens) count(piece, -1)
    return inner
  }
  for (const piece of pieces) {
    if (!isRun(piece)) {
      out.push(piece)
      continue
    }
    const run = piece
    while (run.closes && run.left > 0 && waiting.get(sort(run))) {
      let opener = out.length - 1
      for (; opener >= floor; opener -= 1) {
        const item = out[opener]
        if (isRun(item) && item.opens && sort(item) === sort(run)) break
      }
      const partner = out[opener]
      if (!isRun(partner)) break
      const inner = cut(opener + 1)
      const depth = 1 + Math.max(0, ...inner.map(item => depths.get(item) ?? 0))
      if (depth > maxDepth) {
        out.push(...inner)
        floor = out.length
        waiting.clear()
        break
      }
      const width = run.mark === '~' ? run.left : Math.min(partner.left, run.left, 2)
      const kind = run.mark === '~' ? 'del' : width === 2 ? 'strong' : 'em'
      const wrapped: Inline = { kind, of: texts(inner) }
      depths.set(wrapped, depth)
      if (partner.left === width) cut(opener)
      partner.left -= width
      run.left -= width
      out.push(wrapped)
    }
    if (run.left === 0) continue
    if (run.opens) count(run, 1)
    out.push(run)
  }
  return texts(out)
}

/** Left-over runs as text, and neighbouring texts as one. */
function texts(pieces: Piece[]): Inline[] {
  const out: Inline[] = []
  for (const piece of pieces) {
    const item = isRun(piece) ? piece.mark.repeat(piece.left) : piece
    const last = out.at(-1)
    if (typeof item === 'string' && typeof last === 'string') out[out.length - 1] = last + item
    else if (item !== '') out.push(item)
  }
  return out
}

export function inlines(text: string, references: References, depth = 0): Inline[] {
  const pieces: Piece[] = []
  const brackets: { piece: number; after: number; image: boolean; live: boolean }[] = []
  /** Lengths of backtick runs that are known to have no partner ahead. */
  const alone = new Set<number>()
  let word = ''
  const say = (part: Piece) => {
    if (word) pieces.push(word)
    word = ''
    pieces.push(part)
  }

  let here = 0
  while (here < text.length) {
    special.lastIndex = here
    const next = special.exec(text)?.index ?? text.length
    word += text.slice(here, next)
    here = next
    const mark = text[here]
    if (mark === undefined) break
    const following = text[here + 1] ?? ''

    if (mark === '\\') {
      if (following === '\n') say({ kind: 'br' })
      else word += escapable.test(following) ? following : `\\${following}`
      here += 2
    } else if (mark === '\n') {
      const broken = / {2}$/.test(text.slice(Math.max(0, here - 2), here))
      word = word.trimEnd()
      say(broken ? { kind: 'br' } : '\n')
      here += 1
      while (text[here] === ' ') here += 1
    } else if (mark === '`') {
      const ticks = lengthOf(text, here, '`')
      const end = alone.has(ticks) ? -1 : closing(text, here + ticks, ticks)
      if (end < 0) {
        alone.add(ticks)
        word += '`'.repeat(ticks)
        here += ticks
      } else {
        const code = text.slice(here + ticks, end).replaceAll('\n', ' ')
        say({ kind: 'code', text: /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code })
        here = end + ticks
      }
    } else if (mark === '*' || mark === '_' || mark === '~') {
      const left = lengthOf(text, here, mark)
      const sides = flanks(mark, text[here - 1] ?? '', text[here + left] ?? '')
      if (mark === '~' && left > 2) word += mark.repeat(left)
      else say({ kind: 'run', mark, left, ...sides })
      here += left
    } else if (mark === '[' || (mark === '!' && following === '[')) {
      const image = mark === '!'
      say(image ? '![' : '[')
      here += image ? 2 : 1
      brackets.push({ piece: pieces.length - 1, after: here, image, live: depth < maxDepth })
    } else if (mark === ']') {
      here += 1
      const open = brackets.pop()
      const found = open?.live ? target(text, open.after, here, references) : null
      if (!open || !found) {
        word += ']'
        continue
      }
      const label = text.slice(open.after, here - 1)
      word = ''
      pieces.length = open.piece
      if (open.image) pieces.push({ kind: 'image', href: found.href, text: label })
      else {
        pieces.push({ kind: 'link', href: found.href, of: inlines(label, references, depth + 1) })
        // A link holds no link.
        for (const outer of brackets) outer.live &&= outer.image
      }
      here = found.end
    } else if (mark === '<') {
      const found = at(inAngles, text, here)
      if (!found) word += '<'
      else if (found[3]) say({ kind: 'br' })
      else {
        const address = found[1] ?? found[2] ?? ''
        say({ kind: 'link', href: found[2] ? `mailto:${address}` : address, of: [address] })
      }
      here += found?.[0].length ?? 1
    } else if (mark === '&') {
      const found = at(entity, text, here)
      word += found ? entities[found[1] ?? ''] : '&'
      here += found?.[0].length ?? 1
    } else if (mark === '@') {
      const [name] = /[\w.+-]+$/.exec(text.slice(Math.max(0, here - 64), here)) ?? []
      const found = name && depth === 0 && name.length <= word.length ? at(host, text, here) : null
      if (name && found) {
        word = word.slice(0, -name.length)
        say({ kind: 'link', href: `mailto:${name}${found[0]}`, of: [name + found[0]] })
      } else word += '@'
      here += found?.[0].length ?? 1
    } else {
      // `h` or `w`: an address that stands by itself.
      const found = /\w$/.test(text[here - 1] ?? '') ? null : at(bare, text, here)
      const address = found && trimmed(brackets.length > 0 ? (found[0].split(']')[0] ?? '') : found[0])
      if (address && depth === 0 && address.length > 8)
        say({ kind: 'link', href: /^www/i.test(address) ? `http://${address}` : address, of: [address] })
      else word += address ?? mark
      here += address?.length ?? 1
    }
  }
  if (word) pieces.push(word)
  return paired(pieces)
}

function lengthOf(text: string, from: number, mark: string): number {
  let end = from
  while (text[end] === mark) end += 1
  return end - from
}

/** Where the next run of exactly that many backticks begins; -1: nowhere. */
function closing(text: string, from: number, ticks: number): number {
  let start = text.indexOf('`', from)
  while (start >= 0) {
    const length = lengthOf(text, start, '`')
    if (length === ticks) return start
    start = text.indexOf('`', start + length)
  }
  return -1
}

/** What stands behind a closed bracket: `(address)`, `[name]` or nothing, when the text itself is a name. */
function target(
  text: string,
  from: number,
  behind: number,
  references: References,
): { href: string; end: number } | null {
  const direct = at(destination, text, behind)
  if (direct) return { href: unescaped(direct[1] ?? direct[2] ?? ''), end: behind + direct[0].length }
  const name = at(named, text, behind)
  const own = text.slice(from, behind - 1)
  const href = own.length <= 500 ? references.get(((name?.[1] ?? '') || own).toLowerCase()) : undefined
  return href === undefined ? null : { href, end: behind + (name?.[0].length ?? 0) }
}
