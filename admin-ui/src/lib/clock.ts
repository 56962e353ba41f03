/** A shared "now" that ticks only while something on screen reads it. */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

const now = signal(Date.now())
let readers = 0
let timer: ReturnType<typeof setInterval> | undefined

/** Milliseconds since the epoch, refreshed every second while mounted. */
export function useNow(): number {
  useEffect(() => {
    if (readers++ === 0) {
      now.value = Date.now()
      timer = setInterval(() => {
        if (document.visibilityState === 'visible') now.value = Date.now()
      }, 1000)
    }
    return () => {
      if (--readers === 0) clearInterval(timer)
    }
  }, [])
  return now.value
}
