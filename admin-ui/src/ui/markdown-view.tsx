/** Markdown as vnodes: marked's lexer, no HTML string anywhere, no remote image, only http(s) and mailto links. */
import { Lexer, type Token, type Tokens } from 'marked'
import type { ComponentChildren, JSX } from 'preact'
import { Code } from './code.tsx'

const maxChars = 200_000

function safeHref(href: string): string | undefined {
  return /^(https?:|mailto:)/i.test(href) ? href : undefined
}

function link(href: string, text: ComponentChildren): ComponentChildren {
  const safe = safeHref(href)
  return safe ? (
    <a href={safe} rel="noreferrer noopener" target="_blank">
      {text}
    </a>
  ) : (
    text
  )
}

const unescaped: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }
const plain = (text: string) => text.replace(/&(amp|lt|gt|quot|#39);/g, entity => unescaped[entity] ?? entity)

function inline(tokens: Token[] | undefined): ComponentChildren[] {
  return (tokens ?? []).map((token, key) => {
    switch (token.type) {
      case 'strong':
        return <strong key={key}>{inline(token.tokens)}</strong>
      case 'em':
        return <em key={key}>{inline(token.tokens)}</em>
      case 'del':
        return <s key={key}>{inline(token.tokens)}</s>
      case 'codespan':
        return <code key={key}>{plain(token.text)}</code>
      case 'br':
        return <br key={key} />
      case 'link':
        return link(token.href, inline(token.tokens))
      case 'image':
        return link(token.href, `image: ${token.text || token.href}`)
      case 'text':
      case 'escape':
        return 'tokens' in token && token.tokens ? inline(token.tokens) : plain(token.text)
      default:
        return token.raw
    }
  })
}

function row(cells: Tokens.TableCell[], head: boolean): JSX.Element[] {
  return cells.map((cell, key) =>
    head ? <th key={key}>{inline(cell.tokens)}</th> : <td key={key}>{inline(cell.tokens)}</td>,
  )
}

function block(token: Token, key: number): ComponentChildren {
  switch (token.type) {
    case 'space':
      return null
    case 'heading':
      return <h3 key={key}>{inline(token.tokens)}</h3>
    case 'paragraph':
      return <p key={key}>{inline(token.tokens)}</p>
    case 'text':
      return 'tokens' in token && token.tokens ? <span key={key}>{inline(token.tokens)}</span> : plain(token.text)
    case 'code':
      return <Code key={key} text={token.text} />
    case 'blockquote':
      return <blockquote key={key}>{(token.tokens ?? []).map(block)}</blockquote>
    case 'hr':
      return <hr key={key} />
    case 'list': {
      const items = (token as Tokens.List).items.map((item, at) => <li key={at}>{item.tokens.map(block)}</li>)
      return token.ordered ? (
        <ol key={key} start={token.start || 1}>
          {items}
        </ol>
      ) : (
        <ul key={key}>{items}</ul>
      )
    }
    case 'table': {
      const table = token as Tokens.Table
      return (
        <table key={key}>
          <thead>
            <tr>{row(table.header, true)}</tr>
          </thead>
          <tbody>
            {table.rows.map((cells, at) => (
              <tr key={at}>{row(cells, false)}</tr>
            ))}
          </tbody>
        </table>
      )
    }
    default:
      return <p key={key}>{token.raw}</p>
  }
}

export default function MarkdownView({ text }: { text: string }): JSX.Element {
  const cut = text.length > maxChars
  return (
    <div class="md">
      {Lexer.lex(cut ? text.slice(0, maxChars) : text).map(block)}
      {cut && (
        <p class="muted">
          The text is longer than {maxChars.toLocaleString('en-GB')} characters; the rest is not shown.
        </p>
      )}
    </div>
  )
}
