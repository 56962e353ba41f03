/** A moment: relative by default, exact in UTC on hover. */
import type { JSX } from 'preact'
import { useNow } from '../lib/clock.ts'
import { ago, dateTime } from '../lib/format.ts'

export function Ago({ at, none = 'never' }: { at: string | null | undefined; none?: string }): JSX.Element {
  const now = useNow()
  if (!at) return <span class="muted">{none}</span>
  return (
    <time dateTime={at} title={dateTime(at)}>
      {ago(at, now)}
    </time>
  )
}
