/** Requests over time, 24 px high, failed ones at the foot of each bar. A stretch is chosen by dragging, or by arrows, Shift and Enter. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useWidth } from './use-width.ts'

export interface HistogramBar {
  /** What the bar is, in words: read out and shown below. */
  text: string
  value: number
  bad: number
}

const height = 24

export function Histogram({
  label,
  bars,
  hint,
  onRange,
}: {
  label: string
  bars: readonly HistogramBar[]
  hint: string
  onRange: (first: number, last: number) => void
}): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>()
  /** Where the choice began, and where it is now. */
  const [range, setRange] = useState<[number, number] | null>(null)
  const [drags, setDrags] = useState(false)
  const step = width / bars.length
  const most = Math.max(1, ...bars.map(bar => bar.value))
  const size = (value: number) => (value > 0 ? Math.max(1.5, (value / most) * height) : 0)
  const [first, last] = range ? [Math.min(...range), Math.max(...range)] : [-1, -1]
  const inside = (at: number) => Math.max(0, Math.min(bars.length - 1, at))
  const under = (event: PointerEvent) =>
    inside(Math.floor((event.clientX - (ref.current?.getBoundingClientRect().left ?? 0)) / step))
  const take = () => {
    if (range) onRange(first, last)
    setRange(null)
    setDrags(false)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (by) {
      const to = inside(range ? range[1] + by : by > 0 ? 0 : bars.length - 1)
      setRange([event.shiftKey && range ? range[0] : to, to])
    } else if (event.key === 'Enter') take()
    else if (event.key === 'Escape') setRange(null)
    else return
    event.preventDefault()
  }
  const words = range
    ? first === last
      ? (bars[first]?.text ?? '')
      : `${bars[first]?.text ?? ''} … ${bars[last]?.text ?? ''}`
    : hint
  return (
    <div
      ref={ref}
      class="chart histogram"
      role="slider"
      aria-label={label}
      aria-valuemin={1}
      aria-valuemax={bars.length}
      aria-valuenow={(range?.[1] ?? bars.length - 1) + 1}
      aria-valuetext={words}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onBlur={() => setRange(null)}
      onPointerDown={event => {
        ref.current?.setPointerCapture(event.pointerId)
        const at = under(event)
        setRange([at, at])
        setDrags(true)
      }}
      onPointerMove={event => {
        const at = under(event)
        setRange([drags && range ? range[0] : at, at])
      }}
      onPointerLeave={() => !drags && setRange(null)}
      onPointerUp={take}
      onPointerCancel={() => setRange(null)}
    >
      <svg width={width} height={height} aria-hidden="true">
        {bars.map((bar, index) => {
          const box = { x: index * step, width: Math.max(1, step - 1) }
          const bad = size(bar.bad)
          return (
            <g key={bar.text} opacity={!range || (index >= first && index <= last) ? 1 : 0.4}>
              <rect class="f1" {...box} y={height - size(bar.value)} height={Math.max(0, size(bar.value) - bad)} />
              <rect class="bad-bar" {...box} y={height - bad} height={bad} />
            </g>
          )
        })}
      </svg>
      <p class="small muted">{words}</p>
    </div>
  )
}
