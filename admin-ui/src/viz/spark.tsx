/** 24 by 96 pixels of shape, no axis; missing values are gaps. */
import type { JSX } from 'preact'
import { useCursor } from './use-cursor.ts'

export function sparkPath(values: readonly (number | null)[], width: number, height: number): string {
  const known = values.filter(value => value !== null)
  const max = Math.max(...known, 1e-9)
  const step = values.length > 1 ? width / (values.length - 1) : 0
  let open = false
  return values
    .map((value, index) => {
      if (value === null) {
        open = false
        return ''
      }
      const point = `${(index * step).toFixed(1)} ${(height - 1 - (value / max) * (height - 2)).toFixed(1)}`
      const command = `${open ? 'L' : 'M'}${point}`
      open = true
      return command
    })
    .join('')
}

interface SparkProps {
  values: readonly (number | null)[]
  label: string
  /** What stands at each place, in words. */
  texts: readonly string[]
}

export function Spark({ values, label, texts }: SparkProps): JSX.Element {
  const { cursor, setCursor, props } = useCursor(values.length)
  const step = 96 / Math.max(1, values.length - 1)
  return (
    <>
      <svg
        width={96}
        height={24}
        role="img"
        aria-label={label}
        fill="none"
        class="spark"
        {...props}
        onPointerMove={event => setCursor(Math.min(values.length - 1, Math.max(0, Math.round(event.offsetX / step))))}
      >
        <path d={sparkPath(values, 96, 24)} stroke-width={1.5} />
        {cursor !== null && <path d={`M${cursor * step} 0V24`} />}
      </svg>
      <small aria-live="polite">{cursor !== null && texts[cursor]}</small>
    </>
  )
}
