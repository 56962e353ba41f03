/** What every screen may show while it has no data: loading, empty. The page's frame uses them too, so they stay small. */
import type { ComponentChildren, JSX } from 'preact'

/** The shape of what will come; invisible for the first 150 ms. */
export function Skeleton({ lines = 6 }: { lines?: number }): JSX.Element {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        <i key={i} />
      ))}
    </div>
  )
}

/** Nothing exists yet: what this is, and the one thing that creates it. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string
  children?: ComponentChildren
  action?: ComponentChildren
}): JSX.Element {
  return (
    <div class="empty">
      <h3>{title}</h3>
      {children && <p>{children}</p>}
      {action}
    </div>
  )
}
