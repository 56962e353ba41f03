/** Markdown as vnodes: no HTML string anywhere, no remote image, only http(s) and mailto links. */
import type { ComponentChildren, JSX } from 'preact'
import { useRef } from 'preact/hooks'
import { Code } from './code.tsx'
import { type Block, markdown } from './markdown-blocks.ts'
import { type Inline, inlines, type References } from './markdown-inline.ts'

const maxChars = 200_000

function link(key: number, href: string, text: ComponentChildren): ComponentChildren {
  return /^(https?:|mailto:)/i.test(href) ? (
    <a key={key} href={href} rel="noreferrer noopener" target="_blank">
      {text}
    </a>
  ) : (
    text
  )
}

function node(item: Inline, key: number): ComponentChildren {
  if (typeof item === 'string') return item
  switch (item.kind) {
    case 'strong':
      return <strong key={key}>{item.of.map(node)}</strong>
    case 'em':
      return <em key={key}>{item.of.map(node)}</em>
    case 'del':
      return <s key={key}>{item.of.map(node)}</s>
    case 'code':
      return <code key={key}>{item.text}</code>
    case 'br':
      return <br key={key} />
    case 'link':
      return link(key, item.href, item.of.map(node))
    case 'image':
      return link(key, item.href, `image: ${item.text || item.href}`)
  }
}

const inside = (text: string, references: References) => inlines(text, references).map(node)

function view(block: Block, references: References, tight: boolean, key: number): ComponentChildren {
  switch (block.kind) {
    case 'heading':
      return <h3 key={key}>{inside(block.text, references)}</h3>
    case 'paragraph':
      return tight ? (
        <span key={key}>{inside(block.text, references)}</span>
      ) : (
        <p key={key}>{inside(block.text, references)}</p>
      )
    case 'code':
      return <Code key={key} text={block.text} />
    case 'rule':
      return <hr key={key} />
    case 'quote':
      return <blockquote key={key}>{views(block.of, references)}</blockquote>
    case 'list': {
      const items = block.items.map((item, at) => <li key={at}>{views(item, references, block.tight)}</li>)
      return block.start === null ? (
        <ul key={key}>{items}</ul>
      ) : (
        <ol key={key} start={block.start}>
          {items}
        </ol>
      )
    }
    case 'table':
      return (
        <table key={key}>
          <thead>
            <tr>
              {block.head.map((cell, at) => (
                <th key={at}>{inside(cell, references)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {block.rows.map((row, at) => (
              <tr key={at}>
                {row.map((cell, column) => (
                  <td key={column}>{inside(cell, references)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )
  }
}

const views = (blocks: Block[], references: References, tight = false) =>
  blocks.map((block, key) => view(block, references, tight, key))

export default function MarkdownView({ text }: { text: string }): JSX.Element {
  const cut = text.length > maxChars
  const { blocks, references } = markdown(cut ? text.slice(0, maxChars) : text)
  // While an answer streams, only its last block changes: the same vnode again is not looked into.
  const drawn = useRef<{ names: string; blocks: { source: string; node: ComponentChildren }[] }>({
    names: '',
    blocks: [],
  })
  const names = JSON.stringify([...references])
  const before = drawn.current.names === names ? drawn.current.blocks : []
  const now = blocks.map((block, key) => {
    const source = JSON.stringify(block)
    const known = before[key]
    return known?.source === source ? known : { source, node: view(block, references, false, key) }
  })
  drawn.current = { names, blocks: now }
  return (
    <div class="md">
      {now.map(item => item.node)}
      {cut && (
        <p class="muted">
          The text is longer than {maxChars.toLocaleString('en-GB')} characters; the rest is not shown.
        </p>
      )}
    </div>
  )
}
