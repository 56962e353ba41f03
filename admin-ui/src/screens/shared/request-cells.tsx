/** Cells that several lists of requests share. */
import type { JSX } from 'preact'
import type { Attempt, RequestRow } from '../../api/schema/operate.ts'
import { spaced } from '../../lib/text.ts'
import { Chip, type Tone } from '../../ui/chip.tsx'
import { roleFill } from '../../viz/waterfall.tsx'

export function statusTone(row: Pick<RequestRow, 'status' | 'degraded'>): Tone {
  if (row.status >= 500) return 'bad'
  if (row.status >= 400) return row.status === 499 ? 'off' : 'bad'
  return row.degraded ? 'warn' : 'ok'
}

export function Status({ row }: { row: Pick<RequestRow, 'status' | 'degraded' | 'class'> }): JSX.Element {
  const words =
    row.degraded && row.status < 400
      ? `${row.status}, degraded`
      : row.class
        ? `${row.status} ${spaced(row.class)}`
        : String(row.status)
  return <Chip tone={statusTone(row)}>{words}</Chip>
}

/** One dot per attempt: colour is the role, a hollow square a failure. */
export function Attempts({ attempts }: { attempts: readonly Attempt[] }): JSX.Element {
  if (attempts.length === 0) return <span class="muted">none</span>
  const text = attempts
    .map(item => `${item.role} ${item.outcome}${item.class ? ` (${spaced(item.class)})` : ''}`)
    .join(', ')
  return (
    <span class="attempts" role="img" aria-label={text} title={text}>
      {attempts.map((item, index) => (
        <i
          key={index}
          class={`${roleFill[item.role]}${item.outcome === 'failed' ? ' failed' : item.outcome === 'cancelled' ? ' cancelled' : ''}`}
        />
      ))}
    </span>
  )
}
