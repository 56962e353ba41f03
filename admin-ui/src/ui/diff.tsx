/** What changed, field by field. */
import type { JSX } from 'preact'

export interface DiffEntry {
  path: string
  before?: unknown
  after?: unknown
}

function text(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export function Diff({ changes }: { changes: readonly DiffEntry[] }): JSX.Element {
  if (changes.length === 0) return <p class="muted">No field differs.</p>
  return (
    <dl class="diff">
      {changes.map(change => (
        <div key={change.path}>
          <dt>{change.path.replace(/^\//, '').replaceAll('/', ' › ')}</dt>
          {change.before !== undefined && change.before !== null && (
            <dd class="before">
              <span aria-hidden="true">−</span>
              <span>
                <span class="visually-hidden">before: </span>
                {text(change.before)}
              </span>
            </dd>
          )}
          {change.after !== undefined && change.after !== null && (
            <dd class="after">
              <span aria-hidden="true">+</span>
              <span>
                <span class="visually-hidden">after: </span>
                {text(change.after)}
              </span>
            </dd>
          )}
        </div>
      ))}
    </dl>
  )
}

/** Field-wise difference of two JSON values, as JSON pointers. Arrays of the same length are compared item by item. */
export function diffOf(before: unknown, after: unknown, path = ''): DiffEntry[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  const branch = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  if (branch(before) && branch(after) && Array.isArray(before) === Array.isArray(after)) {
    if (!Array.isArray(before) || (after as unknown as unknown[]).length === before.length) {
      return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap(key =>
        diffOf(before[key], after[key], `${path}/${key}`),
      )
    }
  }
  return [{ path: path || '/', before, after }]
}
