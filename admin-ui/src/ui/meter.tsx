/** Budget as a bar: spent solid, reserved hatched; the numbers always stand beside it. */
import type { JSX } from 'preact'
import { money, percent } from '../lib/format.ts'

interface MeterProps {
  spent: number
  reserved: number
  limit: number
  label: string
}

export function Meter({ spent, reserved, limit, label }: MeterProps): JSX.Element {
  const share = limit > 0 ? Math.min(1, spent / limit) : 1
  const held = limit > 0 ? Math.min(1 - share, reserved / limit) : 0
  return (
    <div class="meter">
      <div
        class={`meter-track${share >= 0.8 ? ' near' : ''}`}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={limit}
        aria-valuenow={Math.min(spent, limit)}
        aria-valuetext={`${money(spent)} of ${money(limit)} spent`}
      >
        <i style={{ width: `${share * 100}%` }} />
        <i class="reserved" style={{ width: `${held * 100}%` }} />
      </div>
      <span class="meter-text">
        {money(spent)} of {money(limit)}
        <span class="muted">
          {' '}
          · {percent(limit > 0 ? spent / limit : 1)}
          {reserved > 0 && ` · ${money(reserved)} reserved`}
        </span>
      </span>
    </div>
  )
}
