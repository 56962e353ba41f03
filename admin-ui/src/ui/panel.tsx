/** A titled surface, and the head of a page. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

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

interface PageProps {
  title: string
  /** After the title, in the heading: an id, a chip. */
  mark?: ComponentChildren
  text?: ComponentChildren
  actions?: ComponentChildren
  children: ComponentChildren
}

let firstPage = true

/** A screen: sets the document title and moves the focus to its heading after a navigation. */
export function Page({ title, mark, text, actions, children }: PageProps): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · clawrouter`
  }, [title])
  useEffect(() => {
    if (!firstPage) heading.current?.focus({ preventScroll: true })
    firstPage = false
    scrollTo(0, 0)
  }, [])
  return (
    <div class="page">
      <div class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title} {mark}
          </h1>
          {text && <p>{text}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </div>
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
