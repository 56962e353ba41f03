/** A sentence that needs attention, inside the flow of the page. */
import type { ComponentChildren, JSX } from 'preact'
import { Glyph, type Tone } from './chip.tsx'

export function Callout({
  tone = 'off',
  title,
  children,
  alert = false,
}: {
  tone?: Tone
  title?: string
  children: ComponentChildren
  alert?: boolean
}): JSX.Element {
  return (
    <div class={`callout callout-${tone}`} role={alert ? 'alert' : undefined}>
      <Glyph tone={tone} />
      <div>
        {title && <strong>{title} </strong>}
        {children}
      </div>
    </div>
  )
}
