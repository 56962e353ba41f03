/** 24 by 96 pixels of shape, no axis; missing values are gaps. */
import type { JSX } from 'preact'

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

export function Spark({ values, label }: { values: readonly (number | null)[]; label: string }): JSX.Element {
  return (
    <svg width={96} height={24} role="img" aria-label={label} fill="none" class="spark">
      <path d={sparkPath(values, 96, 24)} stroke-width={1.5} />
    </svg>
  )
}
