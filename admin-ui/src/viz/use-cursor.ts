/** One place of a chart that pointer and keyboard share: arrows move it, leaving puts it away. */
import { useState } from 'preact/hooks'

/** Where an arrow key leads from `at`; the first arrow enters from its side. Null: no arrow. */
export function stepped(key: string, at: number | null, length: number): number | null {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key]
  if (!by || length === 0) return null
  return Math.max(0, Math.min(length - 1, (at ?? (by > 0 ? -1 : length)) + by))
}

export function useCursor(length: number) {
  const [cursor, setCursor] = useState<number | null>(null)
  const leave = () => setCursor(null)
  return {
    cursor,
    setCursor,
    /** For the svg. */
    props: {
      tabIndex: 0,
      onKeyDown: (event: KeyboardEvent) => {
        const next = stepped(event.key, cursor, length)
        if (next === null) return
        event.preventDefault()
        setCursor(next)
      },
      onPointerLeave: leave,
      onBlur: leave,
    },
  }
}
