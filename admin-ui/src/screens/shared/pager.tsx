/** The way through a list that begins with its newest row. */
import type { JSX } from 'preact'
import { Button } from '../../ui/button.tsx'

interface PagerProps {
  /** Where this page begins; empty: at the newest row. */
  cursor: string
  next: string | null | undefined
  onGo: (cursor: string | null) => void
}

export function Pager({ cursor, next, onGo }: PagerProps): JSX.Element {
  return (
    <>
      {cursor && (
        <Button small onClick={() => onGo(null)}>
          Newest
        </Button>
      )}
      {next && (
        <Button small onClick={() => onGo(next)}>
          Older
        </Button>
      )}
    </>
  )
}
