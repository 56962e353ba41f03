/** Code and JSON as text. */
import type { JSX } from 'preact'
import { Copy } from './copy.tsx'

export function Code({
  text,
  wrap = false,
  copy = true,
  label = 'Code',
}: {
  text: string
  wrap?: boolean
  copy?: boolean
  label?: string
}): JSX.Element {
  return (
    <div class={`code${copy ? ' has-copy' : ''}`}>
      <pre class={wrap ? 'wrap' : undefined} tabIndex={0} role="region" aria-label={label}>
        <code>{text}</code>
      </pre>
      {copy && <Copy text={text} />}
    </div>
  )
}

export function Json({ value, label }: { value: unknown; label?: string }): JSX.Element {
  return <Code text={JSON.stringify(value, null, 2) ?? 'null'} {...(label ? { label } : {})} />
}
