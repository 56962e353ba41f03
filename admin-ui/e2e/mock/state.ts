// What one browser context changed: documents by collection, the fusion draft, keys.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

// biome-ignore lint/suspicious/noExplicitAny: fixtures are read as they are
export type Any = any

const folder = join(import.meta.dirname, '../../../tests/fixtures/admin')

export const fixture = (name: string): Any => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))

export const collections = ['providers', 'models', 'pools', 'routes', 'fusion-profiles', 'policies'] as const

export interface State {
  documents: Record<string, Map<string, Any>>
  draft: Any
  keys: Any[]
  requests: Any[]
  settings: Any
  credentials: Any[]
  sessions: Any[]
  /** Requests whose content was deleted. */
  deleted: Set<string>
  /** How often the edge location was asked what it lists. */
  asked: number
}

const states = new Map<string, State>()

export function stateOf(id: string): State {
  const found = states.get(id)
  if (found) return found
  const made: State = {
    documents: Object.fromEntries(
      collections.map(name => [name, new Map(fixture(name).items.map((item: Any) => [item.document.id, item]))]),
    ),
    draft: fixture('fusion-draft'),
    keys: fixture('keys').items,
    requests: fixture('requests').items,
    settings: fixture('settings'),
    credentials: fixture('credentials').items,
    sessions: fixture('sessions').items,
    deleted: new Set(),
    asked: 0,
  }
  states.set(id, made)
  return made
}
