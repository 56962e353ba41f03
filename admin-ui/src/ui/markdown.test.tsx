import { render, screen } from '@testing-library/preact'
import { describe, expect, it } from 'vitest'
import { Markdown } from './markdown.tsx'
import MarkdownView from './markdown-view.tsx'

/** The elements, without what every link and code block carries. */
function html(text: string): string {
  const { container } = render(<MarkdownView text={text} />)
  return (container.firstElementChild?.innerHTML ?? '')
    .replaceAll(' rel="noreferrer noopener" target="_blank"', '')
    .replace(/<div class="code[^>]*><pre[^>]*>/g, '<pre>')
    .replace(/<\/pre><button.*?<\/button><\/div>/g, '</pre>')
}

describe('markdown', () => {
  it('a text that grows looks like one that came whole, and keeps the elements of its finished blocks', () => {
    const text = '# One\n\nsee [a] and *b*\n\n- c\n- d\n\n[a]: https://example.test'
    const { container, rerender } = render(<MarkdownView text="" />)
    let first: Element | null = null
    for (let end = 1; end <= text.length; end++) {
      rerender(<MarkdownView text={text.slice(0, end)} />)
      if (end === 8) first = container.querySelector('h3')
    }
    expect(container.querySelector('h3')).toBe(first)
    const grown = container.innerHTML
    expect(grown).toBe(render(<MarkdownView text={text} />).container.innerHTML)
    expect(grown).toContain('href="https://example.test"')
  })
  it('every text that waits for the parser is set when it comes', async () => {
    render(
      <>
        <Markdown text="**one**" />
        <Markdown text="**two**" />
      </>,
    )
    for (const word of ['one', 'two']) expect((await screen.findByText(word)).tagName).toBe('STRONG')
  })
  it.each([
    [
      'emphasis',
      '**a** *b* ***c*** __d__ _e_ ~~f~~',
      '<p><strong>a</strong> <em>b</em> <em><strong>c</strong></em> <strong>d</strong> <em>e</em> <s>f</s></p>',
    ],
    [
      'marks inside words and alone',
      'snake_case_name 2 * 3 * 4 a*b*c **x',
      '<p>snake_case_name 2 * 3 * 4 a<em>b</em>c **x</p>',
    ],
    ['crossing marks', '*a **b* c**', '<p><em>a <em><em>b</em> c</em></em></p>'],
    ['code', '`a` ``b ` c`` `*d*` `e', '<p><code>a</code> <code>b ` c</code> <code>*d*</code> `e</p>'],
    ['escapes and entities', '\\*a\\* \\z &lt;b&gt; `&lt;`', '<p>*a* \\z &lt;b&gt; <code>&amp;lt;</code></p>'],
    ['line breaks', 'a  \nb\\\nc<br>d\ne', '<p>a<br>b<br>c<br>d\ne</p>'],
    [
      'links',
      '[a](https://x.example "t") [b](<mailto:c@d.example>) <https://e.example>',
      '<p><a href="https://x.example">a</a> <a href="mailto:c@d.example">b</a> <a href="https://e.example">https://e.example</a></p>',
    ],
    [
      'bare addresses',
      'see https://x.example/a(b)). or me@x.example.',
      '<p>see <a href="https://x.example/a(b)">https://x.example/a(b)</a>). or <a href="mailto:me@x.example">me@x.example</a>.</p>',
    ],
    [
      'an address as a link text',
      '[https://x.example](https://y.example)',
      '<p><a href="https://y.example">https://x.example</a></p>',
    ],
    [
      'references',
      '[a][R] [r]\n\n[r]: https://x.example',
      '<p><a href="https://x.example">a</a> <a href="https://x.example">r</a></p>',
    ],
    [
      'addresses that run something',
      '[a](javascript:alert(1)) ![b](data:image/png,x) [c](JavaScript:x)',
      '<p>a image: b c</p>',
    ],
    ['images as links', '![a](https://x.example/p.png)', '<p><a href="https://x.example/p.png">image: a</a></p>'],
    ['HTML as text', '<img src=x onerror=alert(1)><script>', '<p>&lt;img src=x onerror=alert(1)&gt;&lt;script&gt;</p>'],
    ['headings', '# a\n## b ##\nc\n===\n#d', '<h3>a</h3><h3>b</h3><h3>c</h3><p>#d</p>'],
    ['rules', 'a\n\n---\n\n* * *', '<p>a</p><hr><hr>'],
    ['fences', '```js\na *b*\n\n# c\n```\nd', '<pre><code>a *b*\n\n# c</code></pre><p>d</p>'],
    ['a fence that is still being written', '~~~\na\n', '<pre><code>a</code></pre>'],
    ['indented code', 'a\n\n    b\n      c', '<p>a</p><pre><code>b\n  c</code></pre>'],
    ['quotes', '> a\nb\n>\n> - c', '<blockquote><p>a\nb</p><ul><li><span>c</span></li></ul></blockquote>'],
    [
      'lists in lists',
      '1. a\n   - b\n   - c\n2. d',
      '<ol start="1"><li><span>a</span><ul><li><span>b</span></li><li><span>c</span></li></ul></li><li><span>d</span></li></ol>',
    ],
    ['a list of paragraphs', '- a\n\n- b\n  c', '<ul><li><p>a</p></li><li><p>b\nc</p></li></ul>'],
    ['a fence in a list', '- a\n  ```\n  b\n  ```', '<ul><li><span>a</span><pre><code>b</code></pre></li></ul>'],
    ['a year at the start of a line', 'It was\n1984. Really', '<p>It was\n1984. Really</p>'],
    ['a list that starts later', '3) a', '<ol start="3"><li><span>a</span></li></ol>'],
    [
      'tables',
      '| a | b |\n|:--|--|\n| `c` | d \\| e |\n| f |\n\ng',
      '<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><code>c</code></td><td>d | e</td></tr><tr><td>f</td><td></td></tr></tbody></table><p>g</p>',
    ],
  ])('shows %s', (_name, text, expected) => {
    expect(html(text)).toBe(expected)
  })

  it.each([
    ['open brackets', '['.repeat(200_000)],
    ['links in links', `${'['.repeat(40_000)}${'](x)'.repeat(40_000)}`],
    ['unfinished titles', '[a](b ('.repeat(28_000)],
    ['emphasis in emphasis', `${'*a '.repeat(30_000)}${'a* '.repeat(30_000)}`],
    ['stars', `${'*'.repeat(100_000)}a${'*'.repeat(99_999)}`],
    ['closers of another length', `~x ${'b~~ '.repeat(50_000)}`],
    ['backticks of every length', Array.from({ length: 600 }, (_, n) => '`'.repeat(n)).join(' ')],
    ['quotes in quotes', '>'.repeat(100_000)],
    ['lists in lists', '- '.repeat(100_000)],
    ['short lines', 'a\n'.repeat(100_000)],
  ])('is quick with %s', (_name, text) => {
    const started = performance.now()
    render(<MarkdownView text={text} />)
    // Quadratic work would take minutes.
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
