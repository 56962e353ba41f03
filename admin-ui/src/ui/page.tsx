/** The head of a screen. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

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
