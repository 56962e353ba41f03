/** The tour: answers of a made-up deployment in place of the Worker's, kept in memory until it is left or the page reloads. */
import { signal } from '@preact/signals'

/** By path with `*` for an id, after the method unless it is GET. */
export type Sample = Record<string, unknown>

/** Null: the page shows its deployment. */
export const sample = signal<Sample | null>(null)

function show(answers: Sample | null): void {
  dispatchEvent(new Event('clawrouter:forget'))
  sample.value = answers
}

const dayMs = 86_400_000
/** The last day of the sample as it is written. */
const lastDay = '2026-11-20'

/** Moves every date by whole days, so that the sample's last day is that of `now`. */
export function upToDate(text: string, now: number): string {
  const by = Math.floor((now - Date.parse(lastDay)) / dayMs) * dayMs
  return text.replace(/"(\d{4}-\d\d-\d\d)(?=[T"])/g, (_, day) => {
    return `"${new Date(Date.parse(day) + by).toISOString().slice(0, 10)}`
  })
}

export async function enterSample(): Promise<void> {
  const response = await fetch('/admin/sample.json')
  show(JSON.parse(upToDate(await response.text(), Date.now())))
}

export const leaveSample = (): void => show(null)

/** What the sample answers; undefined: it has nothing there. */
export function sampleAnswer(answers: Sample, method: string, path: string): unknown {
  const [where = '', query = ''] = path.split('?')
  const [collection = '', id = ''] = where.split('/')
  const named = [`${where}?${query.split('&')[0]}`, where, where.replace(/\/[^/]+/, '/*')]
    .map(name => answers[method === 'GET' ? name : `${method} ${name}`])
    .find(found => found !== undefined)
  if (named !== undefined || method !== 'GET') return named
  const { items = [] } = (answers[collection] ?? {}) as { items?: { document?: { id?: string } }[] }
  return items.find(item => item.document?.id === decodeURIComponent(id))
}
