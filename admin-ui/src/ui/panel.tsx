/** A titled surface, and numbers side by side. */
import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'

interface PanelProps {
  title?: ComponentChildren
  /** Right side of the head: a note, a control. */
  aside?: ComponentChildren
  foot?: ComponentChildren
  /** Content that brings its own spacing (a table). */
  flush?: boolean
  id?: string
  children?: ComponentChildren
}

export function Panel({ title, aside, foot, flush = false, id, children }: PanelProps): JSX.Element {
  const titleId = useId()
  return (
    <section class="panel" id={id} aria-labelledby={title ? titleId : undefined}>
      {title && (
        <div class="panel-head">
          <h2 id={titleId}>{title}</h2>
          {aside && <div class="panel-note">{aside}</div>}
        </div>
      )}
      {flush ? children : <div class="panel-body">{children}</div>}
      {foot && <div class="panel-foot">{foot}</div>}
    </section>
  )
}

/** Numbers side by side. */
export function Figures({
  items,
  label,
}: {
  items: { name: string; value: ComponentChildren; note?: ComponentChildren; below?: ComponentChildren }[]
  label?: string
}): JSX.Element {
  return (
    <dl class="figures" aria-label={label}>
      {items.map(item => (
        <div class="figure" key={item.name}>
          <dt>{item.name}</dt>
          <dd>
            {item.value} {item.note && <small>{item.note}</small>}
            {item.below}
          </dd>
        </div>
      ))}
    </dl>
  )
}
