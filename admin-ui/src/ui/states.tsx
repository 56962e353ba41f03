/** What a screen shows when it has no data: loading, empty, filtered empty, failed. */
import type { ComponentChildren, JSX } from 'preact'
import type { ApiError } from '../api/client.ts'
import type { Resource } from '../api/resource.ts'
import { clock } from '../lib/format.ts'
import { Button } from './button.tsx'
import { Callout } from './callout.tsx'
import { Code } from './code.tsx'

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
  command,
  action,
}: {
  title: string
  children?: ComponentChildren
  command?: string
  action?: ComponentChildren
}): JSX.Element {
  return (
    <div class="empty">
      <h3>{title}</h3>
      {children && <p>{children}</p>}
      {command && <Code text={command} />}
      {action}
    </div>
  )
}

/** Something exists, the filter hides it. */
export function EmptyFiltered({
  what,
  filter,
  onClear,
}: {
  what: string
  filter: string
  onClear: () => void
}): JSX.Element {
  return (
    <div class="empty">
      <h3>
        No {what} for {filter}
      </h3>
      <Button onClick={onClear}>Clear filters</Button>
    </div>
  )
}

/** A failed call, with everything support would ask for. */
export function ErrorBox({
  error,
  what,
  onRetry,
}: {
  error: ApiError
  what?: string
  onRetry?: () => void
}): JSX.Element {
  return (
    <Callout tone="bad" alert title={what ? `${what}.` : ''}>
      {error.message}
      <p class="small muted">
        <code>{error.code}</code>
        {error.status > 0 && ` · HTTP ${error.status}`}
        {error.param && (
          <>
            {' '}
            · field <code>{error.param}</code>
          </>
        )}
        {error.requestId && (
          <>
            {' '}
            · request <code>{error.requestId}</code>
          </>
        )}
        {error.retryAfterSeconds && ` · retry in ${error.retryAfterSeconds} s`}
      </p>
      {onRetry && (
        <div class="actions">
          <Button small onClick={onRetry}>
            Retry
          </Button>
        </div>
      )}
    </Callout>
  )
}

/** Shows a resource in the right state: skeleton, error, data, or older data marked as such. */
export function Loaded<T>({
  of,
  what,
  lines = 6,
  children,
}: {
  of: Resource<T>
  what: string
  lines?: number
  children: (data: T) => ComponentChildren
}): JSX.Element {
  const retry = () => void of.refresh()
  if (of.data === undefined) {
    if (of.error?.status === 403) return <Forbidden error={of.error} />
    if (of.error)
      return (
        <div class="panel-body">
          <ErrorBox error={of.error} what={`${what} could not be loaded`} onRetry={retry} />
        </div>
      )
    return <Skeleton lines={lines} />
  }
  return (
    <>
      {of.error && (
        <Callout tone="warn" title={`Shown as of ${clock(of.at)} UTC.`}>
          {of.error.message}{' '}
          <button type="button" class="link-btn" onClick={retry}>
            Retry
          </button>
        </Callout>
      )}
      {children(of.data)}
    </>
  )
}

export function Forbidden({ error }: { error: ApiError }): JSX.Element {
  return (
    <div class="empty">
      <h3>Your role does not open this</h3>
      <p>{error.message}</p>
    </div>
  )
}
