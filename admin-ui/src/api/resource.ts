/** Server data for a screen: cached by key, shown while it is refreshed, aborted when nobody looks. */
import { type Signal, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError } from './client.ts'

interface Entry<T> {
  data: Signal<T | undefined>
  error: Signal<ApiError | null>
  busy: Signal<boolean>
  at: number
  users: number
  abort: AbortController | null
}

export interface Resource<T> {
  data: T | undefined
  error: ApiError | null
  /** A request is on its way, with or without older data to show meanwhile. */
  busy: boolean
  /** When `data` arrived, milliseconds since the epoch; 0 before that. */
  at: number
  refresh: () => Promise<void>
  /** Puts an answer the page already has (of a save, say) in place. */
  put: (data: T) => void
}

const cache = new Map<string, Entry<unknown>>()
const maxEntries = 200
/** Older data is fetched anew when the page gets the focus back. */
const staleMs = 15_000
/** Older data is shown and fetched anew when a screen opens. */
const openMs = 1_000

function entryFor<T>(key: string): Entry<T> {
  const found = cache.get(key)
  if (found) return found as Entry<T>
  if (cache.size >= maxEntries) {
    const idle = [...cache].find(([, entry]) => entry.users === 0)
    if (idle) cache.delete(idle[0])
  }
  const entry: Entry<T> = {
    data: signal<T | undefined>(undefined),
    error: signal(null),
    busy: signal(false),
    at: 0,
    users: 0,
    abort: null,
  }
  cache.set(key, entry as Entry<unknown>)
  return entry
}

/** Forgets what starts with one of these keys and refetches what is on screen. */
export function invalidate(...prefixes: string[]): void {
  for (const [key, entry] of cache) {
    if (!prefixes.some(prefix => key.startsWith(prefix))) continue
    entry.at = 0
    if (entry.users === 0) cache.delete(key)
  }
  dispatchEvent(new Event('clawrouter:invalidate'))
}

/** Drops everything, for sign-out. */
export function forgetAll(): void {
  for (const entry of cache.values()) entry.abort?.abort()
  cache.clear()
}

// The session is known before this file is loaded, so it tells rather than calls.
addEventListener('clawrouter:forget', forgetAll)

async function load<T>(entry: Entry<T>, fetcher: (signal: AbortSignal) => Promise<T>): Promise<void> {
  entry.abort?.abort()
  const abort = new AbortController()
  entry.abort = abort
  entry.busy.value = true
  try {
    const data = await fetcher(abort.signal)
    if (entry.abort !== abort) return
    entry.at = Date.now()
    entry.error.value = null
    entry.data.value = data
  } catch (error) {
    if (entry.abort !== abort || abort.signal.aborted) return
    entry.error.value =
      error instanceof ApiError
        ? error
        : new ApiError({
            status: 0,
            code: 'page_error',
            message: error instanceof Error ? error.message : String(error),
          })
  } finally {
    if (entry.abort === abort) {
      entry.abort = null
      entry.busy.value = false
    }
  }
}

export interface ResourceOptions {
  /** Refetch this often while the page is visible. */
  pollMs?: number
}

const idleEntry: Entry<unknown> = {
  data: signal(undefined),
  error: signal(null),
  busy: signal(false),
  at: 0,
  users: 0,
  abort: null,
}

/** Reads a resource; a null key reads nothing. While the key changes within one family (the part before `?`) the old data stays. */
export function useResource<T>(
  key: string | null,
  fetcher: (signal: AbortSignal) => Promise<T>,
  options: ResourceOptions = {},
): Resource<T> {
  const entry = key === null ? (idleEntry as Entry<T>) : entryFor<T>(key)
  const fetch = useRef(fetcher)
  fetch.current = fetcher
  const previous = useRef<{ family: string; data: T | undefined }>({ family: '', data: undefined })

  useEffect(() => {
    if (key === null) return
    entry.users++
    const refetchIfStale = () => {
      if (document.visibilityState === 'visible' && Date.now() - entry.at > staleMs) void load(entry, fetch.current)
    }
    const refetchIfForgotten = () => {
      if (entry.at === 0) void load(entry, fetch.current)
    }
    if (Date.now() - entry.at > openMs && !entry.abort) void load(entry, fetch.current)
    addEventListener('focus', refetchIfStale)
    addEventListener('clawrouter:invalidate', refetchIfForgotten)
    const timer = options.pollMs
      ? setInterval(() => {
          if (document.visibilityState === 'visible' && !entry.abort) void load(entry, fetch.current)
        }, options.pollMs)
      : undefined
    return () => {
      entry.users--
      removeEventListener('focus', refetchIfStale)
      removeEventListener('clawrouter:invalidate', refetchIfForgotten)
      clearInterval(timer)
      if (entry.users === 0) {
        entry.abort?.abort()
        entry.abort = null
        entry.busy.value = false
      }
    }
  }, [key, options.pollMs])

  const family = key?.split('?')[0] ?? ''
  const own = entry.data.value
  if (own !== undefined || previous.current.family !== family) previous.current = { family, data: own }
  return {
    data: own ?? previous.current.data,
    error: entry.error.value,
    busy: entry.busy.value,
    at: entry.at,
    refresh: () => (key === null ? Promise.resolve() : load(entry, fetch.current)),
    put: data => {
      entry.at = Date.now()
      entry.error.value = null
      entry.data.value = data
    },
  }
}
