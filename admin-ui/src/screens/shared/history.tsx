/** Revisions with author, note and diff. */
import type { JSX } from 'preact'
import type { History } from '../../api/schema/common.ts'
import { dateTime } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Empty } from '../../ui/states.tsx'

interface HistoryListProps {
  items: History['items']
  busy: number | null
  /** What its button says, before the revision's number. */
  restores?: string
  onRestore?: (revision: number) => void
}

export function HistoryList({ items, busy, restores = 'Restore revision', onRestore }: HistoryListProps): JSX.Element {
  if (items.length === 0) return <Empty title="Nobody changed this yet">It is as the bundled catalog brought it.</Empty>
  return (
    <ol class="stack-16">
      {items.map((item, index) => (
        <li key={item.revision} class="stack-4">
          <div class="row-wrap">
            <h3>Revision {item.revision}</h3>
            {index === 0 && <Chip tone="ok">current</Chip>}
            {item.deleted && <Chip tone="bad">deleted</Chip>}
            <span class="muted small grow">
              {dateTime(item.at)} · {item.actor}
            </span>
            {onRestore && index > 0 && (
              <Button small busy={busy === item.revision} onClick={() => onRestore(item.revision)}>
                {restores} {item.revision}
              </Button>
            )}
          </div>
          {item.note && <p>{item.note}</p>}
          <details>
            <summary>{plural(item.diff.length, 'field')} changed</summary>
            <Diff changes={item.diff} />
          </details>
        </li>
      ))}
    </ol>
  )
}
