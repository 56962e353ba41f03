/** What a screen shows instead of its data: an error, a filter without results, a refusal; and the choice between them. */
import type { ComponentChildren, JSX } from 'preact'
import type { ApiError } from '../api/client.ts'
import type { Resource } from '../api/resource.ts'
import { clock } from '../lib/format.ts'
import { Button } from './button.tsx'
import { Callout } from './callout.tsx'
import { Skeleton } from './states.tsx'

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
