/** The address bar as state: what can be shared lives in the query string. */
import { useLocation } from 'preact-iso'

export interface QueryState {
  get: (name: string) => string
  /** Sets or removes (empty value) several parameters at once; history gets no new entry. */
  set: (changes: Record<string, string | null | undefined>) => void
  /** The query without its question mark. */
  text: string
}

/** `/admin/requests?model=x` from a path under /admin and parameters; empty ones are left out. */
export function adminUrl(path: string, query: Record<string, string | null | undefined> = {}): string {
  const text = queryText(query)
  return `/admin${path}${text && `?${text}`}`
}

/** `a=1&b=2`, empty values left out. */
export function queryText(query: Record<string, string | number | null | undefined>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(name, String(value))
  }
  return params.toString()
}

export function useQuery(): QueryState {
  const location = useLocation()
  return {
    get: name => location.query[name] ?? '',
    set: changes => {
      const text = queryText({ ...location.query, ...changes })
      location.route(`${location.path}${text && `?${text}`}`, true)
    },
    text: queryText(location.query),
  }
}
