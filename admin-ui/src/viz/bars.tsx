/** Vertical bars over days, one series; the incomplete last bucket is hatched; keyboard and pointer share one cursor. */
import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { useShortcuts } from '../lib/shortcuts.ts'
import { Button } from '../ui/button.tsx'
import { niceTicks } from './scale.ts'
import { useCursor } from './use-cursor.ts'
import { useWidth } from './use-width.ts'

export interface Bar {
  id: string
  label: string
  value: number | null
  text: string
}

interface BarsProps {
  bars: readonly Bar[]
  label: string
  format: (value: number) => string
  /** Heads of the table that holds the same. */
  heads: readonly [string, string]
  /** The last bucket is still filling. */
  partial?: boolean
  height?: number
}

const left = 52
const bottom = 22
const top = 8
/** A wider bar says nothing more. */
const widest = 56

export function Bars({ bars, label, format, heads, partial = false, height = 180 }: BarsProps): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>()
  const { cursor, setCursor, props } = useCursor(bars.length)
  const [table, setTable] = useState(false)
  const turn = () => setTable(on => !on)
  useShortcuts([{ keys: 'v', text: 'Chart or table', run: turn }])
  const hatch = useId()
  const ticks = niceTicks(Math.max(0, ...bars.map(bar => bar.value ?? 0)), 4)
  const max = ticks.at(-1) ?? 1
  const plot = height - top - bottom
  const y = (value: number) => top + plot - (value / max) * plot
  const step = (width - left) / Math.max(1, bars.length)
  const every = Math.max(1, Math.ceil(bars.length / Math.max(1, Math.floor((width - left) / 64))))
  const shown = cursor === null ? null : bars[cursor]
  return (
    <div ref={ref} class="chart bars">
      {table && (
        <div class="table-wrap">
          <table class="table">
            <caption class="visually-hidden">{label}</caption>
            <thead>
              <tr>
                {heads.map(head => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {bars.map((bar, index) => (
                <tr key={bar.id}>
                  <th scope="row">{bar.id}</th>
                  <td>
                    {bar.text}
                    {partial && index === bars.length - 1 && ' so far'}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <svg width={width} height={height} role="img" aria-label={label} hidden={table} {...props}>
        <defs>
          <pattern id={hatch} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect class="f1" width="2.5" height="5" />
          </pattern>
        </defs>
        {ticks.map(tick => (
          <g key={tick}>
            <line class="grid" x1={left} x2={width} y1={y(tick)} y2={y(tick)} />
            <text class="axis" x={left - 8} y={y(tick) + 4} text-anchor="end">
              {format(tick)}
            </text>
          </g>
        ))}
        {bars.map((bar, index) => {
          const x = left + index * step
          const thick = Math.max(1, Math.min(widest, step * 0.7))
          const size = bar.value === null ? 0 : Math.max(bar.value > 0 ? 1 : 0, top + plot - y(bar.value))
          return (
            <g key={bar.id}>
              <rect
                class={partial && index === bars.length - 1 ? 'hatched' : 'f1'}
                {...(partial && index === bars.length - 1 ? { fill: `url(#${hatch})` } : {})}
                x={x + (step - thick) / 2}
                width={thick}
                y={top + plot - size}
                height={size}
                opacity={cursor === null || cursor === index ? 1 : 0.5}
              />
              <rect class="hit" x={x} width={step} y={0} height={height} onPointerEnter={() => setCursor(index)} />
              {index % every === 0 && (
                <text class="axis" x={x + step / 2} y={height - 6} text-anchor="middle">
                  {bar.label}
                </text>
              )}
            </g>
          )
        })}
      </svg>
      <p class="small muted bars-note" aria-live="polite">
        {table ? '' : shown ? `${shown.id}: ${shown.text}` : partial ? 'The last bar is not complete.' : ''}
      </p>
      <Button small kind="quiet" pressed={table} onClick={turn}>
        View as table <kbd>V</kbd>
      </Button>
    </div>
  )
}
